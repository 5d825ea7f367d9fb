"""The `[rotate.NAME]` tables: how each secret gets a new value, and what comes of the old one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from gateway.config.credentials import Place, environment_name
from gateway.config.headers import secret_name, token_name
from gateway.config.model import ConfiguConfig
from gateway.config.on_switch import on_switch
from gateway.config.rotate_model import (
    HooksConfig,
    LangSmithKeyConfig,
    PublishConfig,
    RotateConfig,
    RotateProvider,
    SupabaseKeyConfig,
)
from gateway.config.table import Rejected, Table
from gateway.config.tokens import endpoint_url
from identity.configu.config_set import ConfigSet, check_name
from identity.errors import InvalidConfigName
from identity.rotation.base import KEY_SORTS, LEEWAY_S

_SPAN: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_MOST_S: Final = 3650 * 86_400.0
_REF: Final = re.compile(r"[a-z0-9]{8,40}")
_GRACE: Final = "1h"
_REMIND: Final = "90d"
#: How long a session's access token lives unless the project says so.
_TOKEN_LIFE: Final = "1h"  # noqa: S105


def read_rotations(table: Table, *, base: Path, project: str) -> tuple[RotateConfig, ...]:
    """All tables, in the order of the file; problems are noted in `table`."""
    place = Place(base=base, project=project)
    found: list[RotateConfig] = []
    taken: dict[str, str] = {}
    for name in table.entries():
        inner = table.table(name)
        good = table.convert(name, name, _table_name)
        known = ", ".join(f'"{provider}"' for provider in _READERS)
        if not inner.required("provider", f"one of {known}"):
            continue
        provider = inner.choice("provider", _READERS, "")
        if not provider or not good:
            continue
        rotation = _rotation(inner, good, provider, place)
        inner.finish()
        earlier = taken.setdefault(rotation.secret or f"[{name}]", name)
        if earlier != name:
            hint = "one table says all of a secret's rotation"
            inner.problem("secret", f"{rotation.secret} is rotated by {earlier} already", hint)
        found.append(rotation)
    return tuple(found)


def refuse_write_back(
    top: Table, rotations: tuple[RotateConfig, ...], configu: ConfiguConfig | None
) -> None:
    """Note a problem for each rotation that writes back where that can't be."""
    for rotation in rotations:
        if not rotation.write_back:
            continue
        key = f"rotate.{rotation.name}.write_back"
        if configu is None:
            top.problem_at(
                key,
                "there is nothing to write back to",
                "add [configu], or a table [rotate.NAME.configu] in its place",
            )
        elif configu.tag:
            # The next sync would bring the old value back, and its key is revoked by then.
            top.problem_at(
                key,
                "with a tag in [configu] values of the past are taken from there, never a new one",
                "leave the tag out, or write_back",
            )


def _rotation(table: Table, name: str, provider: str, place: Place) -> RotateConfig:
    command = _command(table, "verify")
    if "write_back" in table and "configu" in table:
        table.problem("write_back", "the table configu says where to write", "keep one of the two")
    common = RotateConfig(
        name=name,
        provider=cast("RotateProvider", provider),
        secret=_secret(table, name, place) if provider != "supabase-signing-key" else "",
        grace_s=_span(table, "grace", _GRACE),
        verify=command,
        pass_env=table.distinct("pass_env", environment_name),
        timeout_s=table.seconds("timeout_s", 30.0, least=0.1, most=600.0),
        on_switch=table.converted("on_switch", on_switch) or "leave",
        remind_after_s=_reminder(table),
        publish=_publish(table, place) if "configu" in table else None,
        write_back=table.flag("write_back", default=False),
    )
    rotation = _READERS[provider](table, common, place)
    hooks = rotation.hooks or HooksConfig(create=(), revoke=(), find=())
    if command or hooks.create:
        if not table.flag("allow", default=False):
            table.problem(
                "allow",
                "a program is run only where the file says so",
                "add allow = true if you trust the programs",
            )
    else:
        table.refuse("allow", "nothing is run here", "leave it out")
    return rotation


def _langsmith(table: Table, common: RotateConfig, place: Place) -> RotateConfig:
    return replace(
        common,
        langsmith=LangSmithKeyConfig(
            endpoint=table.converted("endpoint", endpoint_url) or "",
            sort=table.choice("keys", KEY_SORTS, "workspace"),
            workspace=table.text("workspace"),
            organization=table.text("organization"),
            admin_secret=_named_secret(table, "admin_secret", place),
            expires_s=_span(table, "expires", "") if "expires" in table else None,
        ),
    )


def _supabase_api_key(table: Table, common: RotateConfig, place: Place) -> RotateConfig:
    found = _supabase(table, place)
    url = table.converted("url", endpoint_url) or (f"https://{found.ref}.supabase.co")
    kind = table.choice("kind", ("secret", "publishable"), "secret")
    return replace(common, supabase=replace(found, url=url, kind=kind))


