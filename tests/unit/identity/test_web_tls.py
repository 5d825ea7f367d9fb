"""Which names of a server count as its host name: real handshakes in memory."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certs.tls_context import host_context
from identity.web_tls import web_context
from tests.fakes.certificates import dns, ip, uri

HOST = "tokens.example"
CONTEXTS: dict[str, Callable[[str], ssl.SSLContext]] = {
    "web": lambda pem: web_context(ca_pem=pem),
    "host": lambda pem: host_context(pem.encode()),
}


def server(common_name: str, *names: x509.GeneralName) -> tuple[ssl.SSLContext, str]:
    """A server that signed itself, and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now - timedelta(minutes=1),
        not_valid_after=now + timedelta(hours=1),
    ).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(key_id, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("wb", suffix=".pem") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.write(pem.encode())
        file.flush()
        context.load_cert_chain(Path(file.name))
    return context, pem


def shake(client_side: ssl.SSLContext, server_side: ssl.SSLContext, host: str) -> None:
    """A whole handshake; raises what the client raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client_side.wrap_bio(to_client, to_server, server_hostname=host)
    two = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert one.version() == "TLSv1.3"


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize(
    ("host", "common_name", "names"),
    [
        (HOST, "somebody", (dns(HOST),)),
        ("a." + HOST, "somebody", (dns("*." + HOST),)),
        ("127.0.0.1", "somebody", (ip("127.0.0.1"),)),
    ],
)
def test_a_name_of_the_certificate_is_the_host(
    context: Callable[[str], ssl.SSLContext],
    host: str,
    common_name: str,
    names: tuple[x509.GeneralName, ...],
) -> None:
    served, pem = server(common_name, *names)
    shake(context(pem), served, host)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize(
    ("host", "common_name", "names"),
    [
        pytest.param(HOST, HOST, (), id="nothing but a common name"),
        pytest.param(
            HOST, HOST, (uri("spiffe://acme.example/a"),), id="a common name beside a URI"
        ),
        pytest.param(HOST, HOST, (ip("127.0.0.1"),), id="a common name beside an address"),
        pytest.param("a." + HOST, "*." + HOST, (), id="a wildcard as common name"),
        pytest.param("127.0.0.1", "127.0.0.1", (), id="an address as common name"),
        pytest.param("127.0.0.1", "somebody", (dns("127.0.0.1"),), id="an address as DNS name"),
        pytest.param("ab." + HOST, "somebody", (dns("a*." + HOST),), id="a part of a label"),
        pytest.param("a.b." + HOST, "somebody", (dns("*." + HOST),), id="two labels for one"),
    ],
)
def test_nothing_else_is_the_host(
    context: Callable[[str], ssl.SSLContext],
    host: str,
    common_name: str,
    names: tuple[x509.GeneralName, ...],
) -> None:
    served, pem = server(common_name, *names)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        shake(context(pem), served, host)


def test_nothing_older_than_tls_1_2() -> None:
    assert web_context().minimum_version is ssl.TLSVersion.TLSv1_2
