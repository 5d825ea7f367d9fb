"""From the tables of a configuration file to a checked `Config`, or everything that is wrong.

Pure: what depends on the machine comes in as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

from gateway.config.addresses import check_socket_path, local_path, unix_path
from gateway.config.admin_socket import admin_socket
from gateway.config.audit import read_audit, refuse_unkept_names
from gateway.config.identities import identities_of
from gateway.config.identity_export import check_folders
from gateway.config.identity_source import read_identities, read_identity
from gateway.config.issuer_source import refuse_shared_keys
from gateway.config.model import (
    DEFAULT_IDENTITY,
    AdminConfig,
    Config,
    Limits,
    LogConfig,
    Route,
    UnixAddress,
)
from gateway.config.project_parts import PARTS, read_project
from gateway.config.routes import RouteReader
from gateway.config.run import read_run
from gateway.config.table import Table
from gateway.config.telemetry import read_telemetry
from gateway.config.tokens import refuse_unknown_tokens
from gateway.config.workload_api import read_workload_api
from gateway.errors import ConfigInvalid, ConfigProblem

_DAY_S: Final = 86_400.0
_MIB: Final = 1024 * 1024
_TIB: Final = 1024**4


def parse(raw: Mapping[str, object], *, path: Path, max_socket_path: int) -> Config:
    """Check the tables of the file at the absolute `path`.

    `max_socket_path` is the number of bytes that a Unix socket's path may have here.

    Raises:
        ConfigInvalid: something is wrong; `problems` holds all of it.
    """
    problems: list[ConfigProblem] = []
    top = Table(raw, "", problems)
    part = read_project(top, path=path, parts=PARTS)
    project, base = part.project, path.parent
    identity = read_identity(top.table("identity"), base=base, project=project)
    identities = read_identities(top.table("identities"), base=base, project=project)
    reader = RouteReader(
        base=base,
        project=project,
        max_socket_path=max_socket_path,
        identities=(DEFAULT_IDENTITY, *identities),
    )
    config = Config(
        path=path,
        place=path,
        project=project,
        identity=identity,
        identities=identities,
        routes=_routes(top, reader),
        admin=_admin(top.table("admin"), reader, path=path, max_socket_path=max_socket_path),
        limits=_limits(top.table("limits")),
        audit=read_audit(top.table("audit"), base=base, project=project),
        run=read_run(top.table("run"), project=project),
        mfa=part.mfa,
        log=_log(top.table("log"), base=base),
        telemetry=read_telemetry(top.table("telemetry"), project=project, take=reader.take),
        secrets=part.secrets,
        tokens=part.tokens,
        configu=part.configu,
        rotations=part.rotations,
    )
    workload_api = read_workload_api(
        top.table("workload_api"),
        reader,
        base=base,
        max_socket_path=max_socket_path,
        identities=identities_of(config),
    )
    problems += check_folders(identities_of(config))
    tables = {DEFAULT_IDENTITY: config.identity, **config.identities}
    problems += refuse_shared_keys(tables, config.secrets.store)
    refuse_unknown_tokens(top, config)
    refuse_unkept_names(top, config)
    top.finish()
    if problems:
        raise ConfigInvalid(str(path), problems)
    return replace(config, workload_api=workload_api)


def _routes(top: Table, reader: RouteReader) -> tuple[Route, ...]:
    if top.required("routes", "at least one [[routes]] table") and top.holds_nothing("routes"):
        top.problem("routes", "is empty", "add a [[routes]] table")
    return tuple(reader.route(table) for table in top.tables("routes"))


def _admin(table: Table, reader: RouteReader, *, path: Path, max_socket_path: int) -> AdminConfig:
    socket = table.converted(
        "socket", partial(unix_path, base=path.parent, max_socket_path=max_socket_path)
    )
    table.finish()
    if socket is None:
        socket = admin_socket({}, path=path)
        if "socket" not in table:
            table.convert(
                "socket",
                str(socket),
                lambda _: check_socket_path(socket, max_socket_path=max_socket_path),
            )
    if holder := reader.take(UnixAddress(socket), table.at("socket")):
        table.problem("socket", f"{socket} is taken by {holder}", "choose another path")
    return AdminConfig(socket=socket)


def _limits(table: Table) -> Limits:
    usual = Limits()

    def seconds(name: str, usual_s: float, *, least: float = 0.1) -> float:
        return table.seconds(name, usual_s, least=least, most=_DAY_S)

    def count(name: str, usual: int, *, least: int = 1) -> int:
        return table.whole(name, usual, least=least, most=1_000_000)

    limits = Limits(
        workers=table.whole("workers", usual.workers, least=1, most=64),
        max_connections=count("max_connections", usual.max_connections),
        max_upstream_connections=count("max_upstream_connections", usual.max_upstream_connections),
        max_waiting_requests=count("max_waiting_requests", usual.max_waiting_requests, least=0),
        max_handshakes=count("max_handshakes", usual.max_handshakes),
        max_buffered_bytes=table.whole(
            "max_buffered_bytes", usual.max_buffered_bytes, least=_MIB, most=_TIB
        ),
        max_head_bytes=table.whole("max_head_bytes", usual.max_head_bytes, least=1024, most=_MIB),
        head_timeout_s=seconds("head_timeout_s", usual.head_timeout_s),
        idle_timeout_s=seconds("idle_timeout_s", usual.idle_timeout_s),
        connect_timeout_s=seconds("connect_timeout_s", usual.connect_timeout_s),
        response_timeout_s=seconds("response_timeout_s", usual.response_timeout_s),
        upstream_idle_timeout_s=seconds("upstream_idle_timeout_s", usual.upstream_idle_timeout_s),
        linger_timeout_s=seconds("linger_timeout_s", usual.linger_timeout_s, least=0.0),
        drain_timeout_s=seconds("drain_timeout_s", usual.drain_timeout_s, least=0.0),
    )
    table.finish()
    return limits


def _log(table: Table, *, base: Path) -> LogConfig:
    level = table.choice("level", ("debug", "info", "warning", "error"), "info")
    config = LogConfig(
        level=cast("Literal['debug', 'info', 'warning', 'error']", level),
        access=table.flag("access", default=True),
        mcp_peek=table.flag("mcp_peek", default=True),
        file=table.converted("file", partial(local_path, base=base)),
        format=cast(
            "Literal['auto', 'json', 'text']",
            table.choice("format", ("auto", "json", "text"), "auto"),
        ),
    )
    table.finish()
    return config
