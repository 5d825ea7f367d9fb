# ruff: noqa: A005 - always imported by its full name
"""A running issuer: HTTPS server over the issuer's folder, embedded or behind `issuer serve`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import os
import socket
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Final, cast

from aiohttp import web

from certs.clock import Clock, SystemClock
from certs.errors import CertsError
from certs.issuer.api import IssuerApi
from certs.issuer.authority_rotation import AuthorityRotation
from certs.issuer.connections import Connections
from certs.issuer.folder import SERVED_AT, OpenedIssuer, open_issuer
from certs.issuer.joins.desk import JoinDesk
from certs.issuer.joins.providers import Providers
from certs.issuer.joins.rule_book import NewRule, RuleBook, RuleWish
from certs.issuer.limits import Limits, Rates
from certs.issuer.news import News
from certs.issuer.one_time_tokens import Grant, NewToken
from certs.issuer.refusal import Refused
from certs.issuer.server_identity import ServerIdentity
from certs.issuer.service import IssuerService
from certs.issuer.worker import Worker

_HANDSHAKE_DEADLINE_S: Final = 5.0
_BACKLOG: Final = 512
_IPV4: Final = 4
_KEEPALIVE_S: Final = 5.0
_SHUTDOWN_S: Final = 5.0
_PRUNE_INTERVAL_S: Final = 3_600.0
_FOLLOW_INTERVAL_S: Final = 0.5

_log = logging.getLogger(__name__)
# Of what isn't HTTP the library would log a trace each: strangers could fill the disk with them.
# Defects of ours are logged by the handlers.
_WIRE_LOG: Final = logging.getLogger(f"{__name__}.wire")
_WIRE_LOG.setLevel(logging.CRITICAL)


class IssuerNotStarted(CertsError):
    """The issuer can't listen where it was told to."""


