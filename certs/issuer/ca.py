"""The two-tier authority: a root that clients pin, and an issuing CA that signs leaves.

Files, in a folder of their own for each authority: `root.crt`, `root.key`, `root.crl`,
`issuing.crt`, `issuing.key`; keys PKCS#8, mode 0600. The root key is needed only to make an issuing
CA, and the root's revocation list with it; an operator may take it off the machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from certs import keys, profiles
from certs.errors import InvalidCertificate
from certs.issuer.state_file import read, read_private
from certs.keys import PrivateKey, PublicKey
from certs.profiles import LeafNames, Terms
from identity.atomic_file import sync_folder, write_atomic
from identity.private_folder import make_private

ROOT_LIFE: Final = timedelta(days=3650)
ISSUING_LIFE: Final = timedelta(days=1825)

_KEY_MODE: Final = 0o600
_CERTIFICATE_MODE: Final = 0o644

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Authority:
    """A loaded authority, able to sign leaves."""

    root: x509.Certificate
    issuing: x509.Certificate
    issuing_key: PrivateKey
    root_crl_pem: bytes

    def __repr__(self) -> str:
        return f"Authority({self.root.subject.rfc4514_string()}, {self.pin})"

    @property
    def pin(self) -> str:
        """What clients pin: the root's key."""
        return keys.spki_pin(self.root)

    @property
    def end(self) -> datetime:
        """When the issuing CA's certificate ends."""
        return self.issuing.not_valid_after_utc

    def sign_workload(
        self, public_key: PublicKey, *, names: LeafNames, terms: Terms
    ) -> x509.Certificate:
        """Sign an X509-SVID on names that policy gave."""
        builder = profiles.workload_leaf(public_key, names=names, issuer=self.issuing, terms=terms)
        return builder.sign(self.issuing_key, hashes.SHA256())

    def sign_server(
        self,
        public_key: PublicKey,
        *,
        names: LeafNames,
        addresses: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address],
        terms: Terms,
    ) -> x509.Certificate:
        """Sign the issuer's own HTTPS certificate."""
        builder = profiles.server_leaf(
            public_key,
            names=names,
            ip_addresses=[x509.IPAddress(address) for address in addresses],
            issuer=self.issuing,
            terms=terms,
        )
        return builder.sign(self.issuing_key, hashes.SHA256())

    def chain_pem(self, leaf: x509.Certificate) -> bytes:
        """Leaf, then issuing CA: what a TLS peer sends."""
        return to_pem(leaf) + to_pem(self.issuing)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewAuthority:
    """A new authority with both keys, before it is written to its folder."""

    authority: Authority
    root_key: PrivateKey


def make(*, trust_domain: str, now: datetime, random: RandomBytes, number: int = 1) -> NewAuthority:
    """Make root and issuing CA, with new keys, in memory. `number` becomes part of their names."""
    root_key, issuing_key = keys.generate(), keys.generate()
    root = profiles.root_ca(
        root_key.public_key(),
        trust_domain=trust_domain,
        terms=_terms(now, ROOT_LIFE, random),
        number=number,
    ).sign(root_key, hashes.SHA256())
    issuing = profiles.issuing_ca(
        issuing_key.public_key(),
        trust_domain=trust_domain,
        root=root,
        terms=_terms(now, ISSUING_LIFE, random),
        number=number,
    ).sign(root_key, hashes.SHA256())
    authority = Authority(
        root=root,
        issuing=issuing,
        issuing_key=issuing_key,
        root_crl_pem=_root_list(root, root_key),
    )
    return NewAuthority(authority=authority, root_key=root_key)


def save(folder: Path, new: NewAuthority) -> None:
    """Write the four files into `folder`, which is made with mode 0700."""
    make_private(folder)
    sync_folder(folder.parent)
    authority = new.authority
    write_atomic(folder / "root.key", keys.to_pem(new.root_key), _KEY_MODE)
    write_atomic(folder / "issuing.key", keys.to_pem(authority.issuing_key), _KEY_MODE)
    write_atomic(folder / "root.crt", to_pem(authority.root), _CERTIFICATE_MODE)
    write_atomic(folder / "root.crl", authority.root_crl_pem, _CERTIFICATE_MODE)
    write_atomic(folder / "issuing.crt", to_pem(authority.issuing), _CERTIFICATE_MODE)


def load(folder: Path) -> Authority:
    """Read an authority from its folder. The root key isn't read, but to make a root's list that
    isn't there: folders from before there were lists have none.

    Raises:
        InvalidCertificate: a file is missing, unreadable, open to others, or the files don't
            belong together.
    """
    issuing_key = keys.from_pem(read_private(folder / "issuing.key"))
    root = _certificate(folder / "root.crt")
    issuing = _certificate(folder / "issuing.crt")
    if not keys.fits(issuing_key, issuing):
        raise InvalidCertificate(f"issuing.key and issuing.crt in {folder} don't belong together")
    try:
        issuing.verify_directly_issued_by(root)
    except Exception as error:
        raise InvalidCertificate(
            f"issuing.crt in {folder} was not signed by root.crt beside it"
        ) from error
    return Authority(
        root=root,
        issuing=issuing,
        issuing_key=issuing_key,
        root_crl_pem=_root_list_in(folder, root),
    )


def to_pem(certificate: x509.Certificate) -> bytes:
    """One certificate, PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _root_list_in(folder: Path, root: x509.Certificate) -> bytes:
    path = folder / "root.crl"
    if not path.is_file():
        root_key = keys.from_pem(read_private(folder / "root.key"))
        write_atomic(path, _root_list(root, root_key), _CERTIFICATE_MODE)
    return read(path)


def _root_list(root: x509.Certificate, root_key: PrivateKey) -> bytes:
    """An empty list of the root's, for as long as it lives: its key is not at hand to sign others,
    and who checks all of a chain wants one. An issuing CA is taken back with its root, by rotation.
    """
    key_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    reference = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(root.not_valid_before_utc)
        .next_update(root.not_valid_after_utc)
        .add_extension(reference, critical=False)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    return builder.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _terms(now: datetime, life: timedelta, random: RandomBytes) -> Terms:
    return Terms(serial=profiles.serial_from(random(20)), now=now, life=life)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(read(path))
    except ValueError as error:
        raise InvalidCertificate(f"{path} is not a PEM certificate") from error
