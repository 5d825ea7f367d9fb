"""The tables of identities: which source gives the certificate, and how it is reached."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Literal, cast

from gateway.config.addresses import local_path
from gateway.config.credentials import Place, credential_named, needed_credential
from gateway.config.derivation import check_derive, read_derive
from gateway.config.identity_export import read_exports
from gateway.config.issuer_source import read_issuer
from gateway.config.model import (
    DEFAULT_IDENTITY,
    FilesSourceConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    SignerConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.config.table import Rejected, Table
from gateway.config.upstreams import https_origin
from identity.endpoint import Endpoint, parse_endpoint
from identity.errors import InvalidEndpoint, InvalidSpiffeId
from identity.spiffe import SpiffeId

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_VAULT_PATH: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
#: What each way of logging in needs, as it is called in keys.
_VAULT_CREDENTIALS: Final = {"token": "token", "approle": "secret_id", "jwt": "jwt"}
_CA_POOL: Final = re.compile(r"projects/[\w.:-]+/locations/[\w-]+/caPools/[\w-]+", re.ASCII)
_GOOGLE_HOSTS: Final = (
    "sts.googleapis.com",
    "sts.mtls.googleapis.com",
    "iamcredentials.googleapis.com",
    "privateca.googleapis.com",
)


def read_identity(table: Table, *, base: Path, project: str) -> IdentityConfig:
    """The identity source chosen by `source`, or those of `sources`; problems are noted in `table`,
    which is `[identity]` or one of `[identities]`.

    The other sources' tables may stay in the file, ready to be switched to; they are checked too.
    """
    place = Place(base=base, project=project)
    table.know(*_READERS)
    found = {
        name: read(table.table(name), place) for name, read in _READERS.items() if name in table
    }
    # Which the environment may set up as well.
    found.setdefault("spiffe", SpiffeSourceConfig())
    spiffe_id = table.converted("spiffe_id", _spiffe_id) or ""
    crl = table.converted("crl", partial(local_path, base=base))
    derive = read_derive(table)
    exports = read_exports(table, base=base)
    allow_export = table.flag("allow_export", default=False)
    chosen = _chosen(table)
    for name in chosen:
        if name not in found:
            table.problem(name, "is missing", f'the table that sets up the source "{name}"')
    named = sorted(_NAMED_BY_US.intersection(chosen))
    if named and "spiffe_id" not in table:
        hint = f'the name to ask the {named[0]} for, like "spiffe://acme.example/agent/laptop"'
        table.problem("spiffe_id", "is missing", hint)
    sources = tuple(found[name] for name in chosen if name in found)
    identity = IdentityConfig(
        sources=sources,
        spiffe_id=spiffe_id,
        derive=derive,
        crl=crl,
        exports=exports,
        allow_export=allow_export,
    )
    check_derive(table, identity)
    table.finish()
    return identity


def read_identities(table: Table, *, base: Path, project: str) -> dict[str, IdentityConfig]:
    """The identities beside the one of `[identity]`, by name."""
    found: dict[str, IdentityConfig] = {}
    for name in table.entries():
        own = table.table(name)
        if name == DEFAULT_IDENTITY:
            table.problem(name, "is what [identity] is called", "choose another name")
        elif not _NAME.fullmatch(name):
            table.problem(name, "is not a name", "use a–z, 0–9 and '-', 63 at most")
        else:
            found[name] = read_identity(own, base=base, project=project)
    return found


def _chosen(table: Table) -> list[str]:
    """The names of the sources, in order; none twice."""
    known = ", ".join(f'"{name}"' for name in _READERS)
    if "sources" not in table:
        table.know("sources")
        if not table.required("source", f"one of {known}"):
            return []
        name = table.choice("source", _READERS, "")
        return [name] if name else []
    table.know("source")
    if "source" in table:
        table.problem("source", "is named by sources already", "keep one of the two")
    if table.holds_nothing("sources"):
        table.problem("sources", "is empty", f"some of {known}, best first")
    chosen: list[str] = []
    for index, name in table.texts("sources"):
        if name not in _READERS:
            table.problem("sources", f'"{name}" is not known', f"one of {known}", index=index)
        elif name in chosen:
            table.problem("sources", f'"{name}" is there twice', "name each once", index=index)
        else:
            chosen.append(name)
    return chosen


def _issuer(table: Table, place: Place) -> SourceConfig:
    url = _url(table, 'the issuer\'s address, like "https://127.0.0.1:8440"')
    return read_issuer(table, place, url=url)


def _files(table: Table, place: Place) -> SourceConfig:
    def file(name: str, what: str) -> Path:
        if not table.required(name, what):
            return place.base
        return table.converted(name, lambda text: local_path(text, base=place.base)) or place.base

    config = FilesSourceConfig(
        certificate=file("certificate", "the path of the certificate chain, PEM, leaf first"),
        private_key=file("private_key", "the path of the private key, PEM"),
        trust_bundle=file("trust_bundle", "the path of the authorities to check peers by, PEM"),
    )
    table.finish()
    return config


def _step_ca(table: Table, place: Place) -> SourceConfig:
    fingerprint = ""
    url = _url(table, 'the CA\'s address, like "https://ca.acme.example:9000"')
    if table.required("fingerprint", "what `step certificate fingerprint root_ca.crt` prints"):
        fingerprint = table.converted("fingerprint", _fingerprint) or ""
    provisioner = table.text("provisioner")
    credential = needed_credential(table, place, ("provisioner_key", "token"))
    mints = any(name.startswith("provisioner_key_") and name in table for name in table.entries())
    if mints:
        table.required("provisioner", "the name of the JWK provisioner whose key is given")
    table.finish()
    return StepCaSourceConfig(
        url=url,
        fingerprint=fingerprint,
        provisioner=provisioner if mints else "",
        credential=credential,
    )


def _vault(table: Table, place: Place) -> SourceConfig:
    url = _url(table, 'the server\'s address, like "https://vault.acme.example:8200"')
    table.required("role", "the role of the PKI engine")
    auth = table.choice("auth", _VAULT_CREDENTIALS, "token")
    if auth == "approle":
        table.required("role_id", "the AppRole's role id")
    if auth == "jwt":
        table.required("auth_role", "the role of the JWT auth method")
    config = VaultSourceConfig(
        url=url,
        ca_file=table.converted("ca_file", lambda text: local_path(text, base=place.base)),
        namespace=table.converted("namespace", _vault_path) or "",
        mount=table.converted("mount", _vault_path) or "pki",
        role=table.converted("role", _vault_path) or "",
        ttl_s=table.whole("ttl_s", 0, least=10, most=31 * 86_400) or None,
        auth=cast("Literal['token', 'approle', 'jwt']", auth),
        auth_mount=table.converted("auth_mount", _vault_path) or auth,
        auth_role=table.text("auth_role"),
        role_id=table.text("role_id"),
        credential=needed_credential(table, place, (_VAULT_CREDENTIALS[auth],)),
    )
    table.finish()
    return config


def _spiffe(table: Table, _place: Place) -> SourceConfig:
    config = SpiffeSourceConfig(
        endpoint=table.converted("socket", _endpoint), hint=table.text("hint")
    )
    table.finish()
    return config


def _google_wif(table: Table, place: Place) -> SourceConfig:
    def path(text: str) -> Path:
        return local_path(text, base=place.base)

    table.required("credential_file", "the path of an external-account configuration, JSON")
    table.required("ca_pool", '"projects/PROJECT/locations/LOCATION/caPools/POOL"')
    mode = table.choice("subject_mode", ("REFLECTED_SPIFFE", "DEFAULT"), "REFLECTED_SPIFFE")
    hosts = tuple(host for _, host in table.converted_list("allowed_hosts", _host_and_port))
    origin = table.converted("cas_url", https_origin)
    config = GoogleWifSourceConfig(
        credential_file=table.converted("credential_file", path) or place.base,
        ca_pool=table.converted("ca_pool", _ca_pool) or "",
        cas_url=f"https://{origin}" if origin else f"https://{_GOOGLE_HOSTS[-1]}:443",
        allowed_hosts=hosts if "allowed_hosts" in table else _GOOGLE_HOSTS,
        subject_mode=cast("Literal['REFLECTED_SPIFFE', 'DEFAULT']", mode),
        lifetime_s=table.whole("lifetime_s", 3600, least=60, most=31 * 86_400),
        ca_file=table.converted("ca_file", path),
        allow_executables=table.flag("allow_executables", default=False),
        signer=_signer(table, place),
    )
    host = config.cas_url.removeprefix("https://").removesuffix(":443")
    if host not in {item.removesuffix(":443") for item in config.allowed_hosts}:
        table.problem("allowed_hosts", f"{host} is missing", "certificates are asked for there")
    table.finish()
    return config


def _signer(table: Table, place: Place) -> SignerConfig | None:
    key = credential_named(table, place, ("signer_key",))
    issuer, subject = table.text("signer_issuer"), table.text("signer_subject")
    if key is None:
        for name in ("signer_issuer", "signer_subject"):
            if name in table:
                table.problem(name, "needs a key to sign with", "give signer_key_secret as well")
        return None
    table.required("signer_issuer", "the issuer URI of the pool's provider")
    table.required("signer_subject", "the subject that the provider maps")
    return SignerConfig(issuer=issuer, subject=subject, key=key)


_READERS: Final[dict[str, Callable[[Table, Place], SourceConfig]]] = {
    "issuer": _issuer,
    "files": _files,
    "step-ca": _step_ca,
    "vault": _vault,
    "spiffe": _spiffe,
    "google-wif": _google_wif,
}
#: Sources that give a certificate for the name that they are asked for.
_NAMED_BY_US: Final = frozenset({"step-ca", "vault", "google-wif"})


def _url(table: Table, what: str) -> str:
    if not table.required("url", what):
        return ""
    origin = table.converted("url", https_origin)
    return f"https://{origin}" if origin else ""


def _spiffe_id(text: str) -> str:
    try:
        return str(SpiffeId.parse_leaf(text))
    except InvalidSpiffeId as error:
        raise Rejected(str(error), error.hint) from None


def _endpoint(text: str) -> Endpoint:
    try:
        return parse_endpoint(text)
    except InvalidEndpoint as error:
        raise Rejected(str(error), error.hint) from None


def _vault_path(text: str) -> str:
    path = text.strip("/")
    if not _VAULT_PATH.fullmatch(path):
        raise Rejected(f"{text!r} is not a path in a Vault", "write it like team/pki")
    return path


def _ca_pool(text: str) -> str:
    if not _CA_POOL.fullmatch(text):
        raise Rejected(
            f"{text!r} is not a CA pool", "write projects/PROJECT/locations/LOCATION/caPools/POOL"
        )
    return text


def _host_and_port(text: str) -> str:
    origin = https_origin(f"https://{text}")
    return origin.host if origin.port == 443 else str(origin)


def _fingerprint(text: str) -> str:
    digits = text.lower().replace(":", "")
    if not _FINGERPRINT.fullmatch(digits):
        raise Rejected("is not a fingerprint", "write the 64 hexadecimal digits of a SHA-256")
    return digits
