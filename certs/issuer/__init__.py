"""The issuer that ships with the program: two-tier CA, joins, renewals, SQLite state."""

__all__: list[str] = []
