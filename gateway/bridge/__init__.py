"""MCP over standard input and output, for clients that only start commands.

Each message is handed on by HTTP to a route, and what comes back is written as lines.
"""

__all__: list[str] = []
