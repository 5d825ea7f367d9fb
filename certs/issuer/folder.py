"""The issuer's folder: made once by `init`, opened by each command.

state.db            SQLite: tokens, instances, certificates, settings
audit.jsonl         one line for each token made, issue and denial
authorities/N/      keys and certificates of each authority
join-state.key      signs challenges and join states
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from certs.errors import CertsError
from certs.issuer import ca, policy
from certs.issuer.audit import AuditFile
from certs.issuer.authorities import CurrentAuthorities, authority_folder, keep_rotation
from certs.issuer.authority_rotation import AuthorityRotation
from certs.issuer.ca import Authority, RandomBytes
from certs.issuer.ca_rotation import Rotation
from certs.issuer.joins import signing_key
from certs.issuer.joins.rule_book import RuleBook
from certs.issuer.joins.service import JoinService
from certs.issuer.joins.statements import Signer
from certs.issuer.limits import Limits
from certs.issuer.locking import Locking
from certs.issuer.service import IssuerService
from certs.issuer.store import StateUnusable, Store
from certs.issuer.tables.settings import Settings
from identity.private_folder import make_private
from identity.spiffe import TrustDomain

_FIRST: Final = 1
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


#: The setting that has the address of the last `IssuerServer`.
SERVED_AT: Final = "served_at"


class AlreadyInitialized(CertsError):
    """The folder holds an issuer; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedIssuer:
    """An issuer's operations, and the DNS names that its own HTTPS certificate carries.

    `service.close` closes all of it.
    """

    service: IssuerService
    rotation: AuthorityRotation
    locking: Locking
    dns_names: tuple[str, ...]
    joins: JoinService
    rule_book: RuleBook
    settings: Settings

    @property
    def served_at(self) -> str:
        """Where clients found it when it was served last; "" for never."""
        return self.settings.value(SERVED_AT) or ""


def init(
    folder: Path,
    *,
    trust_domain: str,
    now: datetime,
    dns_names: Sequence[str] = (),
    random: RandomBytes = os.urandom,
) -> Authority:
    """Make the folder, its authority and its state. Killed half-way it can be run again.

    Raises:
        AlreadyInitialized: an issuer is there.
        InvalidSpiffeId, InvalidPolicy: the trust domain or a DNS name is not usable.
        StateUnusable: the folder can't be written, or isn't ours alone.
    """
    domain = str(TrustDomain.parse(trust_domain))
    names = policy.checked_dns_names(dns_names)
    try:
        make_private(folder)
        _make_private(folder)
        store = Store.create(folder / "state.db")
    except OSError as error:
        raise StateUnusable(
            f"{folder} can't be written: {error.strerror}", hint="choose a folder of your own"
        ) from error
    try:
        # The rows are the commit point: without them the files are overwritten by the next try.
        with store.transaction():
            if store.authorities.active() is not None:
                raise AlreadyInitialized(
                    f"{folder} holds an issuer for {store.settings.value('trust_domain')} already",
                    hint="choose another folder; removing this one makes every identity from it "
                    "unverifiable",
                )
            new = ca.make(trust_domain=domain, now=now, random=random)
            ca.save(authority_folder(folder, _FIRST), new)
            store.authorities.add(_FIRST, ca.to_pem(new.authority.root).decode(), status="active")
            store.settings.keep("trust_domain", domain)
            store.settings.keep("dns_names", json.dumps(names))
            store.settings.keep("bundle_sequence", "1")
            keep_rotation(store, Rotation(since=now))
    except OSError as error:
        raise StateUnusable(
            f"{folder} can't be written: {error.strerror}",
            hint="choose a folder of your own, on a disk with room",
        ) from error
    finally:
        store.close()
    return new.authority


def _make_private(folder: Path) -> None:
    """Close the folder to others: nobody may have laid keys or a state there for us to use."""
    facts = folder.stat()
    if facts.st_uid != os.geteuid():
        raise StateUnusable(
            f"{folder} belongs to user {facts.st_uid}, not to user {os.geteuid()}",
            hint="choose a folder that isn't there yet, or one of your own",
        )
    folder.chmod(0o700)
    if facts.st_mode & _OTHERS_WRITE and any(folder.iterdir()):
        raise StateUnusable(
            f"others could write to {folder}, and it is not empty",
            hint="what is in it may be somebody else's: choose an empty folder",
        )


def open_issuer(
    folder: Path,
    *,
    leaf_life: timedelta = timedelta(hours=1),
    limits: Limits | None = None,
    random: RandomBytes = os.urandom,
) -> OpenedIssuer:
    """Open an issuer that `init` made.

    Raises:
        StateUnusable, InvalidCertificate: the folder isn't one, or a file in it can't be used.
        InvalidPolicy: `leaf_life` is out of range.
    """
    store = Store(folder / "state.db")
    try:
        if folder.stat().st_mode & stat.S_IWOTH:
            raise StateUnusable(
                f"everybody can write to {folder}",
                hint=f"chmod 700 {folder}; if it was so for long, make the issuer anew elsewhere",
            )
        trust_domain = store.settings.value("trust_domain")
        if trust_domain is None:
            raise StateUnusable(
                f"{folder} has not been initialized", hint="run 'devwiz-gw issuer init' for it"
            )
        authorities = CurrentAuthorities(store, folder)
        audit = AuditFile(folder / "audit.jsonl")
        service = IssuerService(
            store=store,
            authorities=authorities,
            audit=audit,
            trust_domain=trust_domain,
            leaf_life=leaf_life,
            limits=limits,
            random=random,
        )
        rotation = AuthorityRotation(
            store=store, folder=folder, audit=audit, trust_domain=trust_domain, random=random
        )
        signer = Signer(
            signing_key.load_or_make(folder), issuer=f"spiffe://{trust_domain}{policy.ISSUER_PATH}"
        )
        return OpenedIssuer(
            service=service,
            rotation=rotation,
            locking=Locking(store, audit),
            dns_names=tuple(json.loads(store.settings.value("dns_names") or "[]")),
            joins=JoinService(service, store, signer=signer, random=random),
            rule_book=RuleBook(store, audit, trust_domain=trust_domain, random=random),
            settings=store.settings,
        )
    except OSError as error:
        store.close()
        raise StateUnusable(
            f"{folder} can't be used: {error.strerror}",
            hint="run the issuer as the folder's owner, and look at the modes of its files",
        ) from error
    except (CertsError, sqlite3.Error):
        store.close()
        raise
