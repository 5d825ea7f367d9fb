"""From a table of an identity to the source that it names; no other one is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, assert_never

from certs.sources.base import IdentitySource
from certs.sources.credential import ReadCredential
from gateway.config.identities import identities_of
from gateway.config.model import (
    DEFAULT_IDENTITY,
    Config,
    CredentialRef,
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IssuerSourceConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.credentials import reader_of
from gateway.errors import StartFailed
from identity.endpoint import ENVIRONMENT_NAME, Endpoint, parse_endpoint
from identity.errors import InvalidEndpoint
from identity.secret_stores.base import SecretStore

if TYPE_CHECKING:
    from certs.sources.issuer_joins import JoinWay


def open_source(
    config: Config, store: SecretStore, env: Mapping[str, str], *, name: str = DEFAULT_IDENTITY
) -> IdentitySource:
    """The identity source that the configuration names for an identity; several as one chain."""
    identity = identities_of(config)[name]

    def reader(ref: CredentialRef | None) -> ReadCredential:
        return reader_of(ref, config.project, store, env)

    def ways(wanted: IssuerSourceConfig) -> Iterator[JoinWay]:
        from gateway.issuer_ways import ways_of

        return ways_of(wanted, reader, store=store, project=config.project)

    opened = [_open(wanted, identity.spiffe_id, reader, ways, env) for wanted in identity.sources]
    if len(opened) == 1:
        return opened[0]
    from certs.sources.chain import ChainSource

    return ChainSource(opened)


def _open(
    wanted: SourceConfig,
    spiffe_id: str,
    reader: Callable[[CredentialRef | None], ReadCredential],
    ways: Callable[[IssuerSourceConfig], Iterable[JoinWay]],
    env: Mapping[str, str],
) -> IdentitySource:
    match wanted:
        case IssuerSourceConfig():
            from certs.sources.issuer import IssuerSource

            others = tuple(ways(wanted))
            return IssuerSource(
                url=wanted.url,
                ca_pin=wanted.ca_pin,
                other_ca_pins=wanted.other_ca_pins,
                # Without any way it is still asked for, and its absence told.
                read_token=reader(wanted.token) if wanted.token or not others else None,
                ways=others,
                spiffe_id=spiffe_id,
            )
        case FilesSourceConfig():
            from certs.sources.files import FilesSource

            return FilesSource(
                wanted.certificate, wanted.private_key, wanted.trust_bundle, spiffe_id=spiffe_id
            )
        case StepCaSourceConfig():
            from certs.sources.step_ca import StepCaSource

            return StepCaSource(
                url=wanted.url,
                fingerprint=wanted.fingerprint,
                spiffe_id=spiffe_id,
                provisioner=wanted.provisioner,
                read_credential=reader(wanted.credential),
            )
        case VaultSourceConfig():
            from certs.sources.vault import VaultEngine, VaultLogin, VaultSource

            login = VaultLogin(
                method=wanted.auth,
                mount=wanted.auth_mount,
                role_id=wanted.role_id,
                role=wanted.auth_role,
            )
            engine = VaultEngine(
                url=wanted.url,
                ca_file=wanted.ca_file,
                namespace=wanted.namespace,
                mount=wanted.mount,
                role=wanted.role,
                ttl_s=wanted.ttl_s,
            )
            return VaultSource(
                engine=engine,
                login=login,
                read_credential=reader(wanted.credential),
                spiffe_id=spiffe_id,
            )
        case SpiffeSourceConfig():
            from certs.sources.spiffe import SpiffeSource

            endpoint = wanted.endpoint or _endpoint_of(env)
            return SpiffeSource(endpoint, spiffe_id=spiffe_id, hint=wanted.hint)
        case GoogleWifSourceConfig():
            return _google_wif(wanted, spiffe_id, reader)
        case _:
            assert_never(wanted)


def _google_wif(
    wanted: GoogleWifSourceConfig,
    spiffe_id: str,
    reader: Callable[[CredentialRef], ReadCredential],
) -> IdentitySource:
    try:
        from certs.sources.google_token import OwnSubject
        from certs.sources.google_wif import CaPool, GoogleWifSource
    except ModuleNotFoundError as error:
        raise StartFailed(
            f'source = "google-wif" needs {error.name}, which is not installed',
            hint="install the package with its extra: devwiz-gw[google]",
        ) from error
    signer = wanted.signer
    own = None
    if signer is not None:
        own = OwnSubject(
            issuer=signer.issuer, subject=signer.subject, read_credential=reader(signer.key)
        )
    pool = CaPool(
        url=wanted.cas_url,
        name=wanted.ca_pool,
        subject_mode=wanted.subject_mode,
        lifetime_s=wanted.lifetime_s,
    )
    return GoogleWifSource(
        pool=pool,
        credential_file=wanted.credential_file,
        spiffe_id=spiffe_id,
        allowed_hosts=frozenset(wanted.allowed_hosts),
        ca_file=wanted.ca_file,
        allow_executables=wanted.allow_executables,
        own=own,
    )


def _endpoint_of(env: Mapping[str, str]) -> Endpoint:
    text = env.get(ENVIRONMENT_NAME, "")
    if not text:
        raise StartFailed(
            f"identity.spiffe.socket is missing, and {ENVIRONMENT_NAME} is not set either",
            hint='set one of them, like "unix:///run/spire/agent.sock"',
        )
    try:
        return parse_endpoint(text)
    except InvalidEndpoint as error:
        raise StartFailed(f"{ENVIRONMENT_NAME}: {error}", hint=error.hint) from error
