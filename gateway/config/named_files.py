"""Whether the files that a configuration names can be read, and hold what they should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from certs.bundle import TrustBundle
from certs.errors import InvalidCertificate
from certs.revocation import read_lists
from gateway.config.model import (
    Config,
    ExecTokenConfig,
    FilesSourceConfig,
    FileTokenConfig,
    GoogleTokenConfig,
    GoogleWifSourceConfig,
    IdentityConfig,
    SourceConfig,
    StepCaSourceConfig,
    TokenConfig,
    VaultSourceConfig,
)
from gateway.errors import ConfigProblem


def unusable_files(config: Config) -> list[ConfigProblem]:
    """A problem for each named file that can't be opened now, and for trust bundles and revocation
    lists that hold something else. A join token isn't among them: it may be gone once it was used.
    """
    return [problem for key, path in _named(config) if (problem := _problem(key, path))]


def _named(config: Config) -> Iterator[tuple[str, Path]]:
    yield from _of_identity("identity", config.identity)
    for name, table in config.identities.items():
        yield from _of_identity(f"identities.{name}", table)
    for route in config.routes:
        if route.trust_bundle is not None:
            yield f"routes.{route.name}.trust_bundle", route.trust_bundle
        if route.crl is not None:
            yield f"routes.{route.name}.crl", route.crl
    for token in config.tokens:
        for key, path in _of_token(token):
            yield f"tokens.{token.name}.{key}", path


def _of_identity(key: str, table: IdentityConfig) -> Iterator[tuple[str, Path]]:
    for source in table.sources:
        for name, path in _of_source(source):
            yield f"{key}.{source.name}.{name}", path
    if table.crl is not None:
        yield f"{key}.crl", table.crl


def _of_token(token: TokenConfig) -> Iterator[tuple[str, Path]]:
    """A file with a token isn't among them: it may come later."""
    if isinstance(token, GoogleTokenConfig):
        yield "credential_file", token.credential_file
    if not isinstance(token, ExecTokenConfig | FileTokenConfig) and token.ca_file is not None:
        yield "ca_file", token.ca_file


def _of_source(source: SourceConfig) -> Iterator[tuple[str, Path]]:
    match source:
        case FilesSourceConfig():
            yield "certificate", source.certificate
            yield "private_key", source.private_key
            yield "trust_bundle", source.trust_bundle
        case StepCaSourceConfig() if source.provisioner and source.credential.kind == "file":
            yield "provisioner_key_file", Path(source.credential.value)
        case VaultSourceConfig() if source.ca_file is not None:
            yield "ca_file", source.ca_file
        case GoogleWifSourceConfig():
            yield "credential_file", source.credential_file
            if source.ca_file is not None:
                yield "ca_file", source.ca_file
        case _:
            pass


def _problem(key: str, path: Path) -> ConfigProblem | None:
    try:
        content = path.read_bytes() if key.endswith((".trust_bundle", ".crl")) else _peep(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return ConfigProblem(
            key, f"{path} can't be read: {reason}", "mend the path, or make the file"
        )
    try:
        _read_trust(key, content)
    except InvalidCertificate as error:
        return ConfigProblem(key, f"{path}: {error}", "put the right file there")
    return None


def _peep(path: Path) -> bytes:
    with path.open("rb"):
        return b""


def _read_trust(key: str, content: bytes) -> None:
    if key.endswith(".trust_bundle"):
        TrustBundle.from_pem(content)
    elif key.endswith(".crl"):
        read_lists(content)
