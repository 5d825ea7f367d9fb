"""The demonstration: a remote agent that accepts nothing but mutual TLS 1.3, a local agent that
knows nothing of it, and the gateway between them. Needs the `demo` extra (the official MCP SDK).
"""

__all__: list[str] = []
