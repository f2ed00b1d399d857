"""Structured logs: set-up, the list of events, and what makes a line safe to print."""
