"""The sides of each comparison: programs of their own, started by `benchmarks.measures`. Each prints one JSON line."""
