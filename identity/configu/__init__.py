"""Configu, where a team keeps its configuration: what its API says, and what that comes to."""

__all__: list[str] = []
