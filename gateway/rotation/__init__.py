"""Rotation: replacing a secret step by step, so that it can go on after a crash at any of them."""

__all__: list[str] = []
