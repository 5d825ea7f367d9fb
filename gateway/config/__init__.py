"""The configuration: its values, how a TOML file becomes them, and what is checked."""

__all__: list[str] = []
