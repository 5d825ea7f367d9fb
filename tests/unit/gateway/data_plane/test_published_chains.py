"""The chains of x509-limbo, shown by a server in a real handshake in memory."""

from __future__ import annotations

import base64
import socket
from datetime import datetime
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from OpenSSL import SSL

from certs.errors import PeerRejected
from gateway.data_plane.judge import Judge
from gateway.data_plane.stream import TlsStream
from gateway.data_plane.tls import client_context, handshake_problem, verified_peer
from gateway.ipc.snapshot import TlsSpec
from tests.data.published import load
from tests.fakes.routes import route_spec

CASES: Final[dict[str, dict[str, Any]]] = {case["id"]: case for case in load("x509_limbo")}

#: Refused in the suite, accepted here: extensions that RFC 5280 asks of who issues, and that leave
#: no doubt about who the server is.
TOLERATED: Final = frozenset(
    {
        "crl::crlnumber-missing",
        "rfc5280::aki::cross-signed-root-missing-aki",
        "rfc5280::aki::intermediate-missing-aki",
        "rfc5280::aki::leaf-missing-aki",
        "rfc5280::ca-empty-subject",
        "rfc5280::nc::invalid-dnsname-leading-period",
        "rfc5280::nc::nc-permits-invalid-dns-san",
        "rfc5280::nc::not-allowed-in-ee-critical",
        "rfc5280::nc::not-allowed-in-ee-noncritical",
        "rfc5280::nc::permitted-dns-match-noncritical",
        "rfc5280::pc::ica-noncritical-pc",
        "rfc5280::root-missing-basic-constraints",
        "rfc5280::root-non-critical-basic-constraints",
        "rfc5280::san::noncritical-with-empty-subject",
        "rfc5280::san::underscore-dns",
        "rfc5280::serial::too-long",
        "rfc5280::serial::zero",
        "rfc5280::ski::intermediate-missing-ski",
        "rfc5280::ski::root-missing-ski",
        "webpki::forbidden-dsa-root",
        "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
        "webpki::forbidden-rsa-not-divisible-by-8-in-root",
        "webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences",
        "webpki::nc::intermediate-permitted-excluded-subtrees-both-null",
        "webpki::san::public-suffix-multi-label-wildcard-san",
        "webpki::san::public-suffix-private-namespace-wildcard-san",
        "webpki::san::san-critical-with-nonempty-subject",
    }
)
#: A bound that the suite sets and the gateway has no setting for.
UNBOUNDED: Final = frozenset(
    {"pathlen::max-chain-depth-0-exhausted", "pathlen::max-chain-depth-1-exhausted"}
)
#: Accepted in the suite, refused here: a signer as a leaf, no name to check, a second path.
REFUSED: Final = frozenset(
    {
        "pathlen::validation-ignores-pathlen-in-leaf",
        "rfc5280::ca-as-leaf",
        "rfc5280::nc::nc-forbids-alternate-chain-ica",
        "rfc5280::nc::nc-forbids-same-chain-ica",
        "rfc5280::nc::permitted-dn-match",
    }
)


# A serial number of zero is one of the cases.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("name", CASES)
def test_a_chain_is_judged_as_the_suite_does(name: str) -> None:
    case = CASES[name]
    expected = case["valid"] or name in TOLERATED | UNBOUNDED
    if name in REFUSED:
        expected = False
    problem = _problem(case)
    assert (problem == "") is expected, problem


def test_each_other_answer_is_one_of_a_case() -> None:
    assert CASES.keys() >= TOLERATED | UNBOUNDED | REFUSED
    assert not any(CASES[name]["valid"] for name in TOLERATED | UNBOUNDED)
    assert all(CASES[name]["valid"] for name in REFUSED)


def _problem(case: dict[str, Any]) -> str:
    """Why the client doesn't go on, or ""."""
    peers = (case["name"],) if case["name"] else ()
    spec = TlsSpec(
        server_name="",
        peers=peers,
        bundle_pem="".join(_pem(it, "CERTIFICATE") for it in case["roots"]),
        crl_pem="".join(_pem(it, "X509 CRL") for it in case.get("crls", ())),
    )
    context = client_context(None, spec)
    store = context.get_cert_store()
    assert store is not None
    if case["time"]:
        store.set_time(datetime.fromisoformat(case["time"]))
    client, server = SSL.Connection(context), SSL.Connection(_server(case))
    client.set_connect_state()
    server.set_accept_state()
    try:
        _shake(client, server)
    except SSL.Error as error:
        return handshake_problem(client, error)
    problem = _name_problem(client, peers)
    # A connection that stands is judged again when trust changes, and no other way.
    with socket.socket() as sock:
        objection = Judge(route_spec(tls=spec)).objection(TlsStream(sock, client))
    assert (objection.why if objection else "") == problem
    return problem


def _name_problem(client: SSL.Connection, peers: tuple[str, ...]) -> str:
    try:
        verified_peer(client, peers)
    except PeerRejected as rejected:
        return str(rejected)
    return ""


def _shake(client: SSL.Connection, server: SSL.Connection) -> None:
    for _ in range(2):
        for one, other in ((client, server), (server, client)):
            try:
                one.do_handshake()
            except SSL.WantReadError:
                pass
            try:
                other.bio_write(one.bio_read(1 << 20))
            except SSL.WantReadError:
                pass
    client.do_handshake()  # raises if it isn't done


def _server(case: dict[str, Any]) -> SSL.Context:
    """Shows the chain, whatever it is of."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    leaf, *others = (x509.load_der_x509_certificate(_der(it)) for it in case["chain"])
    context.use_certificate(leaf)
    context.use_privatekey(load_der_private_key(_der(case["key"]), None))  # type: ignore[arg-type]
    for certificate in others:
        context.add_extra_chain_cert(certificate)
    return context


def _der(text: str) -> bytes:
    return base64.b64decode(text)


def _pem(text: str, kind: str) -> str:
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"
