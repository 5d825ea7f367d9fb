"""Identity sources: where verified identities come from, one module each."""

__all__: list[str] = []
