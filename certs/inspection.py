"""An identity looked at in all respects, for a person who wants to know what is wrong with it: each
check by name, with what was found and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm

from certs import keys
from certs.bundle import TrustBundle
from certs.errors import InvalidCertificate, ReplyRejected
from certs.names import extensions_of, uri_names
from certs.revocation import RevocationLists, gap, read_lists
from certs.svid import Chain, LeafFacts, client_certificate, x509_svid
from certs.verify import check_chain

if TYPE_CHECKING:
    from cryptography import x509

#: The part of a life after which a certificate should have been renewed long ago.
_LATE: Final = 0.8
_OF_CHAIN: Final = ("profile", "name", "validity", "key", "chain", "revocation")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: what was found, and for a failure what to do. What can't be checked is skipped."""

    check: str
    result: Literal["pass", "fail", "skipped"]
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Material:
    """What is looked at, PEM; None for what isn't there. `spiffe_id` is the name that is expected,
    "" for any.
    """

    chain_pem: bytes
    bundle_pem: bytes | None = None
    key_pem: bytes | None = None
    crl_pem: bytes | None = None
    spiffe_id: str = ""


def inspect(material: Material, *, now: datetime) -> list[Finding]:
    """All checks, in the order in which they are worth reading."""
    findings: list[Finding] = []
    chain = _read(
        findings, "certificate", lambda: Chain.from_pem(material.chain_pem), _describe_chain
    )
    bundle_pem = material.bundle_pem
    bundle = None
    if bundle_pem is not None:
        bundle = _read(
            findings, "trust bundle", lambda: _bundle(bundle_pem), lambda it: _describe(it, now)
        )
    if chain is None:
        findings += [_skipped(check, "there is no readable certificate") for check in _OF_CHAIN]
        return findings
    _judge_leaf(findings, chain.leaf, material, now)
    if bundle is None:
        findings += [_skipped(check, "it takes a trust bundle") for check in _OF_CHAIN[-2:]]
        return findings
    _check(findings, "chain", lambda: _leads(chain, bundle, now))
    crl_pem = material.crl_pem
    if crl_pem is None:
        findings.append(_skipped("revocation", "no revocation list was given"))
    else:
        _check(findings, "revocation", lambda: _is_on_none(chain, bundle, crl_pem, now))
    return findings


def _judge_leaf(
    findings: list[Finding], leaf: x509.Certificate, material: Material, now: datetime
) -> None:
    facts = _read(findings, "profile", lambda: _profile(leaf), _describe_facts)
    if material.spiffe_id and facts is not None:
        _check(findings, "name", lambda: _is_for(facts, material.spiffe_id))
    _check(findings, "validity", lambda: _is_valid(leaf, now))
    key_pem = material.key_pem
    if key_pem is None:
        findings.append(_skipped("key", "no private key was given"))
    else:
        _check(findings, "key", lambda: _fits(key_pem, leaf))


# One check each: what was found, or `InvalidCertificate`


def _describe_chain(chain: Chain) -> str:
    above = [item.subject.rfc4514_string() for item in chain.intermediates]
    serial = f"serial {chain.leaf.serial_number:x}"
    return f"{serial}, with {', '.join(above)}" if above else f"{serial}, without intermediates"


def _profile(leaf: x509.Certificate) -> LeafFacts:
    uris = uri_names(extensions_of(leaf))
    is_svid = any(uri.lower().startswith("spiffe:") for uri in uris)
    return x509_svid(leaf) if is_svid else client_certificate(leaf)


def _describe_facts(facts: LeafFacts) -> str:
    if facts.spiffe_id is None:
        return "a TLS client certificate without a SPIFFE id"
    return f"an X509-SVID for {facts.spiffe_id}"


def _is_for(facts: LeafFacts, expected: str) -> str:
    found = str(facts.spiffe_id or "no SPIFFE id")
    if found != expected:
        raise InvalidCertificate(
            f"it is for {found}, and {expected} is expected",
            hint="was another workload's certificate put there? else correct the expected name",
        )
    return found


