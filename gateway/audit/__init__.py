"""The record of who used what, when: journal of events without values."""

__all__: list[str] = []
