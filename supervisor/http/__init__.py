"""The web server of the program's doors; it knows nothing of ACME."""
