"""Start and stop order of the program, and what its end is called."""
