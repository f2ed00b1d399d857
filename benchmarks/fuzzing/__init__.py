"""The parts of `benchmarks/fuzz.py`: good inputs, ways to spoil them, what they are fed to, and one process of it."""
