"""The three validators (http-01, dns-01, tls-alpn-01), resolving and address policy; each returns evidence."""
