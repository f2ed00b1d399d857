"""Signed requests: JSON Web Keys and Signatures as RFC 8555 6 narrows them. It knows no account and no store."""
