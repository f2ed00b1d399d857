"""ACME clients as their users run them: one module for each, over what base.py gives them. For tests/e2e/clients."""
