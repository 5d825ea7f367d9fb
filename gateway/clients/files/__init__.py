"""Edits of clients' files that leave everything else in them as it is: comments, order, spaces."""

__all__: list[str] = []
