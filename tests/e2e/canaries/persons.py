"""What only a person does with secrets: in a shell, at a terminal, with a security key."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from tests.components import require_component
from tests.e2e.run.conftest import Terminal
from tests.fakes.gateway_process import DEADLINE_S, GatewayProcess
from tests.fakes.key_command import Drawer
from tests.fakes.leaks import Needles
from tests.fakes.supabase_auth import EMAIL, KEY, PASSWORD, SupabaseAuth

_ENV_LINE: Final = 'DB_PASSWORD = "secret:password"'
_SEALED: Final = "canary-sealed+value/%7e=77d2"
_PIN: Final = "canary-pin-4711"
_ASKED: Final = ("PIN of the security key: ", _PIN)
_WRONG: Final = "canary-wrong-password"


class Told(Protocol):
    """What `conftest.Scene` is to these."""

    gateway: GatewayProcess
    said: list[tuple[str, bytes]]
    told: list[str]
    needles: Needles

    def do(self, *arguments: str, said: str = "", code: int = 0) -> bytes:
        """Run a command, with what it says kept to be searched."""
        ...

    def quietly(self, *arguments: str) -> bytes:
        """What a command writes, which may hold a value."""
        ...

    def look_for(self, **values: str) -> None:
        """From now on look for these as well."""
        ...


def use_direnv(scene: Told, password: str) -> None:
    """Sessions of `envrc`, without values and with them, ended and killed."""
    direnv = require_component("direnv")
    folder = scene.gateway.folder
    scene.do("envrc", "start", "--for", "5m")
    with subprocess.Popen(
        [direnv, "exec", str(folder), "sh", "-c", 'echo "$DB_PASSWORD"; read x; :'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | scene.gateway.env,
        cwd=folder,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode().rstrip("\n") == password
        # direnv has become that shell, whose environment is where the value was to go.
        scene.told += scene.needles.in_processes(but={process.pid})
        scene.told += scene.needles.in_files(folder, but={folder / "secrets"})
        _, err = process.communicate(b"\n", timeout=DEADLINE_S)
    scene.said.append(("what direnv says", err))
    for words in (("status",), ("status", "--json"), ("print",), ("stop", "--remove")):
        scene.do("envrc", *words)
    scene.do("envrc", "export", "--session", "0" * 16, code=1)
    scene.do("envrc", "start", "--literal")
    scene.do("envrc", "start", "--literal", code=1)
    assert (folder / ".envrc").is_file()
    scene.do("envrc", "stop")
    scene.do("envrc", "start", "--literal")
    (lock,) = (folder / "state" / "devwiz-gw" / ".envrc").glob("*.lock")
    os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)
    _until_swept(scene, folder / ".envrc")


def _until_swept(scene: Told, file: Path) -> None:
    """The lock of a killed process may be free a moment later than the process is gone."""
    for _ in range(100):
        scene.do("envrc", "status")
        if not file.exists():
            return
    raise AssertionError(f"{file} is still there")


def sign_in(scene: Told, auth: SupabaseAuth) -> None:
    """A session of Supabase: begun, used, refused and ended."""
    scene.look_for(supabase_password=PASSWORD, wrong_password=_WRONG)
    good = scene.gateway.config.read_text()
    named = good.replace(_ENV_LINE, f'{_ENV_LINE}\nTOKEN = "token:supabase"')
    scene.gateway.write_config(
        f'{named}[tokens.supabase]\nsource = "supabase"\nurl = "{auth.url}"\n'
        f'publishable_key = "{KEY}"\n'
    )
    login = ("login", "supabase", "--email", EMAIL)
    scene.do(*login, said=_WRONG, code=1)
    scene.do(*login, said=PASSWORD)
    _look_for_session(scene, auth)
    # Another one, begun by a token that was made elsewhere.
    scene.do("login", "supabase", "--refresh-token", said="canary-refresh-token-of-nobody", code=1)
    scene.look_for(strange_token="canary-refresh-token-of-nobody")
    scene.do("login", "--status")
    shown = ("run", "--only", "TOKEN", "--", "sh", "-c", 'printf %s "$TOKEN"')
    token = scene.quietly(*shown).decode()
    assert token.count(".") == 2
    scene.look_for(access_token=token)
    _look_for_session(scene, auth)
    scene.do("logout", "supabase")
    scene.do(*login, said=PASSWORD)
    _look_for_session(scene, auth)
    auth.end_sessions()
    scene.do("logout", "supabase")
    scene.do("run", "--only", "TOKEN", "--", "true", code=1)
    scene.gateway.write_config(good)


def _look_for_session(scene: Told, auth: SupabaseAuth) -> None:
    for number, token in enumerate(auth.active_refresh_tokens):
        scene.look_for(**{f"refresh_token_{number}_{token[:2]}": token})


def use_keys(scene: Told) -> None:
    """A security key with a PIN, a recovery code, and a secret that only a touch opens."""
    person = _Person(scene)
    scene.look_for(sealed=_SEALED, pin=_PIN)
    good = scene.gateway.config.read_text()
    scene.gateway.write_config(good.replace(_ENV_LINE, f'{_ENV_LINE}\nSEALED = "secret:sealed"'))
    person.drawer.add(b"blue" * 8, pin=_PIN)
    person.see("mfa", "add", "--label", "blue", typed=(_ASKED,) * 2)
    scene.look_for(recovery_code=person.recovery_code())
    scene.do("secret", "set", "--touch", "sealed", said=_SEALED)
    shown = person.see("secret", "get", "sealed", "--show", typed=(_ASKED,), is_kept=False)
    assert _SEALED in shown
    masked = ("run", "--only", "SEALED", "--mask", "--", "sh", "-c", 'echo "$SEALED"')
    assert "[hidden]" in person.see(*masked, typed=(_ASKED,))
    person.see("mfa", "test", typed=(_ASKED,))
    scene.do("secret", "get", "sealed", code=1)
    person.drawer.change(0, touches=False)
    person.see("secret", "get", "sealed", "--show", typed=(_ASKED,), code=1)
    scene.do("mfa", "list")
    scene.gateway.write_config(good)


class _Person:
    """Sits at a terminal, with the keys of a drawer."""

    def __init__(self, scene: Told) -> None:
        self._scene = scene
        self.folder = scene.gateway.folder
        self.env = {**os.environ, **scene.gateway.env}
        self.drawer = Drawer(self.folder / "secrets" / "keys.json")
        self._command = (sys.executable, "-m", "tests.fakes.key_command", str(self.drawer.path))

    def see(
        self,
        *arguments: str,
        typed: tuple[tuple[str, str], ...] = (),
        code: int = 0,
        is_kept: bool = True,
    ) -> str:
        """All that a command shows; unless it may hold a value it is kept to be searched."""

        def answer(terminal: Terminal) -> None:
            for text, word in typed:
                terminal.wait_for(text)
                terminal.type(f"{word}\r")

        shown = self._at_terminal(arguments, answer, code)
        if is_kept:
            self._scene.said.append((f"the terminal of {arguments[:2]}", shown.encode()))
        return shown

    def recovery_code(self) -> str:
        """Make a recovery code, and write it down."""
        codes: list[str] = []

        def answer(terminal: Terminal) -> None:
            terminal.wait_for(_ASKED[0])
            terminal.type(f"{_PIN}\r")
            terminal.wait_for("It is shown this once:\r\n\r\n    ")
            terminal.wait_for("as you have written it down: ")
            codes.append(terminal.seen.split("once:\r\n\r\n    ")[1].split("\r\n")[0])
            terminal.type(f"{codes[0]}\r")

        self._at_terminal(("mfa", "recovery"), answer, 0)
        return codes[0]

    def _at_terminal(
        self, arguments: tuple[str, ...], answer: Callable[[Terminal], None], code: int
    ) -> str:
        terminal = Terminal(self, *arguments, command=self._command)
        try:
            answer(terminal)
            ended = os.waitstatus_to_exitcode(terminal.wait())
        finally:
            terminal.close()
        assert ended == code, (arguments, terminal.seen)
        return terminal.seen
