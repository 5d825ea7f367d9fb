"""Secrets from mounted files are where they were to go, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Each goes through all that handles secrets, in dozens of processes.
pytestmark = pytest.mark.timeout(120)


def test_everything_that_handles_secrets(everything: Callable[[str], None]) -> None:
    everything("folder")


def test_shells_that_have_them_for_a_time(in_a_shell: Callable[[str], None]) -> None:
    in_a_shell("folder")
