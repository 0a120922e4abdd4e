"""Stand-ins for what is remote: small servers with behaviour, spoken to over HTTP."""
