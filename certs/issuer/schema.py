"""The state file's tables. Pure.

`MIGRATIONS[n]` leads from version n to n + 1; one that was released is never changed. A new table
is a new entry at the end. Times are milliseconds since 1970 UTC. A set of names is a JSON array, so
that no separator can clash.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FIRST: Final = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE authorities (
  number INTEGER PRIMARY KEY,
  status TEXT NOT NULL CHECK (status IN ('active', 'trusted')),
  root_pem TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL,
  workload TEXT NOT NULL,
  spiffe_id TEXT NOT NULL,
  dns_names TEXT NOT NULL,
  max_life_ms INTEGER NOT NULL,
  uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE instances (
  id TEXT PRIMARY KEY,
  token_id TEXT NOT NULL,
  workload TEXT NOT NULL,
  spiffe_id TEXT NOT NULL,
  dns_names TEXT NOT NULL,
  max_life_ms INTEGER NOT NULL,
  confirmed_generation INTEGER NOT NULL,
  confirmed_key TEXT NOT NULL,
  pending_generation INTEGER,
  pending_key TEXT,
  joined_ms INTEGER NOT NULL,
  seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE joins (
  token_id TEXT NOT NULL,
  key TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  joined_ms INTEGER NOT NULL,
  PRIMARY KEY (token_id, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE certificates (
  serial TEXT PRIMARY KEY,
  instance_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  key TEXT NOT NULL,
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_by_end ON certificates (not_after_ms);
CREATE INDEX certificates_by_instance ON certificates (instance_id);
CREATE TABLE locks (
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  reason TEXT NOT NULL,
  locked_ms INTEGER NOT NULL,
  until_ms INTEGER,
  PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;
"""

# The authority is the key pin of the CA that signed; "" in rows from before there was a second one.
_REVOCATIONS: Final = """
ALTER TABLE certificates ADD COLUMN authority TEXT NOT NULL DEFAULT '';
CREATE TABLE revocations (
  serial TEXT NOT NULL,
  lock_kind TEXT NOT NULL,
  lock_target TEXT NOT NULL,
  reason TEXT NOT NULL,
  revoked_ms INTEGER NOT NULL,
  authority TEXT NOT NULL,
  not_after_ms INTEGER NOT NULL,
  PRIMARY KEY (serial, lock_kind, lock_target)
) STRICT, WITHOUT ROWID;
CREATE TABLE revocation_lists (
  authority TEXT PRIMARY KEY,
  number INTEGER NOT NULL,
  made_ms INTEGER NOT NULL,
  entries TEXT NOT NULL,
  pem TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_JOIN_RULES: Final = """
CREATE TABLE join_rules (
  name TEXT PRIMARY KEY,
  workload TEXT NOT NULL,
  spiffe_id TEXT NOT NULL,
  dns_names TEXT NOT NULL,
  max_life_ms INTEGER NOT NULL,
  terms TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE bound_keys (
  rule TEXT PRIMARY KEY,
  binding TEXT NOT NULL,
  key_pem TEXT NOT NULL,
  digest BLOB NOT NULL,
  registration_end_ms INTEGER NOT NULL,
  instance_id TEXT NOT NULL,
  joins INTEGER NOT NULL,
  confirmed_sequence INTEGER NOT NULL,
  confirmed_state TEXT NOT NULL,
  pending_sequence INTEGER,
  pending_state TEXT,
  pending_generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_LOCK_REASONS: Final = "ALTER TABLE locks ADD COLUMN revoke TEXT NOT NULL DEFAULT '';"

MIGRATIONS: Final[tuple[str, ...]] = (_FIRST, _REVOCATIONS, _JOIN_RULES, _LOCK_REASONS)

VERSION: Final = len(MIGRATIONS)


def statements(version: int) -> Iterator[str]:
    """What brings a file of `version` up to date, one statement at a time: `executescript` would
    commit in between.
    """
    for migration in MIGRATIONS[version:]:
        yield from filter(str.strip, migration.split(";"))