def _supabase_signing_key(table: Table, common: RotateConfig, place: Place) -> RotateConfig:
    table.refuse("secret", "a signing key never leaves the project", "leave it out")
    table.refuse("verify", "a signing key never leaves the project", "leave it out")
    table.refuse("configu", "a signing key never leaves the project", "leave it out")
    table.refuse("write_back", "a signing key never leaves the project", "leave it out")
    least_s = _span(table, "token_life", _TOKEN_LIFE) + LEEWAY_S
    algorithm = table.choice("algorithm", ("ES256", "RS256", "EdDSA"), "ES256")
    return replace(
        common,
        grace_s=max(common.grace_s, least_s),
        verify=(),
        publish=None,
        supabase=replace(_supabase(table, place), algorithm=algorithm),
    )


def _supabase(table: Table, place: Place) -> SupabaseKeyConfig:
    table.required("ref", "the project's reference, the REF of https://REF.supabase.co")
    what = "the secret that holds an access token of the Management API, sbp_…"
    table.required("access_token_secret", what)
    return SupabaseKeyConfig(
        ref=table.converted("ref", _ref) or "",
        access_token_secret=_named_secret(table, "access_token_secret", place),
        management_url=table.converted("management_url", endpoint_url) or "",
    )


def _configu(table: Table, common: RotateConfig, place: Place) -> RotateConfig:
    del place
    if not common.write_back:
        table.required("configu", "the config that the value is written to, or write_back = true")
    return replace(common, length=table.whole("length", 32, least=16, most=1024))


def _exec(table: Table, common: RotateConfig, place: Place) -> RotateConfig:
    del place
    table.required("create", 'an absolute path and its arguments, like ["/usr/bin/…"]')
    return replace(
        common,
        hooks=HooksConfig(
            create=_command(table, "create"),
            revoke=_command(table, "revoke"),
            find=_command(table, "find"),
        ),
    )


def _prompt(table: Table, common: RotateConfig, place: Place) -> RotateConfig:
    del table, place
    return common


_READERS: Final[Mapping[str, Callable[[Table, RotateConfig, Place], RotateConfig]]] = {
    "langsmith": _langsmith,
    "supabase-api-key": _supabase_api_key,
    "supabase-signing-key": _supabase_signing_key,
    "configu": _configu,
    "exec": _exec,
    "prompt": _prompt,
}


def _publish(table: Table, place: Place) -> PublishConfig:
    inner = table.table("configu")
    for key, what in (
        ("org", "the organization's id"),
        ("token_secret", "the secret that holds Configu's token"),
        ("key", "the config's key"),
    ):
        inner.required(key, what)
    found = PublishConfig(
        org=inner.text("org"),
        token_secret=_named_secret(inner, "token_secret", place),
        set=inner.converted("set", _set) or "",
        key=inner.converted("key", _key) or "",
        endpoint=inner.converted("endpoint", endpoint_url) or "",
        ca_file=inner.converted("ca_file", place.path),
    )
    inner.finish()
    return found


def _secret(table: Table, name: str, place: Place) -> str:
    def named(text: str) -> str:
        return secret_name(text, project=place.project)

    return table.convert("secret", table.text("secret", name), named) or ""


def _named_secret(table: Table, key: str, place: Place) -> str:
    return table.converted(key, lambda text: secret_name(text, project=place.project)) or ""


def _command(table: Table, key: str) -> tuple[str, ...]:
    command = tuple(text for _, text in table.texts(key))
    if command and not Path(command[0]).is_absolute():
        hint = "the folder that a shell would find it in can be changed by others"
        table.problem(key, f"{command[0]!r} is not an absolute path", hint, index=0)
    return command


def _reminder(table: Table) -> float | None:
    return (
        None
        if table.text("remind_after", _REMIND) == "never"
        else _span(table, "remind_after", _REMIND)
    )


def _span(table: Table, key: str, usual: str) -> float:
    return table.convert(key, table.text(key, usual), _seconds) or 0.0


def _seconds(text: str) -> float:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Rejected(f"{text!r} is not a time", 'write "45s", "30m", "12h" or "7d"')
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > _MOST_S:
        raise Rejected(f"{text} is more than ten years", "write a shorter time")
    return seconds


def _table_name(name: str) -> str:
    """Also the name of a file. Raises `Rejected`."""
    try:
        return token_name(name)
    except Rejected:
        raise Rejected(
            f"{name!r} is not a rotation's name",
            "use a–z, 0–9 and '-', 63 at most; secret = \"…\" names the secret",
        ) from None


def _ref(text: str) -> str:
    if not _REF.fullmatch(text):
        raise Rejected(f"{text!r} is not a project's reference", "it is in the project's settings")
    return text


def _set(text: str) -> str:
    try:
        return ConfigSet(text).path
    except InvalidConfigName as error:
        raise Rejected(str(error), error.hint) from None


def _key(text: str) -> str:
    try:
        check_name(text, "config")
    except InvalidConfigName as error:
        raise Rejected(str(error), error.hint) from None
    return text
