"""The SPIFFE Workload API as one caller sees it: what its user and program entitle it to.

Of the standard's profiles X.509-SVIDs are served. JWT-SVIDs are not: no source gives the gateway
an authority for them, so that their methods end as those of a profile that an operator has disabled
(SPIFFE Workload API §1; Workload Endpoint §6).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from certs.generation import Generation
from certs.workload_answers import ServedSvid, der_of, x509_bundles, x509_svids
from gateway.config.model import WorkloadApiConfig
from gateway.control_plane.grpc_message import CallFailed, Code
from gateway.control_plane.identity_board import IdentityBoard
from identity.fault import Fault
from identity.spiffe import SpiffeId

_LOG: Final = logging.getLogger(__name__)
_PREFIX: Final = "/SpiffeWorkloadAPI/"
#: Workload Endpoint §3: what a request that somebody was tricked into can't have.
_SECURITY_HEADER: Final = "workload.spiffe.io"
_OF_JWT: Final = frozenset({"FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadCaller:
    """Who is on the other end, as the kernel told; `uid` None and `exe` "" where it didn't."""

    uid: int | None
    pid: int = 0
    exe: str = ""

    def __str__(self) -> str:
        who = "an unknown user" if self.uid is None else f"uid:{self.uid}"
        return (
            who + (f" pid:{self.pid}" if self.pid else "") + (f" exe:{self.exe}" * bool(self.exe))
        )


class Listener(Protocol):
    """Told of what is handed out, and of who is refused."""

    async def hand_out(self, caller: WorkloadCaller, what: str) -> None:
        """A caller is about to be sent private keys. Raises `Fault` where it must not be."""
        ...

    def refused(self, caller: WorkloadCaller, why: str) -> None:
        """No rule is for a caller."""
        ...


def entitled(
    api: WorkloadApiConfig, caller: WorkloadCaller, identities: tuple[str, ...], *, own_uid: int
) -> tuple[str, ...]:
    """The names of the identities that a caller may have, the default one first."""
    if caller.uid is None:
        return ()
    if not api.allow:
        return identities if caller.uid == own_uid else ()
    given: set[str] = set()
    for rule in api.allow:
        if rule.uid == caller.uid and rule.exe in ("", caller.exe):
            given.update(rule.identities or identities)
    return tuple(name for name in identities if name in given)


class WorkloadService:
    """Answers the calls of one connection.

    Args:
        granted: the names of the identities that the caller may have at this moment.
    """

    def __init__(
        self,
        caller: WorkloadCaller,
        granted: Callable[[], tuple[str, ...]],
        board: IdentityBoard,
        listener: Listener,
        now: Callable[[], datetime],
    ) -> None:
        self._caller = caller
        self._granted = granted
        self._board = board
        self._listener = listener
        self._now = now

    def answers(self, path: str, metadata: Mapping[str, str]) -> AsyncGenerator[bytes, None]:
        """See `grpc_connection.Service.answers`."""
        if metadata.get(_SECURITY_HEADER) != "true":
            raise CallFailed(
                Code.INVALID_ARGUMENT, f"the metadata {_SECURITY_HEADER}: true is missing"
            )
        method = path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else ""
        if method == "FetchX509SVID":
            return self._svids()
        if method == "FetchX509Bundles":
            return self._bundles()
        if method in _OF_JWT:
            raise CallFailed(Code.UNIMPLEMENTED, "JWT-SVIDs are not served here")
        raise CallFailed(Code.UNIMPLEMENTED, "there is no such method")

    async def _svids(self) -> AsyncGenerator[bytes, None]:
        sent: list[ServedSvid] = []
        while True:
            version = self._board.version
            held = self._held(is_open=bool(sent))
            svids = [_svid(name, generation) for name, generation in held.items()]
            if svids != sent:
                told = ", ".join(f"{item.spiffe_id} serial {item.serial}" for item in held.values())
                await self._written_down(told)
                yield x509_svids(svids)
                sent = svids
            await self._board.changed(version)

    async def _written_down(self, what: str) -> None:
        try:
            await self._listener.hand_out(self._caller, what)
        except Fault as fault:
            _LOG.error("no SVID is given: %s", fault, extra={"hint": fault.hint})
            raise CallFailed(Code.UNAVAILABLE, "the audit journal can't be written") from fault

    async def _bundles(self) -> AsyncGenerator[bytes, None]:
        sent: dict[str, bytes] = {}
        while True:
            version = self._board.version
            bundles = _bundles(self._held(is_open=bool(sent)).values())
            if bundles != sent:
                yield x509_bundles(bundles)
                sent = bundles
            await self._board.changed(version)

    def _held(self, *, is_open: bool) -> dict[str, Generation]:
        """The SVIDs of this moment that the caller may have.

        Raises:
            CallFailed: there are none; to a caller that had some this says to use them no more.
        """
        names = self._granted()
        if not names:
            why = f"no identity is for {self._caller}"
            self._listener.refused(self._caller, why)
            raise CallFailed(Code.PERMISSION_DENIED, why)
        found = {name: self._board.usable(name, self._now()) for name in names}
        held = {name: item for name, item in found.items() if item is not None and item.spiffe_id}
        if held:
            return held
        if is_open or any(found.values()):
            raise CallFailed(Code.PERMISSION_DENIED, "there is no SVID any more")
        raise CallFailed(Code.UNAVAILABLE, "there is no valid certificate at present")


def _svid(name: str, generation: Generation) -> ServedSvid:
    return ServedSvid(
        spiffe_id=generation.spiffe_id,
        chain=b"".join(der_of(generation.chain_pem)),
        key=b"".join(der_of(generation.key_pem)),
        bundle=b"".join(der_of(generation.bundle_pem)),
        hint=name,
    )


def _bundles(generations: Iterable[Generation]) -> dict[str, bytes]:
    """The authorities of each trust domain, once each."""
    found: dict[str, dict[bytes, None]] = {}
    for generation in generations:
        domain = f"spiffe://{SpiffeId.parse_leaf(generation.spiffe_id).trust_domain}"
        found.setdefault(domain, {}).update(dict.fromkeys(der_of(generation.bundle_pem)))
    return {domain: b"".join(authorities) for domain, authorities in found.items()}
