"""Certificates that a hostile or broken issuer might answer with; none may ever be used."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import keys
from tests.fakes.certificates import AGENT, Leaf, Signer, root, to_pem, uri

_OTHER = "spiffe://acme.example/agent/other"


def good(now: datetime) -> Leaf:
    """The leaf that an honest issuer gives for `AGENT`."""
    return Leaf(not_before=now - timedelta(seconds=60), not_after=now + timedelta(hours=1))


def hostile_chains(
    signer: Signer, key: keys.PrivateKey, now: datetime
) -> Iterator[tuple[str, bytes]]:
    """A name, and a chain that claims to be the answer to a request with `key` for `AGENT`."""
    start, end = now - timedelta(seconds=60), now + timedelta(hours=1)
    spoilt = {
        "another name": Leaf(names=[uri(_OTHER)], not_before=start, not_after=end),
        "a second name": Leaf(names=[uri(AGENT), uri(_OTHER)], not_before=start, not_after=end),
        "no name": Leaf(names=None, not_before=start, not_after=end),
        "an authority": Leaf(is_ca=True, not_before=start, not_after=end),
        "no client use": Leaf(
            purposes=[ExtendedKeyUsageOID.SERVER_AUTH], not_before=start, not_after=end
        ),
        "ten years": Leaf(not_before=start, not_after=now + timedelta(days=3650)),
        "one second": Leaf(not_before=start, not_after=now + timedelta(seconds=1)),
        "the past": Leaf(not_before=start - timedelta(hours=2), not_after=start),
        "the future": Leaf(not_before=now + timedelta(minutes=10), not_after=end),
    }
    for name, leaf in spoilt.items():
        yield name, signer.chain_of(signer.leaf(key, leaf))
    honest = good(now)
    yield "another key", signer.chain_of(signer.leaf(keys.generate(), honest))
    stranger = root("stranger", start=now - timedelta(days=1))
    yield "a foreign chain", stranger.chain_of(stranger.leaf(key, honest))
    yield "a huge chain", to_pem(*([signer.leaf(key, honest)] * 40))
    yield "no certificate", b"hello"


def chain_of(name: str, signer: Signer, key: Any, now: datetime) -> bytes:
    """An entry of the corpus, or for "" what an honest one answers."""
    if not name:
        return signer.chain_of(signer.leaf(key, good(now)))
    return dict(hostile_chains(signer, key, now))[name]
