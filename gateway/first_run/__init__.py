"""A configuration file from a few answers: what to write, and what this machine suggests."""

__all__: list[str] = []
