"""Each command reads its configuration once: nobody can exchange it between two looks at it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e.run.conftest import DEADLINE_S, KEY, Project

MORE = """
[identity]
source = "files"
[identity.files]
certificate = "client.crt"
private_key = "client.key"
trust_bundle = "ca.pem"
[[routes]]
name = "planner"
allow = [{ token = "desk" }]
listen = "127.0.0.1:8701"
upstream = "https://planner.example.com:8443"
[tokens.file]
source = "file"
path = "token"
[rotate.key]
provider = "prompt"
"""
#: Tells how often the file was opened, by whom ever in the process. What `open` has opened by an
#: opener is told twice: by itself, and by `os.open`, which names no mode.
COUNTING = """
import sys
opened = []
def hook(event, args):
    if event == "open" and str(args[0]).endswith("devwiz-gw.toml"):
        opened.append(args[1] is None)
sys.addaudithook(hook)
from gateway.cli.main import main
code = main(sys.argv[1:])
times = max(opened.count(True), opened.count(False))
print(f"opened {times}, exit {code}", file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--deliver", "file", "--", "true"),
        ("run", "--on-rotate", "restart", "--", "true"),
        ("run", "--deliver", "fifo", "--env", "PW=secret:password", "--", "true"),
        ("secret", "get", "key"),
        ("secret", "list"),
        ("rotate",),
        ("rotate", "key", "--plan"),
        ("audit", "tail"),
        ("audit", "verify"),
        ("mfa", "list"),
        ("vault", "status"),
        ("stdio", "planner"),
        ("client", "print", "planner"),
        ("client", "print", "planner", "--client", "cursor"),
    ],
    ids=" ".join,
)
def test_by_a_command(project: Project, arguments: tuple[str, ...]) -> None:
    config = project.folder / "devwiz-gw.toml"
    config.write_text(config.read_text() + 'TOKEN = "token:file"\n' + MORE)
    token = project.folder / "token"
    token.touch(0o600)
    token.write_text("e2e-token")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *arguments],
        cwd=project.folder,
        env=project.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        start_new_session=True,
    )
    assert "opened 1, exit" in done.stderr, done.stderr
    assert arguments[0] != "run" or done.stderr.endswith("exit 0\n"), done.stderr
    assert KEY not in done.stderr
