"""Where identities leave the gateway: folders, the SPIFFE Workload API, and a command that asks."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from certs.clock import Clock
from certs.generation import Generation
from gateway.config.identities import identities_of
from gateway.config.model import Config, IdentityConfig
from gateway.control_plane.exporter import Audit, Exporter, Record
from gateway.control_plane.identity_board import IdentityBoard
from gateway.control_plane.views import ExportView
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.control_plane.workload_server import WorkloadServer
    from gateway.control_plane.workload_service import WorkloadCaller

_LOG: Final = logging.getLogger(__name__)
#: A refused caller that asks again and again leaves one line in the journal in this time.
_REFUSAL_PAUSE: Final = timedelta(minutes=1)
_MOST_REFUSED: Final = 1000


class Outlets:
    """Hands on what `put` brings, to whom the configuration says. `run` is its task."""

    def __init__(self, config: Config, record: Record, audit: Audit, *, clock: Clock) -> None:
        """`record` writes an event into the journal at once, and blocks; `audit` queues it."""
        self._config = config
        self._record = record
        self._audit = audit
        self._clock = clock
        self._board = IdentityBoard()
        self._exporter = Exporter(self._board, record, audit, clock=clock)
        self._refused: dict[tuple[int | None, str], Any] = {}
        self._server: WorkloadServer | None = None
        if config.workload_api is not None:
            # Most gateways have none, and need no HTTP/2.
            from gateway.control_plane.workload_server import WorkloadServer

            self._server = WorkloadServer(
                config.workload_api, self._board, lambda: tuple(self._tables()), self, clock=clock
            )

    async def start(self) -> None:
        """Listen for workloads. Raises `StartFailed`."""
        self._exporter.use({name: table.exports for name, table in self._tables().items()})
        if self._server is not None:
            await self._server.start()

    async def use(self, config: Config) -> None:
        """Go by another configuration; where the socket is doesn't change."""
        self._config = config
        tables = self._tables()
        self._board.keep(tables)
        self._exporter.use({name: table.exports for name, table in tables.items()})
        if self._server is not None and config.workload_api is not None:
            await self._server.use(config.workload_api)

    def put(self, name: str, generation: Generation) -> None:
        """A new generation of an identity."""
        self._board.put(name, generation)

    @property
    def exports(self) -> tuple[ExportView, ...]:
        """How it stands with each folder."""
        return self._exporter.views()

    async def run(self) -> None:
        """Write folders for ever; cancelled at the end."""
        await self._exporter.run()

    async def close(self) -> None:
        """Stop serving workloads."""
        if self._server is not None:
            await self._server.close()

    async def material(
        self, name: str, who: str, *, but: str = "", wait_s: float = 0.0
    ) -> dict[str, Any]:
        """An identity with its key, for a command that writes it to files; without the key while it
        is still the one with the digest `but`, after a wait for another one.

        Raises:
            GatewayError: there is no such identity, its key may not be given, it isn't valid, or
                the journal can't be written.
        """
        self._check_may_export(name, who)
        if but:
            try:
                async with asyncio.timeout(wait_s):
                    while self._present(name)["digest"] == but:
                        await self._board.changed(self._board.version)
            except TimeoutError:
                return {"digest": but}
            self._check_may_export(name, who)
        found = self._present(name)
        await asyncio.to_thread(
            self._record,
            "identity.handed_out",
            name=found["spiffe_id"] or found["serial"],
            reason=f"serial {found['serial']} to {who}",
        )
        return found

    def certificates(self, name: str, lists: str) -> dict[str, Any]:
        """What is public of an identity, and what it is to be held against: to be verified. `lists`
        are the revocation lists that came with it.

        Raises:
            GatewayError: there is no such identity, or no certificate of it yet.
        """
        table = self._table(name)
        generation = self._board.present(name)
        if generation is None:
            raise GatewayError(
                f"there is no certificate of the identity {name!r} yet",
                hint="'devwiz-gw identity show' tells why",
            )
        return {
            "identity": name,
            "chain": generation.chain_pem.decode(),
            "bundle": generation.bundle_pem.decode(),
            "expected_id": table.spiffe_id,
            "crl_file": str(table.crl) if table.crl else "",
            "crl": lists,
        }

    # What the Workload API tells

    async def hand_out(self, caller: WorkloadCaller, what: str) -> None:
        """See `workload_service.Listener`."""
        await asyncio.to_thread(self._record, "workload_api.fetch", name=str(caller), reason=what)
        _LOG.info("the Workload API gave %s to %s", what, caller, extra={"event": "svid_served"})

    def refused(self, caller: WorkloadCaller, why: str) -> None:
        """See `workload_service.Listener`."""
        now = self._clock.now()
        told = self._refused.get((caller.uid, caller.exe))
        if told is not None and now - told < _REFUSAL_PAUSE:
            return
        if len(self._refused) >= _MOST_REFUSED:
            self._refused.clear()
        self._refused[caller.uid, caller.exe] = now
        self._audit("workload_api.fetch", outcome="denied", name=str(caller), reason=why)
        _LOG.warning("the Workload API refused a caller: %s", why, extra={"event": "svid_refused"})

    def _tables(self) -> dict[str, IdentityConfig]:
        return identities_of(self._config)

    def _table(self, name: str) -> IdentityConfig:
        tables = self._tables()
        if name not in tables:
            raise GatewayError(
                f"there is no identity {name!r}", hint=f"there are: {', '.join(tables)}"
            )
        return tables[name]

    def _check_may_export(self, name: str, who: str) -> None:
        if not self._table(name).allow_export:
            self._audit("identity.handed_out", outcome="denied", name=name, reason=f"to {who}")
            raise GatewayError(
                f"the key of the identity {name!r} is not given to commands",
                hint="set allow_export = true in its table and reload, "
                "or let the gateway write the files: [[identity.export]]",
            )

    def _present(self, name: str) -> dict[str, Any]:
        generation = self._board.usable(name, self._clock.now())
        if generation is None:
            raise GatewayError(
                f"the identity {name!r} has no valid certificate at present",
                hint="'devwiz-gw identity show' tells why",
            )
        parts = (generation.key_pem, generation.chain_pem, generation.bundle_pem)
        key, chain, bundle = (part.decode() for part in parts)
        return {
            "identity": name,
            "spiffe_id": generation.spiffe_id,
            "serial": generation.serial,
            "not_after": generation.not_after.isoformat(),
            "digest": hashlib.sha256(b"\0".join(parts)).hexdigest(),
            "key": key,
            "chain": chain,
            "bundle": bundle,
        }
