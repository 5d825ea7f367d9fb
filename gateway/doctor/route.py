"""The ladder of one route: each rung is tried if the one below holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from certs import clock_skew
from gateway.config.callers import asks_for_token
from gateway.config.identities import identity_of
from gateway.config.model import Route
from gateway.control_plane.snapshots import Attached
from gateway.data_plane.failure import Failure, explanation
from gateway.data_plane.tls import Material, load_material
from gateway.doctor import answers, callers, protocols, reach, tls, tunnels
from gateway.doctor.case import Held, Known, Means
from gateway.doctor.finding import Finding, skipped
from gateway.doctor.link import Trust
from gateway.doctor.message import Ask, Missed, Reply, Request, head_only
from gateway.doctor.ways import ByHand, ThroughGateway, listening
from gateway.errors import GatewayError
from gateway.ipc.snapshot import IdentitySpec, TlsSpec

_AFTER_TCP: Final = ("tls", "accepted", "http", "protocol")
#: What the gateway says of its caller, before anything of the upstream is tried.
_OF_CALLER: Final = frozenset({"caller_denied", "unknown_host", "foreign_origin"})
#: What says that our certificate was not accepted, or may not have been.
_OF_CERTIFICATE: Final = frozenset(
    {"certificate_refused", "upstream_closed", "no_identity", "identity_expired"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """What was found, and by how much our clock is ahead of the upstream's, if it told."""

    findings: list[Finding]
    skew_s: float | None = None


async def climb(route: Route, known: Known, means: Means, tell: Callable[[str], None]) -> Climbed:
    """All rungs of a route. `tell` hears what is being tried."""
    ladder = _Ladder(route, known, means, tell)
    await ladder.go_up()
    return Climbed(findings=ladder.findings, skew_s=ladder.skew_s)


