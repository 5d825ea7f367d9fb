"""The path of a request: worker processes around one readiness loop, no policy of their own."""

__all__: list[str] = []