def _is_valid(leaf: x509.Certificate, now: datetime) -> str:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now < begin:
        raise InvalidCertificate(
            f"it is valid only from {_moment(begin)}, in {_span(begin - now)}",
            hint="this machine's clock is slow or the issuer's is fast: set them by NTP",
        )
    if now >= end:
        raise InvalidCertificate(
            f"it expired at {_moment(end)}, {_span(now - end)} ago",
            hint="renew it; 'devwiz-gw identity show' tells why the gateway couldn't",
        )
    used = (now - begin) / (end - begin)
    late = "; that is late for a renewal: is the issuer away?" if used > _LATE else ""
    return f"until {_moment(end)}, in {_span(end - now)}, {used:.0%} of its life used{late}"


def _fits(key_pem: bytes, leaf: x509.Certificate) -> str:
    key = keys.from_pem(key_pem)
    try:
        is_ours = keys.fits(key, leaf)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidCertificate("the certificate's key is of an unknown kind") from error
    if not is_ours:
        raise InvalidCertificate(
            "the private key is another one than the certificate's",
            hint="the two are of different renewals: read, or write, both anew",
        )
    return "the private key is the certificate's"


def _bundle(pem: bytes) -> TrustBundle:
    bundle = TrustBundle.from_pem(pem)
    if not bundle:
        raise InvalidCertificate(
            "it is empty: nobody is trusted", hint="fetch the issuer's authorities again"
        )
    return bundle


def _describe(bundle: TrustBundle, now: datetime) -> str:
    names = [
        item.subject.rfc4514_string() + (" (expired)" if item.not_valid_after_utc <= now else "")
        for item in bundle.authorities
    ]
    return ", ".join(names)


def _leads(chain: Chain, bundle: TrustBundle, now: datetime) -> str:
    check_chain(chain, bundle, at=_moment_of_life(chain.leaf, now))
    return f"leads to the trust bundle, issued by {chain.leaf.issuer.rfc4514_string()}"


def _is_on_none(chain: Chain, bundle: TrustBundle, pem: bytes, now: datetime) -> str:
    lists = read_lists(pem)
    if missing := gap(lists, now):
        raise InvalidCertificate(missing, hint="fetch the authority's list again")
    for item in (chain.leaf, *chain.intermediates):
        _refuse_revoked(item, lists)
    if _moment_of_life(chain.leaf, now) == now:
        # Whose the lists are, and whether there is one of each authority.
        check_chain(chain, bundle, at=now, lists=lists)
    return f"on none of {len(lists)} lists" if len(lists) > 1 else "not on the list"


def _refuse_revoked(certificate: x509.Certificate, lists: RevocationLists) -> None:
    for item in lists:
        entry = item.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if item.issuer == certificate.issuer and entry is not None:
            raise InvalidCertificate(
                f"serial {certificate.serial_number:x} was revoked at "
                f"{_moment(entry.revocation_date_utc)}",
                hint="get a new certificate, if the issuer still gives one",
            )


def _moment_of_life(leaf: x509.Certificate, now: datetime) -> datetime:
    """Now, or the nearest moment of the leaf's life: whether that is over is another check."""
    last = leaf.not_valid_after_utc - timedelta(seconds=1)
    return max(leaf.not_valid_before_utc, min(now, last))


# The outcome of a check


def _read(
    findings: list[Finding], check: str, read: Callable[[], _T], describe: Callable[[_T], str]
) -> _T | None:
    """A value that further checks need; None, and noted, where it is bad."""
    try:
        value = read()
        findings.append(Finding(check=check, result="pass", detail=describe(value)))
    except (InvalidCertificate, ReplyRejected) as error:
        findings.append(Finding(check=check, result="fail", detail=str(error), hint=error.hint))
        return None
    return value


def _check(findings: list[Finding], check: str, judge: Callable[[], str]) -> None:
    _read(findings, check, judge, str)


def _skipped(check: str, why: str) -> Finding:
    return Finding(check=check, result="skipped", detail=why)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(span: timedelta) -> str:
    return str(timedelta(seconds=int(span.total_seconds())))
