"""`[[identity.export]]`: folders that the identity is written to, for programs that need files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from gateway.config.addresses import local_path
from gateway.config.callers import program
from gateway.config.model import ExportConfig, IdentityConfig
from gateway.config.table import Table
from gateway.errors import ConfigProblem

#: What daemons take as "read your files again", or as the wish to end.
SIGNALS: Final = ("HUP", "USR1", "USR2", "WINCH", "INT", "TERM")


def read_exports(table: Table, *, base: Path) -> tuple[ExportConfig, ...]:
    """The folders of one identity; problems are noted in `table`."""
    exports: list[ExportConfig] = []
    for entry in table.tables("export"):
        export = _export(entry, base)
        if any(export.folder == other.folder for other in exports):
            entry.problem("dir", f"{export.folder} is there twice", "give each a folder of its own")
        exports.append(export)
    return tuple(exports)


def check_folders(tables: Mapping[str, IdentityConfig]) -> list[ConfigProblem]:
    """A problem for each folder that two identities are written to."""
    holders: dict[Path, str] = {}
    problems = []
    for name, identity in tables.items():
        for export in identity.exports:
            holder = holders.setdefault(export.folder, name)
            if holder != name:
                message = f"{export.folder} is the identity {holder}'s"
                hint = "give each a folder of its own"
                problems.append(ConfigProblem(f"identities.{name}.export", message, hint))
    return problems


def _export(entry: Table, base: Path) -> ExportConfig:
    entry.required("dir", 'the folder to write to, such as "tls"')
    command = tuple(text for _, text in entry.texts("exec"))
    if command:
        entry.convert("exec", command[0], program, index=0)
    export = ExportConfig(
        folder=entry.converted("dir", partial(local_path, base=base)) or base,
        combined=entry.flag("combined", default=False),
        command=command,
        signal=entry.choice("signal", SIGNALS, "HUP") if "signal" in entry else "",
        pid_file=entry.converted("pid_file", partial(local_path, base=base)),
    )
    entry.know("signal")
    if export.signal and export.pid_file is None:
        entry.problem("signal", "says not to whom", "add pid_file")
    elif export.pid_file is not None and not export.signal:
        entry.problem("pid_file", "says not what to send", 'add signal, such as "HUP"')
    entry.finish()
    return export
