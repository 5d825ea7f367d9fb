"""A machine of the test's own that a real systemd runs, and that leaves nothing behind.

systemd is the first process in namespaces of its own, and sees this machine's files under a layer
in memory: what it changes is gone with it. It shares the network, so that a test's own upstream can
be used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.components import require_component
from tests.started import Started

SYSTEMD: Final = "/lib/systemd/systemd"
#: The uids of the users that the machine has: one for a system's service, one who has services.
SERVICE_USER: Final = ("devwiz-gw", 3001)
PERSON: Final = ("ada", 3002)
_PROGRAMS: Final = (
    "systemctl",
    "systemd-analyze",
    "systemd-creds",
    "unshare",
    "setpriv",
    "nsenter",
)
_NAMESPACES: Final = (
    *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
    *("--cgroup", "--uts", "--ipc"),
)
#: What the machine, and a service in it, has anew.
_OWN: Final = ("/tmp", "/var/tmp", "/run")
_DEADLINE_S: Final = 30.0
# What would change the kernel that this machine shares, or need what isn't here.
_MASKED: Final = (
    "systemd-sysctl.service systemd-modules-load.service systemd-remount-fs.service "
    "systemd-random-seed.service systemd-update-utmp.service systemd-udevd.service "
    "systemd-timesyncd.service systemd-journal-flush.service kmod-static-nodes.service "
    "systemd-tmpfiles-setup.service systemd-tmpfiles-setup-dev.service systemd-sysusers.service "
    "systemd-firstboot.service systemd-tmpfiles-clean.timer systemd-binfmt.service "
    "systemd-machine-id-commit.service "
    "systemd-journald-audit.socket systemd-pstore.service networking.service "
    "dev-hugepages.mount sys-fs-fuse-connections.mount sys-kernel-config.mount "
    "sys-kernel-debug.mount sys-kernel-tracing.mount proc-sys-fs-binfmt_misc.automount"
)
# $1 is an empty folder; the others have to be seen in the machine.
_BOOT: Final = """
set -e
top=$1; shift
mount -t tmpfs none "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" none "$top/root"
cd "$top/root"
for path in "$@"; do
    if [ "$(stat -c %d "$path")" != "$(stat -c %d /)" ]; then
        mkdir -p ".$path"
        mount --rbind "$path" ".$path"
    fi
    # The machine's other users have to reach it; the layer hides the change from the real folder.
    while path=$(dirname "$path"); [ "$path" != / ]; do chmod a+x ".$path"; done
