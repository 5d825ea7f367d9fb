"""Certificates that have ended, and are renewed by a proof of their key."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs import csr, keys
from certs.issuer.folder import OpenedIssuer
from certs.issuer.refusal import Code
from certs.issuer.signing import Issued
from tests.fakes.bound_key import bound, proof, refused, renew
from tests.fakes.issuer import ManualClock, audit_lines, leaf_der, leaf_of


def serial_of(issued: Issued) -> str:
    return f"{leaf_of(issued).serial_number:x}"


def test_an_ended_certificate_is_renewed_by_its_key(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    key = keys.generate()
    held = bound(opened, clock).join(clock.now(), leaf_key=key)
    clock.pass_by(timedelta(hours=5))
    request = csr.build(keys.generate())

    def attempt(subject: str, signer: Any, request: bytes = request) -> Issued:
        challenge = opened.joins.challenge("renew", subject, clock.now())
        return opened.joins.renew_ended(
            leaf_der(held), proof(challenge, signer, request), request, peer="", now=clock.now()
        )

    own = serial_of(held)
    with refused(Code.PROOF_INVALID):
        attempt(own, keys.generate())
    with refused(Code.PROOF_INVALID):
        attempt("7f", key)
    renewed = attempt(own, key)
    assert (renewed.instance, renewed.generation) == (held.instance, held.generation + 1)
    # The same request again gets the same link; another key's is the confirmed holder's again.
    assert attempt(own, key).generation == renewed.generation
    renew(opened, clock, renewed)
    with refused(Code.GENERATION_MISMATCH):
        attempt(own, key, csr.build(keys.generate()))


def test_a_certificate_that_ended_long_ago_is_not_renewed(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    key = keys.generate()
    held = bound(opened, clock).join(clock.now(), leaf_key=key)
    clock.pass_by(timedelta(days=7, hours=1))
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("renew", serial_of(held), clock.now())
    with refused(Code.CERTIFICATE_EXPIRED):
        opened.joins.renew_ended(
            leaf_der(held), proof(challenge, key, request), request, peer="", now=clock.now()
        )


def forged_from(held: Issued, key: Any, not_after: datetime) -> bytes:
    """What the holder of an ended certificate can write down: its serial number and key, with
    another end, signed by nobody who counts.
    """
    leaf = leaf_of(held)
    return (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(key.public_key())
        .serial_number(leaf.serial_number)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(not_after)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def test_an_ended_certificate_ends_when_the_issuer_says(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    key = keys.generate()
    held = bound(opened, clock).join(clock.now(), leaf_key=key)
    clock.pass_by(timedelta(days=7, hours=1))
    request = csr.build(keys.generate())
    challenge = opened.joins.challenge("renew", serial_of(held), clock.now())
    forged = forged_from(held, key, clock.now() + timedelta(days=1))
    with refused(Code.CERTIFICATE_EXPIRED):
        opened.joins.renew_ended(
            forged, proof(challenge, key, request), request, peer="", now=clock.now()
        )


def test_a_certificate_on_a_key_that_cant_be_read_is_not_known(
    opened: OpenedIssuer, clock: ManualClock
) -> None:
    der = leaf_der(bound(opened, clock).join(clock.now()))
    ec_public_key = bytes.fromhex("06072a8648ce3d0201")
    assert ec_public_key in der
    spoilt = der.replace(ec_public_key, ec_public_key[:-1] + b"\x07")
    with refused(Code.CERTIFICATE_UNKNOWN):
        opened.joins.renew_ended(spoilt, "a.b.c", b"", peer="", now=clock.now())


def with_long_serial(der: bytes, serial: int) -> bytes:
    """A certificate whose serial number takes 5,000 bytes, where RFC 5280 §4.1.2.2 allows 20."""

    def sized(tag: int, content: bytes) -> bytes:
        return bytes([tag, 0x82]) + len(content).to_bytes(2, "big") + content

    short = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    field = bytes([2, len(short)]) + short
    # The outer SEQUENCE and the one to be signed have lengths of two bytes each.
    length = int.from_bytes(der[6:8], "big")
    body, signed = der[8 : 8 + length], der[8 + length :]
    return sized(0x30, sized(0x30, body.replace(field, sized(2, b"\x7f" * 5_000), 1)) + signed)


def test_a_serial_number_without_end_doesnt_fill_the_audit_file(
    opened: OpenedIssuer, clock: ManualClock, folder: Path
) -> None:
    leaf = leaf_of(bound(opened, clock).join(clock.now()))
    spoilt = with_long_serial(leaf.public_bytes(serialization.Encoding.DER), leaf.serial_number)
    assert x509.load_der_x509_certificate(spoilt).serial_number.bit_length() > 39_000
    with refused(Code.CERTIFICATE_UNKNOWN):
        opened.joins.renew_ended(spoilt, "a.b.c", b"", peer="", now=clock.now())
    assert audit_lines(folder)[-1]["serial"] == "7f" * 20
