"""Settings of all property tests."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow, which is no property of the code under test.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
