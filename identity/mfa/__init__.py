"""Security keys: what a touch proves, and what can't be read without one."""

__all__: list[str] = []
