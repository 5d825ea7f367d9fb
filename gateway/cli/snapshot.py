"""The configuration as one command read it: once, so that all of the command goes by the same one.

It is only looked at, not checked: a list must come at once, and a secret can be set while other
parts of the file are still wrong. What is taken from it is checked part by part.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.parsers import UsageError
from gateway.config.find import find_config
from gateway.config.reading import Reading, read
from gateway.errors import ConfigInvalid, ConfigProblem
from identity.secret_stores.base import check_project

if TYPE_CHECKING:
    from gateway.config.mfa_policy import MfaConfig
    from gateway.config.run_model import RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The tables of a configuration file (`path` is None: there is none) that was at `place`, as
    `Reading` has it, and the project that `--project` names. `problems` are about the file itself.
    """

    path: Path | None = None
    place: Path | None = None
    raw: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()
    named: str | None = None

    @classmethod
    def of(cls, reading: Reading, *, named: str | None = None) -> Snapshot:
        """What was read, seen by a command that `--project` was given, if it was."""
        return cls(
            path=reading.path,
            place=reading.place,
            raw=reading.raw,
            problems=reading.problems,
            named=named,
        )

    @property
    def own(self) -> str:
        """The file's own project, or ""."""
        return text_of(self.raw, "project")

    @property
    def project(self) -> str:
        """The project that is meant. Raises `InvalidSecretName`."""
        project = self.own if self.named is None else self.named
        check_project(project)
        return project

    @property
    def store(self) -> str:
        """The kind of store; with `--project` too it is the file's to say, not to be guessed."""
        return text_of(self.raw, "secrets", "store") or "keychain"

    @property
    def secrets_folder(self) -> Path | None:
        """`secrets.folder`, if there is one."""
        folder = text_of(self.raw, "secrets", "folder")
        return self.path.parent / folder if folder and self.path is not None else None

    def manifest(self) -> RunConfig:
        """`[run]`. Raises `ConfigInvalid`, also for a file that others may write to."""
        from gateway.config.run import read_run
        from gateway.config.table import Table

        problems = list(self.problems)
        manifest = read_run(Table(self.raw, "", problems).table("run"), project=self.own)
        self.refuse(problems)
        return manifest

    def policy(self) -> MfaConfig:
        """`[mfa]`, if there is one; that of another project than the file's is unknown.

        Raises:
            ConfigInvalid: it can't be read, which is not taken for none.
        """
        from gateway.config.mfa import read_mfa
        from gateway.config.mfa_policy import MfaConfig
        from gateway.config.table import Table

        problems: list[ConfigProblem] = []
        policy = read_mfa(Table(self.raw, "", problems).table("mfa"))
        self.refuse(problems)
        return policy if self.named in {None, self.own} else MfaConfig(is_unknown=True)

    def refuse(self, problems: list[ConfigProblem]) -> None:
        """Raise `ConfigInvalid` if there are any."""
        if problems:
            raise ConfigInvalid(str(self.path), problems)


def snapshot_of(args: argparse.Namespace, *, required: bool | None = None) -> Snapshot:
    """What `--config` and `--project` mean now. A file is `required`, if it isn't said, where no
    project is named.

    Raises:
        UsageError: there is no file, and one is required.
        ConfigInvalid: the file that `--config` names is not there, or a file is not TOML.
    """
    named: str | None = getattr(args, "project", None)
    try:
        path = find_config(args.config, cwd=Path.cwd(), env=os.environ)
    except ConfigInvalid:
        if args.config is not None:
            raise
        if required or (required is None and named is None):
            raise UsageError(
                "no configuration file says which project is meant",
                hint="pass --project NAME, or run this where devwiz-gw.toml is"
                if hasattr(args, "project") and not required
                else "devwiz-gw init writes one; or run this where it is, or pass --config FILE",
            ) from None
        return Snapshot(named=named)
    return Snapshot.of(read(path), named=named)


def text_of(raw: object, *keys: str) -> str:
    """The text at `keys`, or an empty one."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw if isinstance(raw, str) else ""
