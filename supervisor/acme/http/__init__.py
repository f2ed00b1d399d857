"""The web server of the front door; it knows nothing of ACME."""
