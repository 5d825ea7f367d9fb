"""`identity.secret_stores.keychain` and its helper process, over a keychain in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from identity.errors import SecretDamaged, SecretNotFound, StoreUnavailable
from identity.secret_stores.base import Secret, SecretRef
from identity.secret_stores.keychain import Keychain
from identity.secret_stores.keychain_helper import KeychainHelper
from tests.contract.secret_store_suite import processes_showing
from tests.fakes import keychain_backend
from tests.fakes.keychain_backend import FolderKeyring
from tests.fakes.scripted_upstream import wait_until

TOKEN = SecretRef("acme", "planner-token")
LONG = "l" * 5000


@contextmanager
def keychain_in(
    folder: Path,
    kind: str = "windows",
    *,
    timeout_s: float = 10,
    on_prompt: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Keychain, KeychainHelper]]:
    helper = KeychainHelper(
        {},
        command=keychain_backend.command(folder, kind),
        timeout_s=timeout_s,
        prompt_timeout_s=0.3,
        on_prompt=on_prompt,
    )
    keychain = Keychain(helper)
    yield keychain, helper
    keychain.close()


def test_a_hanging_keychain_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    with keychain_in(tmp_path, timeout_s=1.5) as (keychain, helper):
        keychain.set(TOKEN, Secret("old"))
        (tmp_path / "hang").touch()
        with pytest.raises(StoreUnavailable, match="did not answer within") as error:
            keychain.get(TOKEN)
        assert error.value.retryable
        assert helper.pid is None
        (tmp_path / "hang").unlink()
        assert keychain.get(TOKEN).reveal() == "old"


def test_a_locked_keychain_asks_once_and_then_only_looks(tmp_path: Path) -> None:
    prompts: list[bool] = []
    with keychain_in(tmp_path, on_prompt=lambda: prompts.append(True)) as (keychain, _):
        keychain.set(TOKEN, Secret("old"))
        (tmp_path / "lock").touch()
        (tmp_path / "hang").touch()
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it"):
                keychain.get(TOKEN)
        assert len(prompts) == 1
        (tmp_path / "lock").unlink()
        (tmp_path / "hang").unlink()
        assert keychain.get(TOKEN).reveal() == "old"
        (tmp_path / "lock").touch()
        assert keychain.get(TOKEN).reveal() == "old"
        assert len(prompts) == 2


def test_a_helper_killed_in_the_middle_of_a_call_is_replaced(tmp_path: Path) -> None:
    with keychain_in(tmp_path) as (keychain, helper):
        keychain.set(TOKEN, Secret("old"))
        (tmp_path / "hang").touch()
        pid = helper.pid
        assert pid is not None
        killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(StoreUnavailable, match="helper process failed"):
            keychain.set(TOKEN, Secret(LONG))
        killer.join()
        (tmp_path / "hang").unlink()
        assert keychain.get(TOKEN).reveal() == "old"


def test_a_helper_killed_while_idle_is_not_noticed(tmp_path: Path) -> None:
    with keychain_in(tmp_path) as (keychain, helper):
        keychain.set(TOKEN, Secret("old"))
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGKILL)
        os.waitid(os.P_PID, helper.pid, os.WEXITED | os.WNOWAIT)
        assert keychain.get(TOKEN).reveal() == "old"


def test_a_refusal_of_macos_says_locked(tmp_path: Path) -> None:
    with keychain_in(tmp_path, "macos") as (keychain, _):
        keychain.set(TOKEN, Secret("old"))
        (tmp_path / "lock").touch()
        with pytest.raises(StoreUnavailable, match="keychain is locked: unlock it"):
            keychain.get(TOKEN)
        (tmp_path / "lock").unlink()
        assert keychain.get(TOKEN).reveal() == "old"


@pytest.mark.parametrize("kind", ["windows", "macos"])
@pytest.mark.parametrize("step", range(9))
def test_a_set_that_dies_between_two_items_loses_nothing(
    tmp_path: Path, step: int, kind: str
) -> None:
    with keychain_in(tmp_path, kind) as (keychain, _):
        keychain.set(TOKEN, Secret("old"))
        keychain.close()
        (tmp_path / f"die-after-{step}").touch()
        try:
            keychain.set(TOKEN, Secret(LONG))
        except StoreUnavailable:
            assert keychain.get(TOKEN).reveal() in {"old", LONG}
        assert keychain.names("acme") == ["planner-token"]
        (tmp_path / f"die-after-{step}").unlink(missing_ok=True)
        keychain.set(TOKEN, Secret(LONG))
        keychain.delete(TOKEN)
        assert list(tmp_path.glob("*.item")) == []


def test_a_crash_between_value_and_index_is_healed_by_the_next_get(tmp_path: Path) -> None:
    with keychain_in(tmp_path, "plain") as (keychain, _):
        (tmp_path / "die-after-1").touch()
        with pytest.raises(StoreUnavailable):
            keychain.set(TOKEN, Secret("new"))
        assert keychain.names("acme") == []
        assert keychain.get(TOKEN).reveal() == "new"
        assert keychain.names("acme") == ["planner-token"]


def test_a_name_without_its_value_is_forgotten_by_the_next_get(tmp_path: Path) -> None:
    with keychain_in(tmp_path, "plain") as (keychain, _):
        keychain.set(TOKEN, Secret("gone"))
        FolderKeyring(tmp_path).delete_password("devwiz-gw/acme/planner-token", "")
        with pytest.raises(SecretNotFound):
            keychain.get(TOKEN)
        assert keychain.names("acme") == []


def test_damage_is_told_by_name(tmp_path: Path) -> None:
    with keychain_in(tmp_path, "plain") as (keychain, _):
        FolderKeyring(tmp_path).set_password("devwiz-gw/acme/planner-token", "", "foreign canary")
        with pytest.raises(SecretDamaged, match="acme/planner-token") as error:
            keychain.get(TOKEN)
        assert "canary" not in f"{error.value} {error.value.hint}"


def test_an_item_that_windows_refuses_is_an_error_without_the_value(tmp_path: Path) -> None:
    with keychain_in(tmp_path) as (keychain, _):
        (tmp_path / "writer.lock").mkdir()
        with pytest.raises(StoreUnavailable, match=r"writer\.lock: is a directory"):
            keychain.set(TOKEN, Secret("canary"))


def test_no_process_shows_the_value(tmp_path: Path) -> None:
    canary = "-".join(("canary", os.urandom(8).hex()))
    with keychain_in(tmp_path) as (keychain, helper):
        keychain.set(TOKEN, Secret(canary))
        assert keychain.get(TOKEN).reveal() == canary
        assert helper.pid is not None
        assert Path(f"/proc/{helper.pid}/cmdline").read_bytes()
        assert processes_showing(canary) == []


def is_pipe_or_null(descriptor: Path) -> bool:
    try:
        target = str(descriptor.readlink())
    except FileNotFoundError:
        return True  # closed meanwhile
    return target.startswith("pipe:") or target == "/dev/null"


def test_the_helper_inherits_only_what_it_needs() -> None:
    env = {
        "HOME": "/home/someone",
        "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring",
        "KEYRING_PROPERTY_APPID": "x",
        "PYTHONPATH": "/tmp/x",
        "API_KEY": "canary",
    }
    # Stays a Python that waits for input, long enough to be looked at.
    helper = KeychainHelper(env, command=(sys.executable, "-I", "-c", "input()"))
    helper.start()
    try:
        assert helper.pid is not None
        process = Path(f"/proc/{helper.pid}")
        # Until it is started it has no environment, and until it waits it opens what it imports.
        wait_until(lambda: process.joinpath("environ").read_bytes() == b"HOME=/home/someone\0")
        wait_until(lambda: all(map(is_pipe_or_null, process.joinpath("fd").iterdir())))
    finally:
        helper.stop()


def test_the_helper_ends_with_its_parent_even_in_a_call(tmp_path: Path) -> None:
    (tmp_path / "hang").touch()
    parent = (
        "import sys; from pathlib import Path; from tests.fakes import keychain_backend as k;"
        "from identity.secret_stores.keychain_helper import KeychainHelper;"
        "h = KeychainHelper({}, command=k.command(Path(sys.argv[1]), 'plain'));"
        "h.start(); print(h.pid, flush=True);"
        "h.call({'op': 'names', 'project': 'acme', 'unlock': False})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        helper = int(process.stdout.readline())
        time.sleep(0.3)
        process.kill()
    for _ in range(100):
        if not Path(f"/proc/{helper}/cmdline").exists() or not is_running(helper):
            return
        time.sleep(0.05)
    pytest.fail("the helper outlived its parent")


def is_running(pid: int) -> bool:
    """A zombie that nobody reaps in a container counts as ended."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return False


def test_a_helper_that_can_not_be_started_is_told(tmp_path: Path) -> None:
    keychain = Keychain(KeychainHelper({}, command=(str(tmp_path / "missing"),)))
    with pytest.raises(StoreUnavailable, match="helper process failed"):
        keychain.names("acme")
