"""Whether the credentials that an identity is asked for with are there: looked at, never used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.config.join_ways import CommandToken, CredentialRef, UrlToken
from gateway.config.model import (
    GoogleWifSourceConfig,
    IssuerSourceConfig,
    SourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)


def credentials_of(source: SourceConfig) -> Iterator[CredentialRef]:
    """Those that the table names, each once it may be needed."""
    match source:
        case IssuerSourceConfig():
            yield from _of_issuer(source)
        case StepCaSourceConfig() | VaultSourceConfig():
            yield source.credential
        case GoogleWifSourceConfig() if source.signer is not None:
            yield source.signer.key
        case _:
            return


def _of_issuer(source: IssuerSourceConfig) -> Iterator[CredentialRef]:
    if source.token is not None:
        yield source.token
    bound = source.bound_key
    if bound is not None:
        yield from (item for item in (bound.key, bound.registration) if item is not None)
    wanted = source.id_token.source if source.id_token is not None else None
    if isinstance(wanted, CredentialRef):
        yield wanted
    elif isinstance(wanted, UrlToken) and wanted.bearer is not None:
        yield wanted.bearer


def missing(ref: CredentialRef, env: Mapping[str, str]) -> str:
    """Why it isn't there, or ""; whether a secret is kept is told with the other secrets."""
    if ref.kind == "secret":
        return ""
    if ref.kind == "env":
        there = env.get(ref.value, "").strip()
        return "" if there else f"the environment variable {ref.value} is not set"
    path = Path(ref.value)
    try:
        return "" if path.stat().st_size else f"{path} is empty"
    except OSError as error:
        return f"{path} can't be read: {(error.strerror or str(error)).lower()}"


def is_spent_by_joining(source: SourceConfig) -> str:
    """What asking for a certificate would cost, in words; "" where it costs nothing."""
    match source:
        case IssuerSourceConfig():
            return _cost_of_joining(source)
        case StepCaSourceConfig() if not source.provisioner:
            return "would spend the one-time token"
        case StepCaSourceConfig() | VaultSourceConfig() | GoogleWifSourceConfig():
            return "would have a certificate made that nobody uses"
        case _:
            return ""


def _cost_of_joining(source: IssuerSourceConfig) -> str:
    if source.bound_key is not None:
        return "would join the issuer once more with this machine's key"
    if source.id_token is not None and isinstance(source.id_token.source, CommandToken | UrlToken):
        return "would ask for an identity token and join the issuer with it"
    return "would spend a use of the join token"
