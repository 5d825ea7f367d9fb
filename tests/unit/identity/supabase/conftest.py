from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.supabase_auth import SupabaseAuth


@pytest.fixture
def server() -> Iterator[SupabaseAuth]:
    with SupabaseAuth() as made:
        yield made
