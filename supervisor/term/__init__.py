"""A term: the time for which this supervisor holds the lease on its store, and the tasks that live in it."""
