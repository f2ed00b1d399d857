"""The forms of `make torture` and what they share; see docs/reliability.md. For benchmarks/torture.py only."""
