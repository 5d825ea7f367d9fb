"""Revocation lists: what is taken in, and until when they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs.errors import InvalidCertificate
from certs.revocation import ends_at, gap, read_lists
from tests.fakes.authority import Authority

HOUR = timedelta(hours=1)
ONE, TWO = Authority("one"), Authority("two")


def lists(*texts: str) -> tuple[x509.CertificateRevocationList, ...]:
    return read_lists("".join(texts).encode())


def test_several_lists_with_text_between_them() -> None:
    text = "# of one\n" + ONE.crl(7) + "\n# of two\n" + TWO.crl()
    first, second = read_lists(text.encode())
    assert first.get_revoked_certificate_by_serial_number(7) is not None
    assert len(second) == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no revocation list in PEM"),
        (b"\n# nothing yet\n", "no revocation list in PEM"),
        (ONE.pem.encode(), "no revocation list in PEM"),
        (ONE.crl().encode()[:-20], "cut off"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "not readable"),
    ],
)
def test_refuses(text: bytes, why: str) -> None:
    with pytest.raises(InvalidCertificate, match=why):
        read_lists(text)


def test_a_list_in_der_is_refused_with_the_way_to_turn_it() -> None:
    der = x509.load_pem_x509_crl(ONE.crl().encode()).public_bytes(Encoding.DER)
    with pytest.raises(InvalidCertificate) as caught:
        read_lists(der)
    assert "openssl crl -inform der" in caught.value.hint


def test_a_list_holds_from_its_start_to_its_end() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    (only,) = found = lists(ONE.crl(starts=-HOUR, ends=HOUR))
    assert ends_at(found) == only.next_update_utc
    assert gap(found, now) == ""
    assert gap(found, only.last_update_utc) == ""
    before = gap(found, only.last_update_utc - timedelta(seconds=1))
    assert before == (
        f"the revocation list of CN=one is not valid before {only.last_update_utc.isoformat()}"
    )
    end = only.next_update_utc
    assert end is not None
    assert gap(found, end - timedelta(seconds=1)) == ""
    assert gap(found, end) == f"the revocation list of CN=one has expired at {end.isoformat()}"


def test_a_newer_list_makes_up_for_an_old_one_of_the_same_authority_only() -> None:
    now = datetime.now(UTC)
    old, new = ONE.crl(starts=-2 * HOUR, ends=-HOUR), ONE.crl(ends=2 * HOUR)
    for found in (lists(old, new), lists(new, old)):
        assert gap(found, now) == ""
        end = ends_at(found)
        assert end is not None
        assert end > now
    assert "CN=one" in gap(lists(old, TWO.crl()), now)


def test_without_lists_nothing_ever_ends() -> None:
    assert ends_at(()) is None
    assert gap((), datetime.now(UTC)) == ""
