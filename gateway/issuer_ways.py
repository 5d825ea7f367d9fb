"""From `[identity.issuer]` to the ways to join that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from certs.sources.credential import ReadCredential
from certs.sources.device_key import DeviceKey, ReadOnlyKey, StoredKey
from certs.sources.identity_tokens import token_from_command, token_from_url
from certs.sources.issuer_joins import BoundKey, IdentityToken, JoinWay
from gateway.config.join_ways import (
    BoundKeyConfig,
    CommandToken,
    CredentialRef,
    TokenSource,
    UrlToken,
)
from gateway.config.model import IssuerSourceConfig
from identity.secret_stores.base import SecretRef, SecretStore

Reader = Callable[[CredentialRef | None], ReadCredential]


def ways_of(
    wanted: IssuerSourceConfig, reader: Reader, *, store: SecretStore, project: str
) -> Iterator[JoinWay]:
    """The ways besides the one-time token, the best first."""
    if wanted.bound_key is not None:
        registration = wanted.bound_key.registration
        yield BoundKey(
            wanted.bound_key.rule,
            _device_key(wanted.bound_key, reader, store, project),
            None if registration is None else reader(registration),
        )
    if wanted.id_token is not None:
        yield IdentityToken(wanted.id_token.rule, _token_reader(wanted.id_token.source, reader))


def _device_key(
    wanted: BoundKeyConfig, reader: Reader, store: SecretStore, project: str
) -> DeviceKey:
    if wanted.key.kind == "secret":
        return StoredKey(store, SecretRef(project, wanted.key.value))
    return ReadOnlyKey(reader(wanted.key))


def _token_reader(source: TokenSource, reader: Reader) -> ReadCredential:
    match source:
        case UrlToken():
            return token_from_url(
                source.url,
                headers=dict(source.headers),
                member=source.member,
                read_bearer=None if source.bearer is None else reader(source.bearer),
            )
        case CommandToken():
            return token_from_command(source.arguments, member=source.member)
        case _:
            return reader(source)
