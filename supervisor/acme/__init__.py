"""The front door: an RFC 8555 (ACME) server in front of the pipeline. An order is a session seen through it."""
