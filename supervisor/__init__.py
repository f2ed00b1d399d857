"""The program: command line, configuration, logs, start and stop, runners, recovery."""
