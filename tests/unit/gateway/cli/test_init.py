"""`gateway.cli.init` without a terminal: options and defaults, and what becomes of files."""

from __future__ import annotations

import io
import json
import stat
import sys
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config.load import load

PIN = "sha256:" + "0" * 64
ISSUER = (
    *("--source", "issuer", "--identity", "url=https://127.0.0.1:8440"),
    *("--identity", f"ca_pin={PIN}"),
)
UPSTREAM = ("--upstream", "https://planner.example.com:8443/tools/mcp")
FILE = Path("devwiz-gw.toml")


@pytest.fixture(autouse=True)
def _empty(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FILE.unlink()
    (workdir / "home").mkdir()
    monkeypatch.delenv("SPIFFE_ENDPOINT_SOCKET", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))


def init(*options: str) -> int:
    return main(["init", "--no-doctor", *options])


def test_options_become_a_private_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert init(*ISSUER, *UPSTREAM, "--project", "acme", "--listen", "8711") == 0
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    config = load(FILE)
    (route,) = config.routes
    assert (config.project, route.name) == ("acme", "planner")
    assert [str(address) for address in route.listen] == ["127.0.0.1:8711", "[::1]:8711"]
    assert (route.upstream_host, route.upstream_port) == ("planner.example.com", 8443)
    assert 'token_file = "join-token"' in FILE.read_text()
    said = capsys.readouterr()
    assert said.out == ""
    assert "wrote " in said.err
    assert "Next: devwiz-gw serve" in said.err
    assert main(["config", "check"]) == 0


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (("--source", "spiffe", "--identity", "socket=unix:///a.sock"), "[identity.spiffe]"),
        (
            (
                *("--source", "files", "--identity", "certificate=c"),
                *("--identity", "private_key=k", "--identity", "trust_bundle=b"),
            ),
            'private_key = "k"',
        ),
        (
            (
                *("--source", "step-ca", "--identity", "url=https://ca.example"),
                *("--identity", "fingerprint=" + "0" * 64, "--identity", "token_env=TOKEN"),
                *("--identity", "spiffe_id=spiffe://acme/a"),
            ),
            'token_env = "TOKEN"',
        ),
        (
            (
                *("--source", "vault", "--identity", "url=https://v.example"),
                *("--identity", "role=r", "--identity", "auth=jwt", "--identity", "auth_role=a"),
                *("--identity", "spiffe_id=spiffe://acme/a", "--identity", "ttl_s=600"),
            ),
            "ttl_s = 600",
        ),
        (
            (
                *("--source", "google-wif", "--identity", "credential_file=c.json"),
                *("--identity", "ca_pool=projects/p/locations/l/caPools/c"),
                *("--identity", "spiffe_id=spiffe://acme/a"),
            ),
            'ca_pool = "projects/p/locations/l/caPools/c"',
        ),
        (
            (*ISSUER, "--identity", "bound_rule=laptops", "--store", "vault"),
            'bound_key_secret = "device-key"',
        ),
        (
            (
                *(*ISSUER, "--identity", "token_rule=ci"),
                *("--identity", 'id_token_command=["gcloud", "token"]'),
            ),
            'id_token_command = ["gcloud", "token"]',
        ),
        ((*ISSUER, "--identity", "token_secret=join", "--store", "vault"), "token_secret"),
    ],
)
def test_each_source_is_set_up(options: tuple[str, ...], written: str) -> None:
    assert init(*options, *UPSTREAM) == 0
    assert written in FILE.read_text()
    load(FILE)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (UPSTREAM, 2, "--identity ca_pin is needed"),
        (ISSUER, 2, "--upstream is needed"),
        ((*ISSUER, "--upstream", "http://a.example"), 2, "--upstream: should start with https://"),
        ((*ISSUER, *UPSTREAM, "--project", "Acme!"), 2, "--project: "),
        ((*ISSUER, *UPSTREAM, "--route", "A b"), 2, "--route: 'A b' is not a route name"),
        ((*ISSUER, *UPSTREAM, "--listen", "0.0.0.0:1"), 2, "--listen: 0.0.0.0:1 is not a loopback"),
        ((*ISSUER, *UPSTREAM, "--peer", "acme"), 2, "--peer: 'acme' is not a peer name"),
        ((*ISSUER, *UPSTREAM, "--identity", "color=red"), 2, "--identity color: unknown key"),
        ((*ISSUER, *UPSTREAM, "--identity", "color"), 2, "what it is set to is missing"),
        ((*ISSUER, *UPSTREAM, "--config", "no/such/file.toml"), 2, "there is no folder"),
        ((*ISSUER, *UPSTREAM, "--identity-from", "x"), 2, "--identity-from says all of it"),
        (("--identity-from", "x", *UPSTREAM), 2, "--identity-from x can't be used"),
        ((*ISSUER, *UPSTREAM, "--add", "--force"), 2, "leave one out"),
        (("--add", *UPSTREAM), 1, "there is no configuration: "),
    ],
)
def test_what_will_not_do_is_told_and_nothing_written(
    options: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(*options) == code
    assert said in capsys.readouterr().err
    assert not FILE.exists()


def test_a_value_in_place_of_a_template_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert init(*ISSUER, *UPSTREAM, "--header", "Authorization=Bearer canary") == 2
    said = capsys.readouterr().err
    assert "canary" not in said
    assert "devwiz-gw secret set" in said
    assert not FILE.exists()


def test_a_file_is_never_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    FILE.symlink_to("nowhere")
    assert init(*ISSUER, *UPSTREAM) == 1
    assert FILE.is_symlink()
    FILE.unlink()
    FILE.write_text("mine")
    assert init(*ISSUER, *UPSTREAM) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert FILE.read_text() == "mine"
    assert init(*ISSUER, *UPSTREAM, "--force") == 0
    assert load(FILE).routes[0].name == "planner"


def test_a_dry_run_shows_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert init(*ISSUER, *UPSTREAM, "--dry-run", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert not document["written"]
    assert init(*ISSUER, *UPSTREAM, "--dry-run") == 0
    assert capsys.readouterr().out == document["text"]
    assert not FILE.exists()
    assert init(*ISSUER, *UPSTREAM) == 0
    assert FILE.read_text() == document["text"]


def test_what_the_issuer_printed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    block = (
        '# token\n[identity]\nsource = "issuer"\n[identity.issuer]\n'
        f'url = "https://127.0.0.1:8440"\nca_pin = ["{PIN}"]\ntoken_file = "t"\n'
    )
    Path("identity.toml").write_text(block)
    assert init("--identity-from", "identity.toml", *UPSTREAM) == 0
    first = FILE.read_text()
    monkeypatch.setattr(sys, "stdin", io.StringIO(block))
    assert init("--identity-from", "-", *UPSTREAM, "--force") == 0
    assert FILE.read_text() == first
    assert f'ca_pin = ["{PIN}"]' in first
    Path("identity.toml").write_text("x = 1")
    assert init("--identity-from", "identity.toml", *UPSTREAM, "--force") == 2


def test_a_route_is_added_and_comments_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert init(*ISSUER, *UPSTREAM) == 0
    FILE.write_text("# mine\r\n" + FILE.read_text().replace("\n", "\r\n"))
    before = FILE.read_bytes()
    capsys.readouterr()
    assert init("--add", *UPSTREAM, "--kind", "langgraph", "--dry-run") == 0
    assert "+name = " in capsys.readouterr().out
    assert FILE.read_bytes() == before
    assert init("--add", *UPSTREAM, "--kind", "langgraph", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["written"], document["doctor"]) == (True, None)
    assert FILE.read_bytes().startswith(before)
    assert b"\n" not in FILE.read_bytes().replace(b"\r\n", b"")
    first, second = load(FILE).routes
    assert second.name == document["route"] != first.name
    assert not {str(item) for item in first.listen} & {str(item) for item in second.listen}
    assert init("--add", *UPSTREAM, "--project", "other") == 2
    assert init("--add", *UPSTREAM, "--route", "planner") == 2


def test_without_a_keychain_secrets_go_to_the_vault_and_it_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    header = ("--header", "Authorization=Bearer {secret:planner-token}")
    assert init(*ISSUER, *UPSTREAM, *header, "--store", "keychain") == 0
    assert load(FILE).secrets.store == "keychain"
    assert init(*ISSUER, *UPSTREAM, *header, "--store-folder", "run", "--force") == 0
    assert load(FILE).secrets.store == "folder"
    assert init(*ISSUER, *UPSTREAM, "--force") == 0
    assert "[secrets]" not in FILE.read_text()
    capsys.readouterr()
    assert init(*ISSUER, *UPSTREAM, *header, "--force") == 0
    assert load(FILE).secrets.store == "vault"
    said = capsys.readouterr().err
    assert "the keychain can't be used here" in said
    assert "to be set: devwiz-gw secret set planner-token" in said


def test_clients_are_told_when_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    cursor = Path(".cursor/mcp.json")
    cursor.parent.mkdir()
    assert init(*ISSUER, *UPSTREAM, "--listen", "8712") == 0
    told = "devwiz-gw client install planner --client cursor --scope project --path /tools/mcp"
    assert f"to tell Cursor: {told}" in capsys.readouterr().err
    assert not cursor.exists()
    assert init(*ISSUER, *UPSTREAM, "--listen", "8712", "--force", "--client", "cursor") == 0
    entry = json.loads(cursor.read_text())["mcpServers"]["planner"]
    assert entry["url"] == "http://127.0.0.1:8712/tools/mcp"
    said = capsys.readouterr()
    assert f"$ {told}" in said.err
    assert said.out == ""


def test_files_that_git_would_take_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".git").mkdir()
    assert init(*ISSUER, *UPSTREAM) == 0
    assert "by .gitignore: join-token" in capsys.readouterr().err


def test_it_ends_with_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", *ISSUER, "--upstream", "https://127.0.0.1:1", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["written"]
    assert not document["doctor"]["ok"]
    rungs = {item["rung"] for item in document["doctor"]["findings"] if item["result"] == "fail"}
    assert rungs == {"issuer", "tcp"}  # nobody is there
