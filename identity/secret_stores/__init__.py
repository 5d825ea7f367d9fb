"""Stores of secrets: one module each, chosen by name in the configuration, never guessed."""

__all__: list[str] = []
