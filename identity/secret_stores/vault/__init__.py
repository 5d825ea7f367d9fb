"""The encrypted local store: a SQLite file under one master key, which several slots can open."""

__all__: list[str] = []