done
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 none sys/fs/cgroup
for folder in run tmp var/tmp; do mount -t tmpfs -o mode=1777 none $folder; done
chmod 755 run root
mount -t tmpfs -o mode=755 none dev
mkdir dev/shm dev/pts
for name in null zero full random urandom tty; do
    touch dev/$name && mount --bind /dev/$name dev/$name
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
rm -rf etc/systemd/system/* etc/systemd/user/*
for unit in $masked; do ln -s /dev/null etc/systemd/system/$unit; done
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\n' > etc/systemd/system/machine.target
printf '%s:x:%s:\\n' $users >> etc/group
printf '%s:x:%s:%s::/home/%s:/bin/sh\\n' $accounts >> etc/passwd
mkdir -p home/ada
chown 3002:3002 home/ada
chmod 700 home/ada
mkdir old
pivot_root . old
exec env -i container=devwiz-gw-tests PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    chroot . sh -c 'umount -l /old && mount --make-rshared / && exec "$0" --system \\
    --unit=machine.target --log-target=journal --show-status=no' "$systemd"
"""


@cache
def machine_trouble() -> str:
    """Why no such machine can run here, "" where one can."""
    if os.geteuid() != 0:
        return "a machine with systemd needs root"
    if not Path(SYSTEMD).exists():
        return "there is no systemd"
    if not _control_groups():
        return "there are no control groups of version 2"
    probe = """
    mount -t tmpfs none "$1" && mkdir "$1/u" "$1/w" "$1/r" &&
    mount -t overlay -o lowerdir=/,upperdir="$1/u",workdir="$1/w" none "$1/r" &&
    mount -t cgroup2 none "$1/w"
    """
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            [*_NAMESPACES, "sh", "-c", probe, "sh", folder],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
    return f"no systemd can run here: {tried.stderr.strip()}" if tried.returncode else ""


def require_machine() -> None:
    """Skip where no such machine can run; without its programs skip, or fail where `CI` is set."""
    for program in _PROGRAMS:
        require_component(program)
    if any(Path(sys.executable).is_relative_to(place) for place in _OWN):
        pytest.skip("the program is in a folder of which a service has its own (PrivateTmp)")
    if machine_trouble():
        pytest.skip(machine_trouble())


class Machine(Started):
    """systemd, from entering the context to leaving it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="devwiz-machine-"))
        groups = _control_groups()
        assert groups is not None
        self._group = groups / self.folder.name
        self._process: subprocess.Popen[bytes] | None = None
        self._first = 0

    def ask(
        self, *command: str, user: tuple[str, int] | None = None, said: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """A finished command in the machine, root's or another user's, `said` being its input."""
        who: tuple[str, ...] = ()
        home, runtime = "/root", "/run"
        if user is not None:
            ids = (f"--reuid={user[1]}", f"--regid={user[1]}", "--clear-groups")
            who = ("setpriv", *ids)
            home, runtime = f"/home/{user[0]}", f"/run/user/{user[1]}"
        return subprocess.run(
            [
                *("nsenter", "--target", str(self._first)),
                *("--mount", "--pid", "--cgroup", "--uts", "--ipc", "--root"),
                *("env", "-i", "--chdir=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"HOME={home}"),
                *(f"XDG_RUNTIME_DIR={runtime}", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"),
                *(*who, *command),
            ],
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * _DEADLINE_S,
        )

    def run(self, *command: str, user: tuple[str, int] | None = None, said: str = "") -> str:
        """What a command prints. Raises `AssertionError` with all it said."""
        done = self.ask(*command, user=user, said=said)
        if done.returncode:
            raise AssertionError(f"{command}: {done.stdout}{done.stderr}\n{self.log()}")
        return done.stdout

    def log(self) -> str:
        """What was said last."""
        self.ask("journalctl", "--sync")
        return self.ask("journalctl", "--no-pager", "--lines=40").stdout

    def gateway(
        self, *arguments: str, user: tuple[str, int] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`devwiz-gw ARGUMENTS` in the machine."""
        return self.ask(self.program, *arguments, user=user)

    @property
    def program(self) -> str:
        """Where `devwiz-gw` is."""
        return str(Path(sys.executable).with_name("devwiz-gw"))

    def write(self, path: str, text: str, *, owner: tuple[str, int] = ("root", 0)) -> None:
        """Write a private file, and its folder if need be."""
        folder = str(Path(path).parent)
        self.run("install", "-d", "-m", "0755", "-o", str(owner[1]), folder)
        self.run("install", "-m", "0600", "-o", str(owner[1]), "/dev/stdin", path, said=text)

    def show(self, unit: str, name: str, *, user: tuple[str, int] | None = None) -> str:
        """A unit's property."""
        scope = ("--user",) if user is not None else ()
        shown = self.run("systemctl", *scope, "show", unit, f"--property={name}", user=user)
        return shown.strip().partition("=")[2]

    def until(
        self, unit: str, name: str, value: str, *, user: tuple[str, int] | None = None
    ) -> None:
        """Wait until a unit's property is this."""
        deadline = time.monotonic() + _DEADLINE_S
        while (found := self.show(unit, name, user=user)) != value:
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} of {unit} is {found!r}, not {value!r}\n{self.log()}")
            time.sleep(0.1)

    def _start(self) -> None:
        self._group.mkdir()
        project = str(Path(__file__).parents[1])
        accounts = " ".join(f"{name} {uid} {uid} {name}" for name, uid in (SERVICE_USER, PERSON))
        users = " ".join(f"{name} {uid}" for name, uid in (SERVICE_USER, PERSON))
        enter = f'echo $$ > "{self._group}/cgroup.procs" && exec "$@"'
        with (self.folder / "log").open("wb") as log:
            (self.folder / "top").mkdir()
            self._process = subprocess.Popen(
                [
                    *("sh", "-c", enter, "sh", "setpriv", "--pdeathsig", "KILL"),
                    *(*_NAMESPACES, "sh", "-c", _BOOT, "sh", str(self.folder / "top")),
                    *(project, sys.base_prefix),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ
                | {"masked": _MASKED, "users": users, "accounts": accounts, "systemd": SYSTEMD},
            )
        deadline = time.monotonic() + _DEADLINE_S
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")
                raise AssertionError(f"systemd did not start:\n{said[-3000:]}")
            time.sleep(0.1)

    def _is_up(self) -> bool:
        assert self._process is not None
        pid = self._process.pid
        try:
            self._first = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            name = Path(f"/proc/{self._first}/comm").read_text().strip()
        except (IndexError, OSError):
            return False
        if name != "systemd":
            return False
        state = self.ask("systemctl", "is-system-running").stdout.strip()
        return state in ("running", "degraded")

    def _stop(self) -> None:
        if self._process is not None:
            # Its first process takes all others with it.
            self._process.kill()
            self._process.wait(_DEADLINE_S)
        self._remove_control_groups()
        (self.folder / "log").unlink(missing_ok=True)
        (self.folder / "top").rmdir()
        self.folder.rmdir()

    def _remove_control_groups(self) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while self._group.exists() and time.monotonic() < deadline:
            inner = sorted(self._group.rglob("*"), key=lambda path: -len(path.parts))
            try:
                for group in (*(path for path in inner if path.is_dir()), self._group):
                    group.rmdir()
            except OSError:
                time.sleep(0.05)  # its processes are on their way out


def _control_groups() -> Path | None:
    """Where this machine has its control groups of version 2."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    return None
