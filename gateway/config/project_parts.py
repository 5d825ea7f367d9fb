"""The parts of a configuration that are about a project's secrets: its commands work with these,
whatever is missing or wrong in the rest of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

from gateway.config.addresses import local_path
from gateway.config.configu import read_configu
from gateway.config.mfa import read_mfa
from gateway.config.model import ProjectConfig, SecretsConfig
from gateway.config.rotate import read_rotations, refuse_write_back
from gateway.config.table import Rejected, Table
from gateway.config.tokens import read_tokens
from gateway.errors import ConfigInvalid, ConfigProblem
from identity.errors import InvalidSecretName
from identity.secret_stores.base import SecretRef

#: A table that may be asked for; `project`, `[secrets]` and `[mfa]` are always read.
Part = Literal["tokens", "configu", "rotate"]
PARTS: Final[frozenset[Part]] = frozenset({"tokens", "configu", "rotate"})

_DAY_S: Final = 86_400.0


def parse_project(
    raw: Mapping[str, object], *, path: Path, parts: Collection[Part]
) -> ProjectConfig:
    """Check those `parts` of the file at the absolute `path`, and nothing else in it.

    Raises:
        ConfigInvalid: something in them is wrong; `problems` holds all of it.
    """
    problems: list[ConfigProblem] = []
    found = read_project(Table(raw, "", problems), path=path, parts=parts)
    if problems:
        raise ConfigInvalid(str(path), problems)
    return found


def read_project(top: Table, *, path: Path, parts: Collection[Part]) -> ProjectConfig:
    """The `parts`; problems are noted in `top`. A part that isn't asked for is empty."""
    base, project = path.parent, _project(top)
    secrets = _secrets(top.table("secrets"), base=base)
    configu = None
    top.know("configu")
    if "configu" in parts and "configu" in top:
        configu = read_configu(top.table("configu"), base=base, secrets=secrets)
    found = ProjectConfig(
        path=path,
        place=path,
        project=project,
        secrets=secrets,
        mfa=read_mfa(top.table("mfa")),
        tokens=read_tokens(top.table("tokens"), base=base, project=project)
        if "tokens" in parts
        else (),
        configu=configu,
        rotations=read_rotations(top.table("rotate"), base=base, project=project)
        if "rotate" in parts
        else (),
    )
    refuse_write_back(top, found.rotations, found.configu)
    return found


def _project(top: Table) -> str:
    if not top.required("project", "the name that scopes this file's secrets"):
        return "unnamed"
    return top.converted("project", _project_name) or "unnamed"


def _project_name(text: str) -> str:
    try:
        return SecretRef(text, "any").project
    except InvalidSecretName as error:
        raise Rejected(str(error), error.hint) from None


def _secrets(table: Table, *, base: Path) -> SecretsConfig:
    store = table.choice("store", ("keychain", "vault", "folder", "memory"), "keychain")
    folder = table.converted("folder", partial(local_path, base=base))
    if store == "folder" and folder is None:
        table.problem("folder", 'store = "folder" needs it', 'such as folder = "/run/secrets"')
    elif store not in {"folder", "vault"} and folder is not None:
        table.problem("folder", f'store = "{store}" has no folder', 'use store = "folder"')
    if store != "vault" and "auto_lock_s" in table:
        table.problem("auto_lock_s", f'store = "{store}" is not locked', 'use store = "vault"')
    auto_lock_s = table.seconds(
        "auto_lock_s", SecretsConfig().auto_lock_s, least=0.0, most=_DAY_S * 30
    )
    table.finish()
    return SecretsConfig(
        store=cast("Literal['keychain', 'vault', 'folder', 'memory']", store),
        folder=folder,
        auto_lock_s=auto_lock_s,
    )
