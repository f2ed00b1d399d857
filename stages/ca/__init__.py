"""Issuers, profiles, CSR and key policy, certificates, CRLs: no Redis, no network."""
