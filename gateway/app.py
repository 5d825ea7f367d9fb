"""The composition root: the only place that picks concrete classes and puts them together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from typing import Final

from certs.clock import SystemClock
from certs.generation import Generation
from gateway.asking import asker_of
from gateway.audit.files import journal_path
from gateway.audit.journal import Journal, Keeping
from gateway.config.load import load_again
from gateway.config.model import Config, LogConfig
from gateway.configu.open import open_sync
from gateway.control_plane.audit_signer import AuditSigner
from gateway.control_plane.configu_feed import ConfiguFeed
from gateway.control_plane.feeds import Feeds, HeaderFeed, IdentityFeed
from gateway.control_plane.forwarding.forwarders import Forwarders
from gateway.control_plane.header_feed import StoreHeaderFeed
from gateway.control_plane.identity_feed import RotationFeed
from gateway.control_plane.parts import Parts
from gateway.control_plane.supervisor import Supervisor
from gateway.control_plane.token_feed import TokenFeed
from gateway.data_plane.failure import explanation
from gateway.descriptor_limit import raise_descriptor_limit
from gateway.errors import StartFailed
from gateway.identity_sources import open_source
from gateway.rotation.desk import Desk
from gateway.service.given import Service
from gateway.telemetry.logs import LogSink, Redactor, install
from gateway.telemetry.readable import readable
from gateway.telemetry.span_exporter import SpanExporter
from gateway.token_sources import TokenOpener
from identity.fault import Fault
from identity.secret_stores.base import SecretStore
from identity.secret_stores.open import open_store

_LOG: Final = logging.getLogger(__name__)
#: Stores that keep what they are given, such as the journal's key.
_KEEPING: Final = frozenset({"keychain", "vault"})


async def serve(
    config: Config,
    *,
    announce: Callable[[str], None],
    env: Mapping[str, str],
    service: Service | None = None,
) -> int:
    """Run the gateway until it is told to stop.

    SIGTERM drains after lingering, SIGINT at once, a second one of them cuts; SIGHUP reloads the
    file and opens the log again.

    `announce` shows a line to the person who started the gateway, `service` is what a service
    manager has given. The result is 0 when everything was drained, 1 when connections had to be
    cut.

    Raises:
        Fault: the start failed; nothing is left behind.
    """
    service = service or Service()
    raise_descriptor_limit(2 * config.limits.max_connections + 256)
    redactor = Redactor()
    sink = _open_log(config.log)
    install(sink, redactor, config.log.level)
    store = _store(config, env)
    journal = Journal(journal_path(config.project, env), project=config.project)
    version = metadata.version("devwiz-gw")
    forwarders = Forwarders(journal, store, version=version, rng=random.SystemRandom())
    signer = _signer(config, journal, env)
    journal.keeping = _keeping(config, forwarders, signer)
    parts = Parts(
        version=version,
        feeds=_feeds(store, journal, env),
        load=lambda: load_again(config),
        journal=journal,
        sink=sink,
        redactor=redactor,
        announce=announce,
        meaning=explanation,
        signer=signer,
        forwarders=forwarders,
        open_desk=lambda used, refresh: Desk(
            config=used, store=store, journal=journal, env=env, tell=lambda _secret: refresh()
        ),
        exporter=SpanExporter(_process(config), rng=random.SystemRandom()),
        manager=service.manager,
        passed=service.passed,
    )
    try:
        supervisor = Supervisor(config, parts)
        with _signals(supervisor, sink):
            return await supervisor.run()
    except BaseExceptionGroup as defects:
        _LOG.critical("stopped by a defect", exc_info=defects.exceptions[0])
        raise
    finally:
        await store.close()
        await asyncio.to_thread(sink.close)


def _store(config: Config, env: Mapping[str, str]) -> SecretStore:
    secrets = config.secrets
    return open_store(secrets.store, folder=secrets.folder, asker=asker_of(config.place, env))


def _signer(config: Config, journal: Journal, env: Mapping[str, str]) -> AuditSigner | None:
    if config.secrets.store not in _KEEPING:
        return None
    return AuditSigner(journal, _store(config, env))


def _keeping(config: Config, forwarders: Forwarders, signer: AuditSigner | None) -> Keeping:
    return Keeping(
        file_bytes=config.audit.file_bytes,
        files=config.audit.keep_files,
        position=forwarders.position,
        too_many=None if signer is None else signer.too_many,
    )


def _process(config: Config) -> dict[str, str | int | float | bool]:
    """What this process is called in traces: OpenTelemetry's conventions for resources."""
    return {
        "service.name": "devwiz-gw",
        "service.namespace": config.project,
        "service.version": metadata.version("devwiz-gw"),
        "service.instance.id": str(uuid.uuid4()),
        "process.pid": os.getpid(),
    }


def _feeds(store: SecretStore, journal: Journal, env: Mapping[str, str]) -> Feeds:
    def identity(
        config: Config,
        name: str,
        publish: Callable[[Generation], None],
        failed: Callable[[], None],
    ) -> IdentityFeed:
        source = open_source(config, store, env, name=name)
        return RotationFeed(source, publish, failed, clock=SystemClock(), rng=random.SystemRandom())

    def headers(config: Config, changed: Callable[[], None]) -> HeaderFeed:
        tokens = TokenFeed(
            TokenOpener(store=store, journal=journal, env=env),
            clock=SystemClock(),
            rng=random.SystemRandom(),
        )
        return StoreHeaderFeed(
            config,
            changed,
            store=store,
            tokens=tokens,
            journal=journal,
            outdated=configu.outdated,
        )

    configu = ConfiguFeed(
        partial(open_sync, store=store, journal=journal, env=env),
        clock=SystemClock(),
        rng=random.SystemRandom(),
    )
    return Feeds(identity=identity, headers=headers, configu=configu)


def _open_log(log: LogConfig) -> LogSink:
    on_terminal = log.file is None and sys.stderr is not None and sys.stderr.isatty()
    as_text = log.format == "text" or (log.format == "auto" and on_terminal)
    try:
        return LogSink(log.file, render=readable if as_text else None)
    except OSError as error:
        raise StartFailed(
            f"can't open the log {log.file}: {(error.strerror or str(error)).lower()}",
            hint="change log.file, or make its folder",
        ) from error


@contextlib.contextmanager
def _signals(supervisor: Supervisor, sink: LogSink) -> Iterator[None]:
    """Let signals steer the supervisor while it runs."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        try:
            await asyncio.to_thread(sink.reopen)
        except OSError as error:
            _LOG.error("the log can't be opened again: %s", error.strerror)
        # Why a reload was refused is logged where it is decided.
        with contextlib.suppress(Fault):
            await supervisor.reload()

    def on_hangup() -> None:
        task = loop.create_task(reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    handlers = {"SIGTERM": supervisor.leave, "SIGINT": supervisor.drain, "SIGHUP": on_hangup}
    present = [
        (getattr(signal, name), call) for name, call in handlers.items() if hasattr(signal, name)
    ]
    for number, call in present:
        # Windows has no such handlers; there Ctrl-C ends the loop as an exception.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for number, _ in present:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
