"""Ways to join besides the one-time token: by an identity token, and by a bound key."""

__all__: list[str] = []
