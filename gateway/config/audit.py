"""`[audit]`: how much of the journal is kept, and where its lines are sent."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

from gateway.config.addresses import host_and_port, host_name, ip_literal, local_path, port_number
from gateway.config.audit_model import AuditConfig, ForwardConfig
from gateway.config.headers import header_template, read_headers, token_name
from gateway.config.model import Config, HeaderTemplate
from gateway.config.table import Rejected, Table
from gateway.config.telemetry import http_endpoint, is_here

_TIB: Final = 1024**4
_LANGSMITH: Final = "https://api.smith.langchain.com"
_KINDS: Final = ("langsmith", "otlp", "syslog")
#: RFC 5424 table 1, by the names that syslog daemons use.
FACILITIES: Final = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "authpriv": 10,
    "audit": 13,
    **{f"local{number}": 16 + number for number in range(8)},
}
_SYSLOG_FORM: Final = "write unix:///dev/log, or udp://, tcp:// or tls:// with HOST:PORT"
_OWN: Final = frozenset({"content-type", "content-encoding", "accept-encoding"})


def read_audit(table: Table, *, base: Path, project: str) -> AuditConfig:
    """The checked table; problems are noted in it."""
    usual = AuditConfig()
    config = AuditConfig(
        file_bytes=table.whole("file_bytes", usual.file_bytes, least=65_536, most=_TIB),
        keep_files=table.whole("keep_files", usual.keep_files, least=0, most=1_000_000),
        forward=_forwards(table.table("forward"), base=base, project=project),
    )
    table.finish()
    return config


def refuse_unkept_names(top: Table, config: Config) -> None:
    """Note a problem for names that are to be hashed where no store would keep the key for it."""
    if config.secrets.store in {"keychain", "vault"}:
        return
    for item in config.audit.forward:
        if item.hashed_names:
            top.problem_at(
                f"audit.forward.{item.name}.names",
                f'store = "{config.secrets.store}" can\'t keep the key that they are hashed with',
                'use store = "keychain" or "vault"',
            )


def _forwards(table: Table, *, base: Path, project: str) -> tuple[ForwardConfig, ...]:
    found: list[ForwardConfig] = []
    for name in table.entries():
        inner = table.table(name)
        good = table.convert(name, name, token_name)
        if not inner.required("kind", "one of " + ", ".join(f'"{kind}"' for kind in _KINDS)):
            continue
        kind = inner.choice("kind", _KINDS, "")
        if good and kind:
            found.append(_forward(inner, good, kind, base=base, project=project))
            inner.finish()
    return tuple(found)


def _forward(table: Table, name: str, kind: str, *, base: Path, project: str) -> ForwardConfig:
    to = _syslog_address(table) if kind == "syslog" else _endpoint(table, kind)
    # Unknown keys are told by `finish`: each kind takes its own ones.
    is_langsmith = kind == "langsmith"
    headers = () if kind == "syslog" else _headers(table, kind=kind, project=project)
    allow_plaintext = table.flag("allow_plaintext", default=False)
    if to.startswith(("http:", "udp:", "tcp:")) and not is_here(to):
        _refuse_plaintext(table, headers, allowed=allow_plaintext)
    facility = table.choice("facility", FACILITIES, "authpriv") if kind == "syslog" else "authpriv"
    return ForwardConfig(
        name=name,
        kind=cast("Literal['langsmith', 'otlp', 'syslog']", kind),
        to=to,
        headers=headers,
        hashed_names=table.choice("names", ("clear", "hashed"), "clear") == "hashed",
        project=table.text("langsmith_project", "devwiz-gw-audit") if is_langsmith else "",
        facility=FACILITIES[facility],
        ca_file=table.converted("ca_file", partial(local_path, base=base)),
        allow_plaintext=allow_plaintext,
    )


def _refuse_plaintext(table: Table, headers: tuple[HeaderTemplate, ...], *, allowed: bool) -> None:
    """Lines may cross a network unprotected if somebody wrote that they may; secrets never."""
    key, good = ("address", "tls") if "address" in table else ("endpoint", "https")
    hint = f"use {good}://, or a server of this machine"
    if any(item.value_names for item in headers):
        table.problem(key, "would send secrets over a network in plaintext", hint)
    elif not allowed:
        hint += "; allow_plaintext = true lets it, where the network is trusted"
        table.problem(key, "would send the journal over a network in plaintext", hint)


def _endpoint(table: Table, kind: str) -> str:
    if kind == "langsmith":
        to = table.converted("endpoint", partial(http_endpoint, appended="/runs/batch"))
        return to or _LANGSMITH
    if not table.required("endpoint", 'a collector\'s address, like "http://127.0.0.1:4318"'):
        return ""
    return table.converted("endpoint", partial(http_endpoint, appended="/v1/logs")) or ""


def _headers(table: Table, *, kind: str, project: str) -> tuple[HeaderTemplate, ...]:
    inner = table.table("headers")
    headers = read_headers(inner, project=project)
    for header in headers:
        if header.name.lower() in _OWN:
            inner.problem(header.name, "is set by the forwarder itself", "leave it out")
    if kind == "langsmith" and not any(item.name.lower() == "x-api-key" for item in headers):
        key = header_template("x-api-key", "{secret:langsmith-api-key}", project=project)
        headers = (*headers, key)
    return headers


def _syslog_address(table: Table) -> str:
    return table.converted("address", _syslog) or "unix:///dev/log"


def _syslog(text: str) -> str:
    scheme, _, rest = text.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return text
    if scheme not in {"udp", "tcp", "tls"}:
        raise Rejected(f"{text!r} is not a syslog address", _SYSLOG_FORM)
    host, port = host_and_port(rest, example='"tls://logs.example.com:6514"')
    port_number(port, least=1)
    if ip_literal(host) is None:
        host_name(host, text)
    return text
