"""Serving the published table to programs that are no frameworks: what the MCP server says, and to whom.

What belongs here: `library` (answers as values), `tokens` (who somebody is), `mcp_server` (both behind the protocol).
`asking` makes the client of the declared table. Everything reads through `pipelines.frameworks.client`, under the role
of whoever asks.
"""
