"""/metrics: what the program counts, in the formats of Prometheus. For `supervisor.admin`; the docs have its table."""