class IssuerServer:
    """A running issuer, in this process. `start`, then `stop`; not to be started again.

    Args:
        folder: made by `certs.issuer.folder.init`.
        host: IP address to listen on.
        port: 0 for any free one; `port` tells which, after `start`.
        leaf_life: of the certificates that it issues, unless a token caps it lower.
        clock: this machine's, when None.
        rates: how often it may be asked.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        leaf_life: timedelta = timedelta(hours=1),
        clock: Clock | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._folder = folder
        self._host = host
        self._port = port
        self._leaf_life = leaf_life
        self._clock = clock or SystemClock()
        self._limits = Limits(rates or Rates())
        self._crl_news = News()
        self._worker = Worker()
        self._cleanup = contextlib.AsyncExitStack()
        self._service: IssuerService
        self._rule_book: RuleBook

    def __repr__(self) -> str:
        return f"IssuerServer({self._folder}, {self.url})"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Where clients find it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"https://{host}:{self._port}"

    def _told_url(self, dns_names: tuple[str, ...]) -> str:
        """The address for a client's configuration: no client finds "every address"."""
        if not ipaddress.ip_address(self._host).is_unspecified:
            return self.url
        return f"https://{dns_names[0] if dns_names else 'localhost'}:{self._port}"

    @property
    def ca_pin(self) -> str:
        """What clients pin at their first contact."""
        return self._service.authority.pin

    async def start(self) -> None:
        """Open the folder and listen.

        Raises:
            IssuerNotStarted: the address is taken or not this machine's.
            StateUnusable, InvalidCertificate, InvalidPolicy: see `certs.issuer.folder.open_issuer`.
        """
        async with contextlib.AsyncExitStack() as cleanup:
            cleanup.callback(self._worker.close)
            opened = await self._worker.run(
                functools.partial(
                    open_issuer, self._folder, leaf_life=self._leaf_life, limits=self._limits
                )
            )
            self._service, self._rule_book = opened.service, opened.rule_book
            cleanup.push_async_callback(self._worker.run, opened.service.close)
            news = News()
            await self._listen(opened, news, cleanup)
            where = self._told_url(opened.dns_names)
            await self._worker.run(lambda: opened.settings.keep(SERVED_AT, where))
            # Runs before the listener's end, which requests that wait would hold up.
            cleanup.callback(news.close)
            cleanup.callback(self._crl_news.close)
            following = asyncio.create_task(self._follow(opened.rotation, news))
            cleanup.push_async_callback(_cancelled, following)
            pruning = asyncio.create_task(self._prune_now_and_then())
            cleanup.push_async_callback(_cancelled, pruning)
            self._cleanup = cleanup.pop_all()

    async def stop(self) -> None:
        """Stop listening, let running requests end within seconds, close the state."""
        await self._cleanup.aclose()

    async def make_token(self, grant: Grant) -> NewToken:
        """Make a join token; raises as `IssuerService.make_token`."""
        return await self._worker.run(lambda: self._service.make_token(grant, self._clock.now()))

    async def add_rule(self, wish: RuleWish) -> NewRule:
        """Make a join rule; raises as `RuleBook.add`."""
        return await self._worker.run(lambda: self._rule_book.add(wish, self._clock.now()))

    async def _listen(
        self, opened: OpenedIssuer, news: News, cleanup: contextlib.AsyncExitStack
    ) -> None:
        address = ipaddress.ip_address(self._host)
        identity = ServerIdentity(
            authorities=lambda: opened.service.authorities.latest,
            trust_domain=opened.service.trust_domain,
            dns_names=opened.dns_names,
            addresses=() if address.is_unspecified else (address,),
            clock=self._clock,
        )
        desk = JoinDesk(
            service=opened.joins, worker=self._worker, clock=self._clock, providers=Providers()
        )
        api = IssuerApi(
            service=opened.service,
            joins=desk,
            worker=self._worker,
            clock=self._clock,
            limits=self._limits,
            bundle_news=news,
            crl_news=self._crl_news,
        )
        runner = web.AppRunner(
            api.application(),
            access_log=None,
            logger=_WIRE_LOG,
            # A body is JSON as it is: nothing of a stranger's is unpacked.
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_S,
            shutdown_timeout=_SHUTDOWN_S,
        )
        await runner.setup()
        speaker = cast("web.Server", runner.server)
        cleanup.push_async_callback(runner.cleanup)
        try:
            listening = socket.create_server(
                (self._host, self._port),
                family=socket.AF_INET if address.version == _IPV4 else socket.AF_INET6,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise IssuerNotStarted(
                f"the issuer can't listen on {self._host}:{self._port}: "
                f"{os.strerror(error.errno) if error.errno else error}",
                hint="choose another address with --listen",
            ) from error
        cleanup.callback(listening.close)
        listening.setblocking(False)
        self._port = listening.getsockname()[1]
        connections = Connections(
            speaker, context=identity.context, handshake_s=_HANDSHAKE_DEADLINE_S
        )
        serving = asyncio.create_task(connections.serve(listening))
        cleanup.push_async_callback(_cancelled, serving)

    async def _follow(self, rotation: AuthorityRotation, news: News) -> None:
        """Do what time asks of the authorities, and see what another process did to them."""

        def look() -> tuple[int, int]:
            now = self._clock.now()
            rotation.tick(now)
            lists = self._service.revocation_lists(now)
            return self._service.authorities.read().sequence, lists.sequence

        is_failing = False
        while True:
            try:
                bundle, lists = await self._worker.run(look)
                news.publish(bundle)
                self._crl_news.publish(lists)
                is_failing = False
            except (CertsError, sqlite3.Error, OSError):
                if not is_failing:
                    _log.exception("the issuer's authorities could not be looked after")
                is_failing = True
            await asyncio.sleep(_FOLLOW_INTERVAL_S)

    async def _prune_now_and_then(self) -> None:
        while True:
            try:
                await self._worker.run(lambda: self._service.prune(self._clock.now()))
            except (Refused, sqlite3.Error):
                # Pruning only saves room: the issuer goes on without it and tries again.
                _log.exception("issuer state could not be pruned")
            await asyncio.sleep(_PRUNE_INTERVAL_S)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
