"""What local clients need to be told to reach a route, each in its own form."""

__all__: list[str] = []
