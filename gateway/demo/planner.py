"""The remote agent's tools, served by the official MCP SDK."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def mcp_application() -> ASGIApp:
    """An MCP server with a tool that answers at once and one that streams its progress."""
    server = MCPServer("planner", instructions="adds numbers and counts slowly")
    server.tool()(add)
    server.tool()(count)
    # Behind mutual TLS no browser can reach it: the check of Host and Origin is the gateway's.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    application: ASGIApp = server.streamable_http_app(transport_security=security)
    return application


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def count(steps: int, pause_s: float, context: Context) -> str:
    """Count slowly, reporting each step as it is done."""
    for step in range(1, steps + 1):
        await asyncio.sleep(pause_s)
        await context.report_progress(step, steps, f"step {step} of {steps}")
    return f"counted to {steps}"
