"""Sessions of Supabase Auth: begun by a person, kept in the secret store, refreshed once."""

__all__: list[str] = []
