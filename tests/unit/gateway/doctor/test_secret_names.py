"""Every secret that a configuration names is found, with who needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.doctor.secret_names import credential_files, secrets_named

_CONFIG = """
project = "acme"
[identity]
source = "issuer"
[identity.issuer]
url = "https://issuer.example"
ca_pin = "sha256:{pin}"
token_file = "join-token"
[run]
secrets = ["plain"]
[run.env]
DB = "postgres://{{secret:db-password}}@db"
[telemetry]
otlp_endpoint = "https://otel.example"
[telemetry.otlp_headers]
X-Key = "{{secret:otel-key}}"
[tokens.planner]
source = "client-credentials"
token_url = "https://auth.example/token"
client_id = "x"
client_secret_secret = "oauth-secret"
[tokens.other]
source = "file"
path = "token.txt"
[[routes]]
name = "planner"
listen = "127.0.0.1:8701"
upstream = "https://planner.example"
[routes.headers]
Authorization = "Bearer {{token:planner}}"
X-Key = "{{secret:planner-key}}"
[[routes.allow]]
token = "ide"
"""


@pytest.mark.may_block("reads the configuration")
def test_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "devwiz-gw.toml"
    file.touch(0o600)
    file.write_text(_CONFIG.format(pin="ab" * 32))
    config = load(file)
    assert secrets_named(config) == {
        "db-password": ("[run]",),
        "local-token.ide": ("planner",),
        "oauth-secret": ("[tokens.planner]",),
        "otel-key": ("[telemetry]",),
        "plain": ("[run]",),
        "planner-key": ("planner",),
    }
    assert credential_files(config) == {tmp_path / "join-token", tmp_path / "token.txt"}
