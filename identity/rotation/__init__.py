"""Who gives out the secrets that are rotated, and what each of them asks for."""

__all__: list[str] = []
