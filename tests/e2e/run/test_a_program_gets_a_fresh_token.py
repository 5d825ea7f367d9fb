"""A variable of the manifest can hold a token, which the command asks its source for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.run.conftest import CONFIG, Project
from tests.fakes.token_endpoint import CLIENT_ID, CLIENT_SECRET, TokenEndpoint

TOKENS = """IDP_TOKEN = "token:idp"
BOTH = "{secret:key} {token:idp} {token:disk}"

[tokens.idp]
source = "client-credentials"
token_url = "URL"
client_id = "CLIENT"
client_secret_secret = "client"

[tokens.disk]
source = "file"
path = "disk-token"
"""


@pytest.fixture
def endpoint(project: Project) -> TokenEndpoint:
    (project.folder / "secrets" / "client").write_text(CLIENT_SECRET)
    (project.folder / "secrets" / "client").chmod(0o600)
    (project.folder / "disk-token").write_text("from-disk")
    (project.folder / "disk-token").chmod(0o600)
    return TokenEndpoint()


def configure(project: Project, url: str) -> None:
    tokens = TOKENS.replace("URL", url).replace("CLIENT", CLIENT_ID)
    (project.folder / "devwiz-gw.toml").write_text(CONFIG + tokens)


def test_each_run_gets_one_of_its_own(project: Project, endpoint: TokenEndpoint) -> None:
    with endpoint:
        configure(project, f"{endpoint.url}/token")
        script = 'echo "$IDP_TOKEN|$BOTH"'
        code, out, err = project.run("--", "sh", "-c", script)
        assert (code, err) == (0, "")
        assert out == "issued-1|canary-key-value issued-1 from-disk\n"
        assert project.run("--mask", "--", "sh", "-c", script)[1] == "[hidden]|[hidden]\n"
    (journal,) = Path(project.env["XDG_STATE_HOME"]).rglob("audit.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    given = [(e["name"], e["variable"]) for e in events if e["action"] == "secret.inject"]
    assert ("token:idp", "IDP_TOKEN") in given
    assert "issued-1" not in journal.read_text()


def test_without_its_source_the_program_does_not_start(
    project: Project, endpoint: TokenEndpoint
) -> None:
    with endpoint:
        configure(project, f"{endpoint.url}/token")
    code, out, err = project.run("--", "echo", "ran")
    assert (code, out) == (1, "")
    assert "the token idp can't be had: " in err
    assert project.run("--only", "API_KEY", "--", "echo", "ran")[:2] == (0, "ran\n")


def test_a_token_that_no_table_sets_up(project: Project, endpoint: TokenEndpoint) -> None:
    with endpoint:
        configure(project, f"{endpoint.url}/token")
    config = project.folder / "devwiz-gw.toml"
    config.write_text(config.read_text().replace("token:disk", "token:other"))
    code, out, err = project.run("--", "echo", "ran")
    assert (code, out) == (1, "")
    assert "there is no token 'other'" in err
