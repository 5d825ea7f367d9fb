"""Tokens with an end: one module for each kind of source, and when to ask for the next one."""

__all__: list[str] = []
