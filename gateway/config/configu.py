"""`[configu]`: where the project's configuration is kept, and how often it is asked for."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Final

from gateway.config.addresses import local_path
from gateway.config.model import ConfiguConfig, SecretsConfig
from gateway.config.table import Rejected, Table
from gateway.config.tokens import endpoint_url
from identity.configu.config_set import DEFAULT_ENDPOINT, ConfigSet
from identity.errors import InvalidConfigName

_DAY_S: Final = 86_400.0
# It becomes a header's value.
_WORD: Final = re.compile(r"[\x21-\x7e]{1,200}")
_ENDINGS: Final = (".json", ".yaml", ".yml")


def read_configu(table: Table, *, base: Path, secrets: SecretsConfig) -> ConfiguConfig:
    """The checked table; problems are noted in it."""
    table.required("org", "the id of your organization at Configu")
    table.required("schemas", 'the .cfgu files, like ["app.cfgu.json"]')
    if secrets.store in {"folder", "memory"}:
        table.problem_at(
            "secrets.store",
            f'"{secrets.store}" keeps nothing that is taken from Configu',
            'use store = "keychain" or "vault"',
        )
    table.refuse("store", "values go to the store that [secrets] names", "remove it here")
    schemas = table.distinct("schemas", partial(_schema, base=base))
    if table.holds_nothing("schemas"):
        table.problem("schemas", "is empty", 'name a file, like "app.cfgu.json"')
    config = ConfiguConfig(
        url=table.converted("url", endpoint_url) or DEFAULT_ENDPOINT,
        org=table.converted("org", _word) or "",
        set=table.converted("set", _set) or "",
        schemas=schemas,
        tag=table.converted("tag", _word) or "",
        interval_s=table.seconds("interval_s", 60.0, least=5.0, most=_DAY_S),
        max_offline_s=max_offline_s(table),
        ca_file=table.converted("ca_file", partial(local_path, base=base)),
    )
    table.finish()
    return config


def max_offline_s(table: Table) -> float:
    """How long values may be used while Configu doesn't answer."""
    return table.seconds("max_offline_s", _DAY_S, least=60.0, most=365 * _DAY_S)


def _schema(text: str, *, base: Path) -> Path:
    if not text.endswith(_ENDINGS):
        raise Rejected(f"{text!r} is no schema", "its name ends in .cfgu.json or .cfgu.yaml")
    return local_path(text, base=base)


def _set(text: str) -> str:
    try:
        return ConfigSet(text).path
    except InvalidConfigName as error:
        raise Rejected(str(error), error.hint) from None


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise Rejected(
            "holds a space, or a character that is not ASCII", "write it as Configu shows it"
        )
    return text
