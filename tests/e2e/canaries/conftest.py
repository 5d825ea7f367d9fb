"""Canaries: secrets that everything is done with, and that are looked for everywhere after."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.canaries.persons import sign_in, use_direnv, use_keys
from tests.fakes.authority import Authority, server_context
from tests.fakes.gateway_process import COMMAND, DEADLINE_S, GatewayProcess
from tests.fakes.http_thread import HttpThread, Reply, Request
from tests.fakes.leaks import Needles
from tests.fakes.scripted_upstream import ScriptedUpstream, answering, echo
from tests.fakes.secret_service import gnome_keyring, session_bus, session_env
from tests.fakes.supabase_auth import SupabaseAuth
from tests.fakes.syslog_server import StreamServer

#: With characters that each encoding writes in another way.
PASSWORD = 'canary>\\"pass?/wörd+~7f3a'
HEADERS = {
    "route-token": "canary/route+token%7e=91c4",
    "otlp-token": "canary/otlp+token%7e=52d0",
    "langsmith-api-key": "lsv2_pt_canary0123456789abcdef_0123456789",
}
#: Of a file that somebody else wrote.
IMPORTED = "canary-import+value/%7e=04be"
VALUES = HEADERS | {"password": PASSWORD}
PASSPHRASE = "canary passphrase of the vault"

CONFIG = """
[routes.headers]
Authorization = "Bearer {{secret:route-token}}"
[run.env]
DB_PASSWORD = "secret:password"
[telemetry]
otlp_endpoint = "{sink}"
[telemetry.otlp_headers]
Authorization = "Bearer {{secret:otlp-token}}"
[audit.forward.runs]
kind = "langsmith"
endpoint = "{sink}"
[audit.forward.logs]
kind = "otlp"
endpoint = "{sink}"
[audit.forward.logs.headers]
Authorization = "Bearer {{secret:otlp-token}}"
[audit.forward.siem]
kind = "syslog"
address = "tcp://127.0.0.1:{syslog}"
[secrets]
{store}
"""
PATHS = {"/v1/traces", "/v1/logs", "/runs/batch"}
FOLDER = 'store = "folder"\nfolder = "secrets"'


class Sink(HttpThread):
    """Takes spans, log records and runs."""

    def answer(self, request: Request) -> Reply:
        return Reply(status=202 if request.path == "/runs/batch" else 200, body={})


class Scene:
    """A gateway with a store, and everything that was said so far."""

    def __init__(self, gateway: GatewayProcess, store: str, sink: Sink, syslog: int) -> None:
        self.gateway = gateway
        self.store = store
        self._values = VALUES | {"passphrase": PASSPHRASE, "imported": IMPORTED}
        self.needles = Needles(self._values)
        self.said: list[tuple[str, bytes]] = []
        self.told: list[str] = []
        table = FOLDER if store == "folder" else f'store = "{store}"'
        self.config = CONFIG.format(sink=sink.url, syslog=syslog, store=table)
        text = gateway.config.read_text().replace("[log]\n", '[log]\nlevel = "debug"\n')
        gateway.configure(re.sub(r'(level = "debug"\n)level.*\n', r"\1", text), more=self.config)

    def do(self, *arguments: str, said: str = "", code: int = 0) -> bytes:
        """Run a command, with what it says kept to be searched; its standard output."""
        done = self._finished(*arguments, said=said.encode())
        what = " ".join(arguments[:2])
        assert done.returncode == code, (what, done.returncode, done.stderr.decode())
        self.said += [(f"stderr of {what}", done.stderr)]
        if arguments[:2] != ("secret", "get"):
            self.said += [(f"stdout of {what}", done.stdout)]
        return done.stdout

    def quietly(self, *arguments: str) -> bytes:
        """What a command writes, which may hold a value; what it says of itself is kept."""
        done = self._finished(*arguments)
        assert done.returncode == 0, done.stderr.decode()
        self.said += [(f"stderr of {arguments[0]}", done.stderr)]
        return done.stdout

    def look_for(self, **values: str) -> None:
        """From now on look for these as well."""
        self._values |= values
        self.needles = Needles(self._values)

    def vault(self, *arguments: str, passphrase: str = PASSPHRASE, code: int = 0) -> None:
        """A command about the vault."""
        reading, writing = os.pipe()
        os.write(writing, passphrase.encode())
        os.close(writing)
        done = self._finished("vault", *arguments, "--passphrase-fd", str(reading), fds=(reading,))
        os.close(reading)
        assert done.returncode == code, done.stderr.decode()
        self.said += [(f"vault {arguments[0]}", done.stdout + done.stderr)]

    def _finished(
        self, *arguments: str, said: bytes = b"", fds: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *arguments, *self._where(arguments)],
            input=said,
            capture_output=True,
            env=os.environ | self.gateway.env,
            cwd=self.gateway.folder,
            timeout=2 * DEADLINE_S,
            check=False,
            pass_fds=fds,
            start_new_session=True,
        )

    @staticmethod
    def _where(arguments: tuple[str, ...]) -> tuple[str, ...]:
        return (
            () if "--" in arguments or arguments[0] == "vault" else ("--config", "devwiz-gw.toml")
        )

    def program(self, *options: str) -> None:
        """Run a program that gets the password, and look around while it has it."""
        with subprocess.Popen(
            [*COMMAND, "run", *options, "--", "sh", "-c", 'echo "$$ $DB_PASSWORD"; read x; :'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self.gateway.env,
            cwd=self.gateway.folder,
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            pid = int(line.split()[0])
            # Its own environment is where the value was to go.
            self.told += self.needles.in_processes(but={pid})
            out, err = process.communicate(b"\n", timeout=DEADLINE_S)
            assert process.returncode == 0, err.decode()
        if "--mask" in options:
            assert b"[hidden]" in line
            self.said.append(("masked output", line + out))
        self.said.append((f"stderr of run {options}", err))

    def keep(self) -> None:
        """Put all secrets into the store."""
        if self.store == "folder":
            folder = self.gateway.folder / "secrets"
            folder.mkdir(mode=0o700)
            for name, value in VALUES.items():
                (folder / name).touch(0o600)
                (folder / name).write_text(value)
            self.do("secret", "set", "password", said=PASSWORD, code=1)
            return
        if self.store == "vault":
            self.vault("init", "--unlock-time", "0.1")
            self.vault("unlock", passphrase="x" + PASSPHRASE, code=1)
            self.vault("unlock")
        for name, value in VALUES.items():
            self.do("secret", "set", name, said=value)
        kept = self.gateway.folder / "secrets" / "given.env"
        kept.parent.mkdir(mode=0o700)
        kept.write_text("imported-password='" + IMPORTED + "'\n")
        self.do("secret", "import", str(kept), "--keep")
        self.do("scan", "secrets", code=1)
        self.do("secret", "set", "odd", said=PASSWORD + "\0", code=1)
        self.do("secret", "set", "long", said=PASSWORD * 5000, code=1)

    def search(self) -> list[str]:
        """All that was found where nothing may be."""
        found = list(self.told)
        for where, data in self.said:
            found += self.needles.found(data, where)
        found += self.needles.in_processes()
        given = {self.gateway.folder / "secrets"}
        return found + self.needles.in_files(self.gateway.folder, but=given)


@pytest.fixture
def upstream(authority: Authority) -> Iterator[ScriptedUpstream]:
    context = server_context(authority.issue("localhost"), authority)
    with ScriptedUpstream(context, answering(echo)) as made:
        yield made


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as made:
        yield made


@pytest.fixture
def syslog() -> Iterator[StreamServer]:
    with StreamServer() as made:
        yield made


@pytest.fixture
def start_scene(
    tmp_path: Path,
    authority: Authority,
    upstream: ScriptedUpstream,
    sink: Sink,
    syslog: StreamServer,
) -> Iterator[Callable[[str], Scene]]:
    """Makes a gateway with all secrets in a store of this kind."""
    with ExitStack() as stack:
        gateway = stack.enter_context(
            GatewayProcess(tmp_path, authority, upstream_port=upstream.port)
        )
        gateway.env |= session_env(tmp_path)
        (tmp_path / "tmp").mkdir()
        gateway.env |= {"TMPDIR": str(tmp_path / "tmp"), "TERM": "dumb"}
        gateway.env |= {"PYTHONPATH": str(Path(__file__).parents[3])}

        def start(store: str) -> Scene:
            if store == "keychain":
                bus = stack.enter_context(session_bus(tmp_path))
                stack.enter_context(gnome_keyring(bus))
                gateway.env |= bus.env
            scene = Scene(gateway, store, sink, syslog.port)
            if store == "vault":
                stack.callback(scene.do, "vault", "lock")
            scene.keep()
            return scene

        yield start


@pytest.fixture
def everything(
    start_scene: Callable[[str], Scene],
    upstream: ScriptedUpstream,
    sink: Sink,
    syslog: StreamServer,
) -> Callable[[str], None]:
    """Does everything with secrets that a store of this kind keeps, and looks for them."""

    def do_everything(store: str) -> None:
        scene = start_scene(store)
        use_commands(scene)
        use_gateway(scene)
        until(lambda: bool(syslog.messages) and set(sink.paths()) >= PATHS)
        assert scene.search() == []
        check_messages(scene, upstream, sink, syslog)

    return do_everything


@pytest.fixture
def in_a_shell(start_scene: Callable[[str], Scene]) -> Callable[[str], None]:
    """Has direnv load them into shells, and looks for them."""

    def use(store: str) -> None:
        scene = start_scene(store)
        use_direnv(scene, PASSWORD)
        look_everywhere(scene)

    return use


@pytest.fixture
def signing_in(start_scene: Callable[[str], Scene]) -> Iterator[Callable[[str], None]]:
    """Signs in and out, and looks for what was typed and given."""
    with SupabaseAuth() as auth:

        def use(store: str) -> None:
            scene = start_scene(store)
            sign_in(scene, auth)
            look_everywhere(scene)

        yield use


@pytest.fixture
def with_keys(start_scene: Callable[[str], Scene]) -> Callable[[str], None]:
    """Touches security keys, and looks for what was typed and opened."""

    def use(store: str) -> None:
        scene = start_scene(store)
        use_keys(scene)
        look_everywhere(scene)

    return use


def look_everywhere(scene: Scene) -> None:
    """Search, with what the journal says."""
    for question in (("tail",), ("query", "--json"), ("verify",)):
        scene.do("audit", *question)
    assert scene.search() == []


def use_commands(scene: Scene) -> None:
    """Everything that reads or gives away a secret without a gateway."""
    assert scene.do("secret", "get", "password").decode() == PASSWORD
    scene.do("secret", "get", "none", code=1)
    scene.do("secret", "list")
    for options in (("--mask",), ("--deliver", "fd"), ("--deliver", "fifo"), ("--deliver", "file")):
        scene.program(*options)
    scene.program()
    killed = subprocess.Popen(
        [*COMMAND, "run", "--deliver", "fifo", "--", "sh", "-c", "echo up; sleep 60"],
        stdout=subprocess.PIPE,
        env=os.environ | scene.gateway.env,
        cwd=scene.gateway.folder,
    )
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"up\n"
    killed.kill()
    killed.wait()
    killed.stdout.close()
    scene.do("run", "--only", "NONE", "--", "true", code=1)


def use_gateway(scene: Scene) -> None:
    """A gateway from its start over mistakes, reloads and kill -9 to its end."""
    gateway = scene.gateway
    for number in (signal.SIGKILL, signal.SIGTERM):
        gateway.start()
        gateway.until_ready()
        assert gateway.request("POST", "/", body=b"x")[0] == 200
        assert gateway.request("GET", "/", headers={"Authorization": "mine"})[0] == 200
        assert gateway.request("GET", "/", headers={"Origin": "https://evil.example"})[0] == 403
        scene.told += scene.needles.in_processes()
        good = gateway.config.read_text()
        gateway.write_config(good + "\n[nonsense]\nx = 1\n")
        scene.do("reload", code=1)
        gateway.write_config(good)
        scene.do("reload")
        for command in (("status",), ("status", "--json"), ("explain",), ("secret", "list")):
            scene.do(*command)
        for path in ("/status", "/metrics", "/readyz", "/requests?last=20"):
            scene.said.append((path, str(gateway.ask("GET", path)).encode()))
        gateway.until(lambda body: all(item["lag"] == 0 for item in body["forwards"]))
        gateway.signal(number)
        _, out, err = gateway.wait()
        scene.said.append(("what serve says", (out + err).encode()))
    state = gateway.folder / "state" / "devwiz-gw" / "acme"
    for question in (("tail",), ("query", "--json"), ("verify",), ("export", "--format", "csv")):
        scene.do("audit", *question)
    # What is broken is told without what it holds.
    (state / "forward-runs.json").write_text("{")
    with (state / "audit.jsonl").open("ab") as file:
        file.write(b'{"seq":0,"name":\xff\n')
    scene.do("audit", "verify")
    scene.do("audit", "query")


def check_messages(
    scene: Scene, upstream: ScriptedUpstream, sink: Sink, syslog: StreamServer
) -> None:
    """Each value went to whom it is for, and to nobody else."""
    sent = list(upstream.requests)
    assert all(HEADERS["route-token"] in item.fields["authorization"] for item in sent)
    for item in sink.requests:
        allowed = "langsmith-api-key" if item.path == "/runs/batch" else "otlp-token"
        head = str(item.headers).encode()
        assert HEADERS[allowed] in str(item.headers), item.path
        found = scene.needles.found(head, f"headers to {item.path}", but={allowed})
        assert found + scene.needles.found(item.body, f"a body to {item.path}") == []
    for stream in syslog.streams:
        assert scene.needles.found(bytes(stream), "syslog") == []


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
