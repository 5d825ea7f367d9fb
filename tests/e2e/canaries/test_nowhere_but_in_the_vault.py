"""Secrets from the encrypted vault are where they were to go, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable


def test_everything_that_handles_secrets(everything: Callable[[str], None]) -> None:
    everything("vault")
