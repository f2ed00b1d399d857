"""Measures how fast and how small the program is, each figure beside a floor measured in the same run. See bench.py."""