class _Ladder:
    def __init__(
        self, route: Route, known: Known, means: Means, tell: Callable[[str], None]
    ) -> None:
        self.findings: list[Finding] = []
        self.skew_s: float | None = None
        self._route = route
        self._name = route.name
        self._known = known
        self._means = means
        self._tell = tell
        self._held = known.held.get(identity_of(route, known.config), Held())

    async def go_up(self) -> None:
        addresses = await self._reach()
        if not addresses:
            return
        if self._route.kind == "ingress":
            self._skip("its agent is spoken to in plaintext", "tls", "accepted")
            await self._speak(self._by_hand(addresses[0], None, Attached()))
            return
        self._tell(f"{self._name}: tls")
        try:
            trust = Trust(spec=await asyncio.to_thread(self._spec))
        except GatewayError as error:
            self.findings.append(
                Finding(
                    rung="tls",
                    about=self._name,
                    result="fail",
                    detail=str(error),
                    remedy=error.hint,
                    reason="route_unavailable",
                )
            )
            self._skip("no trust is set up", "accepted", "http", "protocol")
            return
        if not trust.spec.bundle_pem:
            self._skip(f"there is nothing to check the server by: {self._held.why_not}", "tls")
            self._skip("tls was not tried", "accepted", "http", "protocol")
            return
        finding, reached = await tls.handshakes(
            addresses, trust, about=self._name, deadline_s=self._means.deadline_s
        )
        self.findings.append(finding)
        if reached is None:
            self._skip("tls failed", "accepted", "http", "protocol")
            return
        await self._prove(reached, trust)

    async def _reach(self) -> list[reach.Address]:
        route, deadline_s = self._route, self._means.deadline_s
        self._tell(f"{self._name}: dns")
        finding, addresses = await reach.resolve(
            route.targets, about=self._name, lookup=self._means.lookup, deadline_s=deadline_s
        )
        self.findings.append(finding)
        if not addresses:
            self._skip("dns failed", "tcp", *_AFTER_TCP)
            return []
        self._tell(f"{self._name}: tcp")
        finding, good = await reach.open_ports(addresses, about=self._name, deadline_s=deadline_s)
        self.findings.append(finding)
        if not good:
            self._skip("tcp failed", *_AFTER_TCP)
        return good

    async def _prove(self, reached: tls.Reached, trust: Trust) -> None:
        """Whether our certificate is accepted: by the running gateway's own requests, or by one of
        ours where the identity is at hand.
        """
        self._tell(f"{self._name}: accepted")
        if self._known.status is not None:
            await self._prove_through_gateway(reached)
            return
        if not self._held.key_pem:
            why = self._held.why_not or "there is no certificate to show"
            self._skip(why, "accepted", "http", "protocol")
            return
        own = Trust(spec=trust.spec, material=_material(self._held))
        attached = self._known.attached.get(self._name, Attached())
        if self._route.kind == "tcp" or attached.unavailable:
            self.findings.append(
                await tls.verdict(reached, own, about=self._name, deadline_s=self._means.deadline_s)
            )
            if self._route.kind == "tcp":
                self._skip("the route carries bytes as they are", "http", "protocol")
            else:
                self._missed(Failure("route_unavailable", attached.unavailable), "http")
                self._skip("http failed", "protocol")
            return
        await self._speak(self._by_hand(reached.address, own, attached), reached)

    async def _prove_through_gateway(self, reached: tls.Reached) -> None:
        listeners = listening(self._known.route_status(self._name))
        if not listeners:
            why = "the running gateway has no such route: devwiz-gw reload"
            self._skip(why, "accepted", "http", "protocol")
            return
        if self._route.kind == "tcp":
            self.findings.append(await tunnels.examine(self._name, self._known, reached))
            self._skip("the route carries bytes as they are", "http", "protocol")
            return
        way = ThroughGateway(
            listeners=listeners, token=await self._token(), deadline_s=self._means.deadline_s
        )
        await self._speak(way, reached)

    async def _speak(self, ask: Ask, reached: tls.Reached | None = None) -> None:
        """HTTP, which with TLS 1.3 is also the first moment at which a refused certificate shows
        (RFC 8446 section 2), and then the agents' protocols.
        """
        self._tell(f"{self._name}: http")
        sent = self._means.now()
        try:
            reply = await ask(Request(method="GET", path="/", enough=head_only))
        except Missed as missed:
            self._note_miss(missed.failure, reached)
            return
        if reached is not None:
            self._accepted(reached, f"answered {reply.status} to a request that came after it")
        self.skew_s = _skew(reply, sent, self._means.now())
        finding = answers.judge(reply, about=self._name, attaches=bool(self._route.headers))
        self.findings.append(finding)
        self._tell(f"{self._name}: protocol")
        upstream = protocols.Upstream(self._name, ask, self._means.path, self._origins())
        self.findings += await protocols.probe(upstream)

    def _note_miss(self, failure: Failure, reached: tls.Reached | None) -> None:
        if failure.reason in _OF_CALLER:
            told = explanation(failure.reason)
            if failure.reason == "caller_denied":
                self.findings.append(callers.refused(self._route, failure.detail))
            self._skip(f"{told.title}: {failure.detail}; {told.remedy}", "accepted", "http")
        elif reached is None:
            self._missed(failure, "http")
        elif failure.reason in _OF_CERTIFICATE:
            self._missed(failure, "accepted")
            self._skip("the certificate was not accepted", "http")
        elif failure.reason in {"bad_response", "response_timeout"}:
            self._accepted(reached, "didn't refuse it")
            self._missed(failure, "http")
        else:
            self._skip("no request got through", "accepted")
            self._missed(failure, "http")
        self._skip("http was not answered", "protocol")

    def _accepted(self, reached: tls.Reached, how: str) -> None:
        self.findings.append(tls.accepted(reached.handshake, about=self._name, how=how))

    # What is needed on the way

    def _spec(self) -> TlsSpec:
        route = self._route
        bundle, crl = self._held.bundle_pem, self._held.crl_pem
        if route.trust_bundle is not None:
            bundle, crl = _read(route.trust_bundle), b""
        if route.crl is not None:
            crl = _read(route.crl)
        return TlsSpec(
            server_name=route.server_name,
            peers=tuple(str(peer) for peer in route.peer),
            bundle_pem=bundle.decode("ascii", "replace"),
            crl_pem=crl.decode("ascii", "replace"),
            alpn=route.alpn,
        )

    async def _token(self) -> str:
        """A local token, where the route lets nobody in without one."""
        if not asks_for_token(self._route.allow):
            return ""
        for secret in dict.fromkeys(rule.token_secret for rule in self._route.allow):
            if token := await self._means.local_token(secret):
                return token
        return ""

    def _by_hand(self, address: reach.Address, trust: Trust | None, attached: Attached) -> ByHand:
        return ByHand(
            address=address,
            authority=self._route.upstream_authority,
            headers=attached.headers,
            trust=trust,
            deadline_s=self._means.deadline_s,
        )

    def _origins(self) -> frozenset[str]:
        """Where a card may lead: to the listeners, or where the gateway isn't asked, to the
        upstream, if the gateway maps its origin to theirs.
        """
        listed = self._known.route_status(self._name).get("listener_urls")
        urls = listed if isinstance(listed, list) else []
        own = [url.replace("127.0.0.1", "localhost") for url in urls]
        is_asked = self._known.status is not None and self._route.kind == "http"
        if is_asked or self._route.agent_card == "keep":
            return frozenset([*urls, *own])
        return frozenset([self._route.upstream_url, *urls, *own])

    def _missed(self, failure: Failure, rung: str) -> None:
        self.findings.append(answers.missed(failure, about=self._name, rung=rung))

    def _skip(self, why: str, *rungs: str) -> None:
        self.findings += [skipped(rung, why, about=self._name) for rung in rungs]


def _material(held: Held) -> Material:
    return load_material(
        IdentitySpec(
            generation=1,
            key_pem=held.key_pem.decode(),
            chain_pem=held.chain_pem.decode(),
            spiffe_id="",
            not_after=0.0,
        )
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise GatewayError(f"{path} can't be read: {reason}", hint="mend the path") from error


def _skew(reply: Reply, sent: datetime, received: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(reply.headers.get("date", ""))
        return clock_skew.ahead_s(date, sent=sent, received=received) if date.tzinfo else None
    except (ValueError, IndexError, OverflowError):
        return None
