"""The certificate in all respects, and who may read the file of its key."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from certs import inspection
from certs.inspection import Material
from gateway.config.model import FilesSourceConfig, IdentityConfig
from gateway.doctor.case import Held
from gateway.doctor.finding import Finding, skipped

_LATE: Final = "late for a renewal"
_UNSEEN: Final = {
    "key": "the running gateway keeps its key to itself",
    "revocation": "no revocation list is configured",
}


def examine(name: str, held: Held, table: IdentityConfig, *, now: datetime) -> list[Finding]:
    """The findings about an identity. Reads the files that its table names."""
    findings: list[Finding] = []
    for source in table.sources:
        if isinstance(source, FilesSourceConfig):
            findings += [_about(name, item) for item in _files(source)]
            held = held if held.chain_pem else _of_files(source, held)
    if not held.chain_pem:
        return [*findings, skipped("certificate", held.why_not or "there is none", about=name)]
    material = Material(
        chain_pem=held.chain_pem,
        bundle_pem=held.bundle_pem or None,
        key_pem=held.key_pem or None,
        crl_pem=held.crl_pem or None,
        spiffe_id=table.spiffe_id,
    )
    return [*findings, *(_about(name, item) for item in inspection.inspect(material, now=now))]


def with_lists(held: Held, table: IdentityConfig) -> Held:
    """With the revocation lists that its table names a file of, which is read."""
    return held if table.crl is None else replace(held, crl_pem=_read(table.crl))


def _about(name: str, item: inspection.Finding) -> Finding:
    detail = f"{item.check}: {item.detail}"
    if item.result == "skipped":
        why = _UNSEEN.get(item.check, item.detail)
        return skipped("certificate", f"{why} ({item.check})", about=name)
    if item.result == "fail":
        remedy = item.hint or "get a new one: devwiz-gw identity renew"
        return Finding(rung="certificate", about=name, result="fail", detail=detail, remedy=remedy)
    if _LATE in item.detail:
        remedy = "see why it isn't renewed: devwiz-gw identity show"
        return Finding(rung="certificate", about=name, result="warn", detail=detail, remedy=remedy)
    return Finding(rung="certificate", about=name, result="pass", detail=detail)


def _files(source: FilesSourceConfig) -> Iterator[inspection.Finding]:
    try:
        yield key_file(source.private_key)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        yield inspection.Finding(
            check="key file",
            result="fail",
            detail=f"{source.private_key} can't be looked at: {reason}",
            hint="mend the path, or the modes of its folders",
        )


def _of_files(source: FilesSourceConfig, held: Held) -> Held:
    """What is in the files that the source itself doesn't take."""
    return Held(
        chain_pem=_read(source.certificate),
        key_pem=_read(source.private_key),
        bundle_pem=_read(source.trust_bundle),
        why_not=held.why_not,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def key_file(path: Path) -> inspection.Finding:
    """Who else may read the private key. Raises `OSError`."""
    facts = path.stat()
    # A group may read it, as Kubernetes' fsGroup does.
    others = facts.st_mode & (stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO)
    mode = f"{path} has mode {stat.S_IMODE(facts.st_mode):04o}"
    if others:
        hint = f"chmod 600 {path}; who could read it meanwhile may have the key: renew it"
        return inspection.Finding(check="key file", result="fail", detail=mode, hint=hint)
    owner = "yours" if facts.st_uid == os.geteuid() else f"user {facts.st_uid}'s"
    return inspection.Finding(check="key file", result="pass", detail=f"{mode} and is {owner}")
