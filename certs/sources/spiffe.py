"""The identity source for the SPIFFE Workload API, as SPIRE's agent, Teleport's `tbot` and Istio
serve it.

The agent makes key and certificate and pushes them when they change; each message is the whole
state. A message without our SVID means that it was taken away.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs import keys
from certs.bundle import TrustBundle
from certs.clock import Clock, SystemClock
from certs.errors import (
    CertsError,
    IdentityWithdrawn,
    InvalidCertificate,
    NothingGranted,
    ReplyRejected,
    SourceDenied,
    SourceUnavailable,
)
from certs.generation import Generation
from certs.sources.base import Identity
from certs.sources.grpc_stream import GrpcStream
from certs.sources.workload_messages import WorkloadSvid, read_svids, split_der
from certs.verify import verify_identity
from identity.endpoint import Endpoint
from identity.errors import InvalidSpiffeId
from identity.spiffe import SpiffeId

_LOG: Final = logging.getLogger(__name__)
_PATH: Final = "/SpiffeWorkloadAPI/FetchX509SVID"
# Without it the server must refuse, so that no browser can be made to ask (Workload Endpoint §6.1).
_METADATA: Final = {"workload.spiffe.io": "true"}
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 30.0

_State = tuple[WorkloadSvid, ...]


class SpiffeSource:
    """An `IdentitySource` over a Workload API.

    Args:
        endpoint: where it is.
        spiffe_id: which of the SVIDs is taken, and the only name that is accepted.
        hint: the same by the SVID's hint. With neither, it is the first one, the default.
        clock: this machine's, when None.
        step_timeout_s: deadline of connecting and of the first message.
    """

    name = "spiffe"
    clock_skew_s = None

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        spiffe_id: str = "",
        hint: str = "",
        clock: Clock | None = None,
        step_timeout_s: float = 10.0,
    ) -> None:
        self._endpoint = endpoint
        self._spiffe_id = str(SpiffeId.parse_leaf(spiffe_id)) if spiffe_id else ""
        self._hint = hint
        self._clock = clock or SystemClock()
        self._step_timeout_s = step_timeout_s
        self._stream: GrpcStream | None = None
        self._state: _State | None = None
        self._has_news = False

    def __repr__(self) -> str:
        return f"SpiffeSource({self._endpoint})"

    async def obtain(self, current: Generation | None) -> Identity:  # noqa: ARG002 - the protocol's
        """See `IdentitySource.obtain`. An agent that has nothing newer gives the same again.

        Raises:
            IdentityWithdrawn: the agent has taken the SVID away.
        """
        state = self._state if self._has_news else None
        self._has_news = False
        if state is None:
            await self.close()
            self._state = state = await self._first_state()
        return self._identity(self._chosen(state))

    async def changed(self) -> None:
        """Return when the agent has pushed another state than the last one. An agent that went away
        is looked for again meanwhile.

        Raises:
            SourceDenied: it isn't a Workload API.
        """
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                if self._stream is None:
                    state = await self._first_state()
                else:
                    state = await self._next_state(self._stream)
            except SourceDenied:
                await self.close()
                raise
            except CertsError as error:
                _LOG.debug("the Workload API's stream ended: %s", error)
                await self.close()
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            if state != self._state:
                self._state, self._has_news = state, True
                return

    async def close(self) -> None:
        """Cut the stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    async def _next_state(self, stream: GrpcStream) -> _State:
        """What a stream that gave a state gives next. Its end by `permission denied` takes all
        SVIDs away (SPIFFE Workload API §5.2.1); at the beginning of a stream it doesn't, as an
        agent that just started says so, too.
        """
        try:
            return read_svids(await stream.message())
        except NothingGranted:
            await self.close()
            return ()

    async def _first_state(self) -> _State:
        """What a new stream gives first. One that gives nothing is no stream that ends later."""
        stream = await GrpcStream.call(
            self._endpoint, _PATH, metadata=_METADATA, timeout_s=self._step_timeout_s
        )
        try:
            async with asyncio.timeout(self._step_timeout_s):
                state = read_svids(await stream.message())
        except TimeoutError as error:
            await stream.close()
            raise SourceUnavailable(
                f"fetch: {self._endpoint} didn't answer in {self._step_timeout_s:g} s"
            ) from error
        except BaseException:
            await stream.close()
            raise
        self._stream = stream
        return state

    def _chosen(self, state: _State) -> WorkloadSvid:
        for svid in state:
            if self._hint and svid.hint != self._hint:
                continue
            if self._spiffe_id and svid.spiffe_id != self._spiffe_id:
                continue
            return svid
        wanted = " ".join(
            [f"for {self._spiffe_id}"] * bool(self._spiffe_id)
            + [f"with the hint {self._hint!r}"] * bool(self._hint)
        )
        given = ", ".join(repr(svid.spiffe_id[:128]) for svid in state[:4]) or "none at all"
        raise IdentityWithdrawn(
            f"fetch: the agent gives no SVID {wanted}".rstrip(),
            hint=f"it gives {given}; has this workload an entry at the agent's server?",
        )

    def _identity(self, svid: WorkloadSvid) -> Identity:
        try:
            key = _key(svid.key)
            spiffe_id = SpiffeId.parse_leaf(svid.spiffe_id)
            identity = verify_identity(
                key=key,
                chain_pem=_pem(svid.chain),
                bundle_pem=TrustBundle.from_pem(_pem(svid.bundle)).to_pem(),
                spiffe_id=spiffe_id,
                trust_domain=spiffe_id.trust_domain,
                now=self._clock.now(),
                # Its life is for the agent's server to choose.
                min_life=timedelta(0),
                max_life=timedelta.max,
            )
        except InvalidSpiffeId as error:
            raise ReplyRejected(f"fetch: an SVID's name: {error}", hint=error.hint) from error
        except (ReplyRejected, InvalidCertificate) as error:
            text = str(error).removeprefix("fetch: ")
            raise ReplyRejected(f"fetch: {text}", hint=error.hint) from error
        # The agent pushes the successor; it is asked for only when that is late.
        return replace(identity, renew_after=identity.not_after)


def _key(der: bytes) -> keys.PrivateKey:
    try:
        key = serialization.load_der_private_key(der, password=None)
    except Exception:  # noqa: BLE001 - the parser raises several undocumented kinds
        # The library's text is not passed on: nothing of a key may reach a message.
        raise ReplyRejected("fetch: the SVID's key is not readable") from None
    if not isinstance(key, keys.PrivateKey):
        raise ReplyRejected("fetch: the SVID's key is of a kind that is not used here")
    return key


def _pem(certificates: bytes) -> bytes:
    try:
        return b"".join(
            x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
            for der in split_der(certificates)
        )
    except (ValueError, x509.InvalidVersion) as error:
        raise ReplyRejected("fetch: a certificate is not readable") from error
