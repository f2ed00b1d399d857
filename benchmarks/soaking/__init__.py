"""What `benchmarks/soak.py` is made of: the load, the memory that it costs, and what is said at the end."""
