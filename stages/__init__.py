"""The domain: sessions, the four stages, the store, challenges and the CA. Knows no HTTP server, TOML or signal."""
