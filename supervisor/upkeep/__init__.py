"""Upkeep: what runs beside the stages. The recovery scan again and again, the CRL, the embedded store."""
