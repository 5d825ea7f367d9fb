"""Which configuration file is meant, and where the gateway that serves it listens for commands.

Kept apart from loading, so that a command that only asks imports no more than this.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.config.admin_socket import admin_socket
from gateway.errors import ConfigInvalid, ConfigMissing, ConfigProblem

FILE_NAME: Final = "devwiz-gw.toml"
_FOLDER: Final = "devwiz-gw"
_ADMIN_TABLE: Final = re.compile(r"^[ \t]*\[[ \t]*admin[ \t]*\](.*?)(?=^[ \t]*\[|\Z)", re.M | re.S)
_SOCKET_LINE: Final = re.compile(r"^[ \t]*socket[ \t]*=.*$", re.M)


def find_config(
    explicit: Path | None, *, cwd: Path, env: Mapping[str, str], uid: int | None = None
) -> Path:
    """The absolute path of the configuration file to use.

    `explicit` wins; then `devwiz-gw.toml` in `cwd` or a folder above it; then the user's own.
    `uid` is the user who asks, by default the process's.

    Raises:
        ConfigMissing: there is no such file.
        ConfigInvalid: one that nobody named is another user's.
    """
    if explicit is not None:
        path = normal_path(cwd / explicit)
        if path.is_file():
            return path
        raise ConfigMissing(
            str(path), f"there is no file {path}", "check the path given with --config"
        )
    for path in (*_here_and_above(cwd), *user_files(env, platform=sys.platform)):
        if path.is_file():
            _check_owner(path, uid)
            return path
    wanted = ", ".join(str(path) for path in user_files(env, platform=sys.platform))
    raise ConfigMissing(
        FILE_NAME,
        f"there is no configuration: no {FILE_NAME} in {cwd} or a folder above"
        + (f", nor {wanted}" if wanted else ""),
        "devwiz-gw init writes one; or pass --config FILE",
    )


def normal_path(path: Path) -> Path:
    """`path` made absolute without following links: a mounted configuration is often a link, and
    what is beside the link is meant, not what is beside its target.
    """
    return Path(os.path.normpath(path.absolute()))


def user_files(env: Mapping[str, str], *, platform: str) -> tuple[Path, ...]:
    """Where a user's own configuration file may be on `platform`, in order of preference."""
    folders: list[Path] = []
    if xdg := env.get("XDG_CONFIG_HOME"):
        # The XDG specification says that a relative value is to be ignored.
        folders += [Path(xdg)] if Path(xdg).is_absolute() else []
    if platform == "win32":
        folders += [Path(env["APPDATA"])] if env.get("APPDATA") else []
    elif home := env.get("HOME"):
        if platform == "darwin":
            folders.append(Path(home, "Library", "Application Support"))
        folders.append(Path(home, ".config"))
    return tuple(dict.fromkeys(folder / _FOLDER / FILE_NAME for folder in folders))


def locate_admin_socket(path: Path) -> Path:
    """`admin_socket` for a file on disk, which may be broken: its gateway runs on regardless."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    try:
        raw: Mapping[str, object] = tomllib.loads(text)
    except (ValueError, RecursionError):
        raw = _admin_alone(text)
    return admin_socket(raw, path=path)


def _admin_alone(text: str) -> Mapping[str, object]:
    """The socket's line below `[admin]`, of a text that is no TOML as a whole."""
    table = _ADMIN_TABLE.search(text)
    line = _SOCKET_LINE.search(table[1]) if table else None
    try:
        return {"admin": tomllib.loads(line[0])} if line else {}
    except ValueError:
        return {}


def _here_and_above(cwd: Path) -> Iterator[Path]:
    return (folder / FILE_NAME for folder in (cwd, *cwd.parents))


def _check_owner(path: Path, uid: int | None) -> None:
    """Refuse a file that somebody else laid in the way, in a shared folder such as /tmp: it would
    say where this user's tokens are sent. So would a link to a file of this user's: what that names
    beside it is looked for beside the link.
    """
    if not hasattr(os, "geteuid"):
        return
    own = {0, os.geteuid() if uid is None else uid}
    for owner in (path.lstat().st_uid, path.stat().st_uid):
        if owner not in own:
            what = f"belongs to another user (uid {owner})"
            raise ConfigInvalid(
                str(path), [ConfigProblem("", what, f"if it is meant: --config {path}")]
            )
