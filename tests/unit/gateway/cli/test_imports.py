"""Commands that only ask stay fast because of what they do not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.verbs import VERBS

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
