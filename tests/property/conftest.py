"""Settings of all property tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine is slow, which is no property of the code under test.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
