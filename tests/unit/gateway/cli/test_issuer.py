"""`devwiz-gw issuer`: what its commands print, write and refuse."""

from __future__ import annotations

import asyncio
import json
import stat
import tomllib
from pathlib import Path

import pytest

from certs.issuer.folder import open_issuer
from certs.issuer.http import IssuerServer
from certs.issuer.serving import sole_server
from gateway.cli.main import main
from identity.join import JoinToken
from identity.secret_stores.base import Secret


@pytest.fixture
def folder(workdir: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An issuer made by the command."""
    folder = workdir / "issuer"
    assert main(["issuer", "init", "--dir", str(folder), "--trust-domain", "acme.example"]) == 0
    capsys.readouterr()
    return folder


def token_of(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What `issuer token` prints."""
    assert main(["issuer", "token", "--dir", str(folder), "--name", "planner", *options]) == 0
    return capsys.readouterr().out


def test_init_prints_the_pin(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--dir", "i", "--trust-domain", "acme.example", "--json"]
    assert main(["issuer", "init", *options]) == 0
    made = json.loads(capsys.readouterr().out)
    opened = open_issuer(workdir / "i").service
    assert made == {"trust_domain": "acme.example", "ca_pin": opened.authority.pin}
    opened.close()


def test_init_doesnt_overwrite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["issuer", "init", "--dir", str(folder), "--trust-domain", "b.example"]) == 1
    assert "holds an issuer for acme.example already" in capsys.readouterr().err


def test_a_token_comes_with_the_configuration_to_paste(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = token_of(folder, capsys, "--url", "https://issuer:8440")
    identity = tomllib.loads(printed)["identity"]
    assert identity["source"] == "issuer"
    assert identity["issuer"]["url"] == "https://issuer:8440"
    assert identity["issuer"]["ca_pin"].startswith("sha256:")
    assert len(JoinToken.parse(Secret(printed.split()[2])).id) == 16


def test_a_token_in_a_file_is_not_printed(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path
) -> None:
    out = workdir / "join-token"
    printed = token_of(folder, capsys, "--out", str(out), "--uses", "3", "--json")
    token = JoinToken.parse(Secret(out.read_text()))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    facts = json.loads(printed)
    assert (facts["token_id"], facts["uses"], facts["token_file"]) == (token.id, 3, str(out))
    assert token.secret.reveal() not in printed


@pytest.mark.parametrize(("uses", "said"), [("1", "for 1 join\n"), ("20", "for 20 joins\n")])
def test_the_file_is_named_as_every_configuration_finds_it(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path, uses: str, said: str
) -> None:
    printed = token_of(folder, capsys, "--out", "join-token", "--uses", uses)
    identity = tomllib.loads(printed)["identity"]
    assert identity["issuer"]["token_file"] == str(workdir / "join-token")
    assert said in printed


def test_the_options_bind_names_and_limits(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads(
        token_of(folder, capsys, "--spiffe-path", "/agent/laptop", "--ttl", "2h", "--json")
    )
    assert facts["spiffe_id"] == "spiffe://acme.example/agent/laptop"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--name", "Planner"), "workload name"),
        (("--name", "a", "--ttl", "soon"), "'soon' is not a time"),
        (("--name", "a", "--ttl", "9999d"), "out of range"),
        (("--name", "a", "--max-cert-ttl", "1s"), "out of range"),
        (("--name", "a", "--spiffe-path", "/devwiz-gw/issuer"), "reserved"),
        (("--name", "a", "--out", "/nowhere/token"), "can't be written"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_impossible_token_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], complaint: str
) -> None:
    assert main(["issuer", "token", "--dir", str(folder), *options]) != 0
    told = capsys.readouterr()
    assert complaint in told.err
    assert "dgwj_" not in told.err + told.out


@pytest.mark.parametrize("address", ["8440", "localhost:8440", "127.0.0.1:99999", "127.0.0.1:x"])
def test_a_wrong_address_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert main(["issuer", "serve", "--dir", str(folder), "--listen", address]) != 0
    assert "is not an address" in capsys.readouterr().err


def test_serving_a_folder_that_is_none_is_told(
    workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["issuer", "serve", "--dir", "none", "--listen", "127.0.0.1:0"]) == 1
    assert "issuer init" in capsys.readouterr().err


def test_a_second_server_of_a_folder_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sole_server(folder):
        assert main(["issuer", "serve", "--dir", str(folder), "--listen", "127.0.0.1:0"]) == 1
    assert f"another process serves {folder} already" in capsys.readouterr().err
    with sole_server(folder):
        assert folder.is_dir(), "the first one's end frees it"


def test_a_token_for_agents_says_below_which_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--spiffe-path", "/laptop", "--derive", "--uses", "9", "--json")
    made = json.loads(token_of(folder, capsys, *options))
    assert made["spiffe_id"] == "spiffe://acme.example/laptop/agent/*"
    identity = tomllib.loads(token_of(folder, capsys, *options[:-1], "--out", "t"))["identity"]
    assert identity["spiffe_id"] == "spiffe://acme.example/laptop"
    assert identity["derive"] == "route"


@pytest.mark.parametrize("more", [(), ("--method", "bound-key")])
def test_a_file_that_is_there_is_replaced_on_request_only(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path, more: tuple[str, ...]
) -> None:
    key = workdir / "id_ed25519"
    key.write_text("somebody's key")
    options = ["issuer", "token", "--dir", str(folder), "--name", "a", "--out", str(key), *more]
    assert main(options) == 2
    assert f"{key} is there already" in capsys.readouterr().err
    assert key.read_text() == "somebody's key"
    assert main([*options, "--force"]) == 0
    assert key.read_text() != "somebody's key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_refused_file_costs_no_rule(
    folder: Path, capsys: pytest.CaptureFixture[str], workdir: Path
) -> None:
    (workdir / "secret").touch()
    options = ["--name", "a", "--method", "bound-key", "--out", "secret"]
    assert main(["issuer", "token", "--dir", str(folder), *options]) == 2
    capsys.readouterr()
    assert main(["issuer", "rules", "--dir", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


async def test_the_address_shown_is_where_it_was_served_last(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        server = IssuerServer(folder, host=host, port=0)
        await server.start()
        port = server.port
        await server.stop()
        printed = await asyncio.to_thread(token_of, folder, capsys)
        name = "localhost" if host == "0.0.0.0" else host
        assert tomllib.loads(printed)["identity"]["issuer"]["url"] == f"https://{name}:{port}"
