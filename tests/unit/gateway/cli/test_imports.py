"""Commands that only ask stay fast because of what they do not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.verbs import VERBS
from tests.fakes.authority import Authority
from tests.fakes.gateway_process import GatewayProcess

SLOW = ("OpenSSL", "aiohttp", "asyncio", "cryptography", "jwt", "keyring", "service_identity")

PROBE = f"""
import sys
from gateway.cli.main import main
main(sys.argv[1:])
print(*sorted(set(sys.modules) & {set(SLOW)!r}), file=sys.stderr)
print(*sorted(name for name in sys.modules if name.startswith("gateway.cli.")), file=sys.stderr)
"""


def imported(*argv: str, folder: Path) -> tuple[list[str], list[str]]:
    """Slow modules, and those of the command line, that running `argv` imports."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *argv],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    slow, own = done.stderr.splitlines()[-2:]
    return slow.split(), own.split()


STARTED = """
import sys
from gateway.cli.main import main

def look(event, args):
    if event == "subprocess.Popen":
        print("started before", *sorted(sys.modules.keys() & {"gateway.audit.journal", "hashlib"}))
        raise SystemExit(0)

sys.addaudithook(look)
main(["run", "--", "true"])
"""


def test_the_keychain_starts_before_what_else_run_needs_is_imported(workdir: Path) -> None:
    (workdir / "devwiz-gw.toml").write_text('project = "acme"\n[run.env]\nKEY = "secret:key"\n')
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        cwd=workdir,
        env={"PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "started before\n"


@pytest.mark.parametrize("verb", ["status", "healthcheck", "reload", "drain"])
def test_a_verb_that_asks_imports_nothing_slow(verb: str, workdir: Path) -> None:
    slow, own = imported(verb, folder=workdir)
    assert slow == []
    others = {other.module for other in VERBS if other.name != verb}
    assert f"gateway.cli.{verb}" in own
    assert others.isdisjoint(own)


def test_the_program_without_a_verb_imports_no_verb(workdir: Path) -> None:
    slow, own = imported("--help", folder=workdir)
    assert slow == []
    assert {verb.module for verb in VERBS}.isdisjoint(own)


#: What only some configurations need: each is loaded once a table asks for it.
FOR_SOME = (
    "certs.sources.google_wif",
    "certs.sources.issuer",
    "certs.sources.spiffe",
    "certs.sources.step_ca",
    "certs.sources.vault",
    "fido2",
    "gateway.bridge",
    "gateway.configu.sync",
    "gateway.control_plane.forwarding.forwarder",
    "gateway.control_plane.workload_server",
    "google.auth",
    "h2",
    "identity.configu.client",
    "identity.configu.schema",
    "identity.mfa",
    "identity.supabase",
    "identity.token_sources.call",
    "identity.token_sources.oauth",
    "jwt",
    "keyring",
)

#: Prints what is loaded as soon as the gateway listens, and ends it.
SERVED = """
import os, signal, sys
from gateway.cli import serve
from gateway.cli.main import main

def listening(_text):
    print(*sys.modules)
    os.kill(os.getpid(), signal.SIGINT)

serve._announce = listening
sys.exit(main(["serve"]))
"""

LOADED = """
import sys
from gateway.cli.main import main
sys.stdout = sys.stderr
main(sys.argv[1:])
print(*sys.modules, file=sys.__stdout__)
"""

WORKER = """
import sys
import gateway.data_plane.__main__
print(*sys.modules)
"""


def loaded(program: str, *argv: str, folder: Path) -> set[str]:
    """The modules that `program` prints the names of, in its last line."""
    done = subprocess.run(
        [sys.executable, "-c", program, *argv],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[4]), "HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture
def configured(workdir: Path) -> Path:
    """A folder with a gateway's configuration, whose identity comes from files."""
    GatewayProcess(workdir, Authority("acme.example"), upstream_port=9)
    return workdir


def test_a_gateway_loads_only_what_its_configuration_asks_for(configured: Path) -> None:
    modules = loaded(SERVED, folder=configured)
    assert {"certs.sources.files", "gateway.control_plane.supervisor"} <= modules
    assert modules.isdisjoint({*FOR_SOME, "OpenSSL"})


def test_a_worker_loads_no_event_loop_and_no_format_of_files(workdir: Path) -> None:
    modules = loaded(WORKER, folder=workdir)
    assert "gateway.data_plane.plane" in modules
    never = {"aiohttp", "asyncio", "http.client", "ssl", "subprocess", "tomllib", "yaml", "yarl"}
    assert modules.isdisjoint({*FOR_SOME, *never, "gateway.config", "gateway.control_plane"})


def test_a_check_of_the_configuration_loads_nothing_that_talks(configured: Path) -> None:
    modules = loaded(LOADED, "config", "check", folder=configured)
    assert "gateway.config.parse" in modules
    never = {"OpenSSL", "aiohttp", "asyncio", "gateway.control_plane", "gateway.data_plane", "ssl"}
    assert modules.isdisjoint({*FOR_SOME, *never})


def test_the_doctor_loads_no_http_library_for_files(configured: Path) -> None:
    modules = loaded(LOADED, "doctor", folder=configured)
    assert "gateway.doctor.ladder" in modules
    assert modules.isdisjoint({*FOR_SOME, "aiohttp"} - {"gateway.bridge"})
