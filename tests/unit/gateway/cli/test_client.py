"""`gateway.cli.client`, as far as it needs no keychain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.unit.gateway.cli.conftest import StartAdmin

CONFIG = """
project = "acme"
[identity]
source = "files"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[admin]
socket = "unix:devwiz-gw.sock"
[secrets]
store = "memory"
"""
ROUTE = """
[[routes]]
name = "{name}"
listen = "{listen}"
upstream = "https://localhost:1"
"""


def configure(folder: Path, *routes: str) -> None:
    (folder / "devwiz-gw.toml").write_text(CONFIG + "".join(routes))


def route(name: str = "planner", listen: str = "localhost:8701", more: str = "") -> str:
    return ROUTE.format(name=name, listen=listen) + more


def run(*arguments: str) -> int:
    return main(["client", "print", *arguments])


def test_an_address_is_printed_and_nothing_else(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route())
    assert run("planner") == 0
    assert run("planner", "--path", "/a/b?c") == 0
    said = capsys.readouterr()
    assert said.out == "http://127.0.0.1:8701/\nhttp://127.0.0.1:8701/a/b?c\n"
    assert said.err == ""


def test_a_form_has_its_own_path(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(workdir, route())
    assert run("planner", "--client", "json") == 0
    entry = json.loads(capsys.readouterr().out)["mcpServers"]["planner"]
    assert entry == {"type": "http", "url": "http://127.0.0.1:8701/mcp"}


def test_an_agent_whose_card_leads_elsewhere_is_told_of(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route())
    assert run("planner", "--client", "a2a") == 0
    said = capsys.readouterr()
    assert "A2ACardResolver" in said.out
    assert 'agent_card = "rewrite"' in said.err
    configure(workdir, route(more='agent_card = "rewrite"'))
    assert run("planner", "--client", "a2a") == 0
    assert capsys.readouterr().err == ""


def test_programs_read_json(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(workdir, route())
    assert run("planner", "--client", "curl", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "route": "planner",
        "client": "curl",
        "url": "http://127.0.0.1:8701/",
        "socket": "",
        "headers": {},
        "text": "curl http://127.0.0.1:8701/",
    }


def test_the_port_that_the_system_picked_is_asked_for(
    workdir: Path, start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route(listen="127.0.0.1:0"), route("other", "127.0.0.1:9"))
    assert run("planner") == 2
    assert "is picked when the gateway starts" in capsys.readouterr().err
    routes = [
        {"name": "other", "listeners": ["127.0.0.1:9"]},
        {"name": "planner", "listeners": ["[::1]:40001", "127.0.0.1:40000"]},
    ]
    start_admin({"GET /status": (200, {"routes": routes})})
    assert run("planner") == 0
    assert capsys.readouterr().out == "http://127.0.0.1:40000/\n"


def test_a_gateway_that_does_not_know_the_route_yet(
    workdir: Path, start_admin: StartAdmin, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route(listen="127.0.0.1:0"))
    start_admin({"GET /status": (200, {"routes": []})})
    assert run("planner") == 1
    assert "devwiz-gw reload" in capsys.readouterr().err


def test_a_unix_socket_is_for_those_who_can_use_it(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route(listen="unix:planner.sock"))
    assert run("planner", "--client", "json") == 1
    assert "listens on a Unix socket only" in capsys.readouterr().err
    assert run("planner", "--client", "curl") == 0
    assert f"--unix-socket {workdir}/planner.sock" in capsys.readouterr().out


INGRESS = """
kind = "ingress"
peer = ["spiffe://acme.example/*"]
"""


@pytest.mark.parametrize(
    ("kind", "upstream", "why"),
    [
        ('kind = "tcp"', "tls://localhost:1", "carries bytes as they are"),
        (INGRESS, "http://127.0.0.1:1", "is for callers from elsewhere"),
    ],
)
def test_a_route_of_another_kind_has_no_url(
    kind: str, upstream: str, why: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = route().replace("https://localhost:1", upstream) + kind
    configure(workdir, text)
    assert run("planner") == 1, capsys.readouterr().err
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nobody",), "there is no route 'nobody'"),
        (("planner", "--client", "fax"), "invalid choice: 'fax'"),
        (("planner", "--path", "mcp"), "is not a path"),
        (("planner", "--path", "/a b"), "is not a path"),
        (("planner", "--rotate"), "--rotate says nothing by itself"),
    ],
)
def test_a_wrong_command_line(
    arguments: tuple[str, ...], message: str, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route())
    assert run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_token_that_can_not_be_kept_is_not_printed(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(workdir, route())
    assert run("planner", "--token", "ide") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "memory store" in said.err


def test_a_folder_of_secrets_is_filled_by_hand(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "secrets").mkdir()
    folder = CONFIG.replace('"memory"', '"folder"\nfolder = "secrets"')
    (workdir / "devwiz-gw.toml").write_text(folder + route())
    assert run("planner", "--token", "ide", "--rotate") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"openssl rand -hex 32 > {workdir}/secrets/local-token.ide" in said.err


def test_a_route_that_wants_a_token_says_so(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    allow = '[[routes.allow]]\ntoken = "{}"\n'
    configure(workdir, route(more=allow.format("ide") + allow.format("cli")))
    assert run("planner") == 0
    assert "asks every caller for a token: --token ide or --token cli" in capsys.readouterr().err
    configure(workdir, route(more=allow.format("ide") + "[[routes.allow]]\nuid = 0\n"))
    assert run("planner") == 0
    assert capsys.readouterr().err == ""
