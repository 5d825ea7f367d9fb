"""A locked keychain is an error with its remedy, at once where there is no desktop to ask."""

from __future__ import annotations

from tests.e2e.keychain.conftest import Desktop
from tests.fakes.secret_service import session_env


def test_locked_is_said_with_the_remedy(desktop: Desktop) -> None:
    desktop.secret("set", "x", value=b"canary")
    desktop.bus.lock()
    for arguments in (("get", "x"), ("list",), ("rm", "x"), ("set", "x")):
        done = desktop.secret(*arguments, value=b"new")
        assert done.returncode == 1
        assert b"error: the keychain is locked: unlock it" in done.stderr
        assert b"hint: " in done.stderr


def test_no_keychain_is_said_and_nothing_is_written_elsewhere(desktop: Desktop) -> None:
    desktop.env = session_env(desktop.folder) | {"PYTHONPATH": desktop.env["PYTHONPATH"]}
    done = desktop.secret("set", "x", value=b"canary")
    assert done.returncode == 1
    assert b"there is no keychain in this session" in done.stderr
    files = [path for path in desktop.folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"devwiz-gw.toml", "audit.jsonl", "audit.lock"}
    assert not any(b"canary" in path.read_bytes() for path in files)
