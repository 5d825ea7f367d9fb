"""A project's secrets as Configu has them: taken into the store, and written back."""

__all__: list[str] = []
