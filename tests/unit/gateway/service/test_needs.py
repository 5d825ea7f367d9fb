from __future__ import annotations

from pathlib import Path

from gateway.config.load import load
from gateway.service.needs import Program, environment_of, gateway_service, issuer_service
from gateway.service.spec import ServiceSpec

PROGRAM = Program(("/opt/gw/bin/devwiz-gw",), (Path("/opt/gw/bin/devwiz-gw"), Path("/opt/gw")))
PLAIN = """
project = "acme"
[identity]
source = "spiffe"
[identity.spiffe]
socket = "unix:///run/spire/agent.sock"
[[identity.export]]
dir = "tls"
{export}
[admin]
socket = "unix:/run/gw/admin.sock"
[limits]
linger_timeout_s = 60
drain_timeout_s = 30
[log]
file = "/var/log/gw/gw.log"
[[routes]]
name = "planner"
listen = "unix:/run/gw/planner.sock"
upstream = "https://localhost"
{more}
"""


def described(tmp_path: Path, *, export: str = "", more: str = "") -> ServiceSpec:
    path = tmp_path / "gw.toml"
    path.write_text(PLAIN.format(export=export, more=more))
    path.chmod(0o600)
    return gateway_service(
        load(path),
        name="gw",
        run_as="gateway",
        program=PROGRAM,
        environment=environment_of({}, is_system=True),
        state=Path("/var/lib/devwiz-gw"),
    )


def test_what_a_configuration_needs(tmp_path: Path) -> None:
    spec = described(tmp_path)
    assert spec.command == ("/opt/gw/bin/devwiz-gw", "serve", "--config", str(tmp_path / "gw.toml"))
    assert spec.stop_s == 115.0
    assert spec.uses_below("/run/spire")
    assert spec.uses_below("/opt")
    assert not spec.uses_below("/home", "/op")
    assert set(spec.writes) == {
        Path("/var/lib/devwiz-gw"),
        Path("/run/gw"),
        Path("/var/log/gw"),
        tmp_path / "tls",
    }
    assert spec.environment["XDG_STATE_HOME"] == "/var/lib"
    assert not spec.starts_programs
    assert not spec.sees_users
    assert spec.unlock == ()


def test_programs_and_other_users_are_seen(tmp_path: Path) -> None:
    assert described(tmp_path, export='exec = ["/usr/bin/true"]').starts_programs
    assert described(tmp_path, more="[[routes.allow]]\nuid = 7").sees_users


def test_only_absolute_places_of_a_user_are_kept() -> None:
    env = {"XDG_STATE_HOME": "/s", "XDG_DATA_HOME": "relative", "TOKEN": "secret"}
    assert environment_of(env, is_system=False) == {"XDG_STATE_HOME": "/s"}


def test_an_issuer() -> None:
    folder = Path("/var/lib/devwiz-gw/issuer")
    spec = issuer_service(
        folder, name="i", run_as="", program=PROGRAM, options=("--listen", "127.0.0.1:1")
    )
    assert spec.command[1:] == ("issuer", "serve", "--dir", str(folder), "--listen", "127.0.0.1:1")
    assert spec.writes == (folder,)
    assert spec.reload == ()
