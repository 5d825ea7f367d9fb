"""On a terminal `init` asks: a wrong answer again, whom to expect only after it was shown, and the
value of a secret unseen.
"""

from __future__ import annotations

import re
import stat

from gateway.config.load import load
from tests.e2e.first_run.conftest import PLANNER, Machine
from tests.fakes.terminal import Terminal

PASSPHRASE = "correct horse battery staple"


def _tells_who_it_is(person: Terminal, machine: Machine) -> None:
    person.answers("scopes its secrets [acme-app]: ", "Not a name!")
    person.sees("project")
    person.answers("[acme-app]: ")
    person.sees("Where does the client certificate come from?")
    person.answers("which [issuer]: ", "9")
    person.sees("'9' is not one of issuer, spiffe")
    person.answers("which [issuer]: ", "1")
    person.answers("the issuer's address [https://127.0.0.1:8440]: ", machine.issuer.url)
    person.answers("its CA pin", "")
    person.sees("an answer is needed")
    person.answers("its CA pin", machine.issuer.ca_pin)
    person.answers("which [token]: ")
    person.answers("the file of the join token [join-token]: ")


def _tells_where_to(person: Terminal, machine: Machine) -> None:
    person.answers("which [mcp]: ", "http")
    person.answers("its URL (https://HOST:PORT): ", "http://127.0.0.1:1")
    person.sees("should start with https://")
    person.answers("its URL (https://HOST:PORT): ", machine.agent_url)
    person.answers("a name for the route [remote]: ", "planner")
    person.answers("its local port [localhost:")
    person.sees(f"It shows a certificate for {PLANNER}, issued by ")
    person.sees("trust on first use")
    person.answers(f"expect {PLANNER}? [y/N]: ", "y")
    person.answers("token or key in a header as well? [y/N]: ", "y")
    person.answers("the header [Authorization]: ", "Host")
    person.sees("the gateway's own")
    person.answers("the header [Authorization]: ")
    assert list(machine.project.iterdir()) == [machine.project / "join-token"]
    person.answers("the name of the secret", "")
    person.sees("the keychain can't be used here")
    person.answers("which [vault]: ")
    person.answers("make the vault now? [Y/n]: ", "n")
    person.sees("set the secret planner-token now? [Y/n]: ")
    person.types("n\n")
    person.sees("tcp")
    person.sees("Next: devwiz-gw serve")
    assert person.code() == 1  # doctor: the vault isn't there


def test_a_dialogue_ends_in_a_file_that_works(machine: Machine) -> None:
    machine.join_token()
    with machine.terminal("init") as person:
        _tells_who_it_is(person, machine)
        _tells_where_to(person, machine)
    file = machine.project / "devwiz-gw.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    config = load(file)
    (route,) = config.routes
    assert (config.project, config.secrets.store) == ("acme-app", "vault")
    assert [str(peer) for peer in route.peer] == [PLANNER]
    assert route.headers[0].secret_names == ("planner-token",)


def test_a_secret_is_typed_into_a_new_vault(machine: Machine) -> None:
    machine.join_token()
    options = (
        *("--source", "issuer", "--identity", f"url={machine.issuer.url}"),
        *("--identity", f"ca_pin={machine.issuer.ca_pin}", "--identity", "token_file=join-token"),
        *("--kind", "http", "--upstream", machine.agent_url, "--peer", PLANNER),
        *("--header", "Authorization=Bearer {secret:planner-token}", "--store", "vault"),
    )
    try:
        with machine.terminal("init", *options) as person:
            for _ in range(3):  # project, route, port
                person.answers("]: ")
            person.answers("make the vault now? [Y/n]: ")
            person.sees("$ devwiz-gw vault init")
            person.answers("new passphrase: ", PASSPHRASE)
            person.answers("once more: ", PASSPHRASE)
            person.sees("type it once")
            person.answers(": ", re.findall(r"(?:[0-9A-Z]{4}-){7}[0-9A-Z]{4}", person.shown)[0])
            person.answers("unlock the vault now? [Y/n]: ")
            person.answers("passphrase", PASSPHRASE)
            person.answers("set the secret planner-token now? [Y/n]: ")
            person.answers("value of acme-app/planner-token: ", "canary")
            person.sees("is set")
            person.sees("the vault opens, and keeps planner-token")
            person.sees("Next: devwiz-gw serve")
            assert person.code() == 0
            assert "canary" not in person.shown
        assert machine.run("secret", "get", "planner-token").stdout == "canary"
    finally:
        machine.run("vault", "lock")


def test_what_is_there_is_kept_and_a_route_added(machine: Machine) -> None:
    file = machine.project / "devwiz-gw.toml"
    text = """# mine
project = "acme"
identity = { source = "spiffe", spiffe = { socket = "unix:///none" } } # so

[[routes]] # the first
name = "remote"
listen = "127.0.0.1:8701"
upstream = "https://a.example"
"""
    file.touch(0o600)
    file.write_text(text)
    with machine.terminal("init", "--no-doctor") as person:
        person.answers("Add a route to it? [Y/n]: ", "n")
        assert person.code() == 1
    assert file.read_text() == text
    with machine.terminal("init", "--no-doctor", "--kind", "http") as person:
        person.answers("Add a route to it? [Y/n]: ")
        person.answers("its URL (https://HOST:PORT): ", machine.agent_url)
        person.answers("a name for the route [remote-2]: ", "remote")
        person.sees("another route is called")
        person.answers("a name for the route [remote-2]: ")
        person.answers("its local port [localhost:", "8701")
        person.answers("its local port [localhost:")
        person.answers(f"expect {PLANNER}? [y/N]: ")
        person.answers("whom to expect", "spiffe://acme.example/agent/other")
        person.answers("in a header as well? [y/N]: ")
        assert person.code() == 0
    assert file.read_text().startswith(text)
    assert [route.name for route in load(file).routes] == ["remote", "remote-2"]
    assert str(load(file).routes[1].peer[0]) == "spiffe://acme.example/agent/other"
