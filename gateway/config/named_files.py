"""Whether the files that a configuration names can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.config.model import (
    Config,
    FilesSourceConfig,
    GoogleWifSourceConfig,
    SourceConfig,
    StepCaSourceConfig,
    VaultSourceConfig,
)
from gateway.errors import ConfigProblem


def unreadable_files(config: Config) -> list[ConfigProblem]:
    """A problem for each named file that can't be opened now. A join token isn't among them: it may
    be gone once it was used.
    """
    return [
        ConfigProblem(key, f"{path} can't be read: {reason}", "mend the path, or make the file")
        for key, path in _named(config)
        if (reason := _why_not(path))
    ]


def _named(config: Config) -> Iterator[tuple[str, Path]]:
    for source in config.identity.sources:
        yield from _of_source(source)
    if config.identity.crl is not None:
        yield "identity.crl", config.identity.crl
    for route in config.routes:
        if route.trust_bundle is not None:
            yield f"routes.{route.name}.trust_bundle", route.trust_bundle
        if route.crl is not None:
            yield f"routes.{route.name}.crl", route.crl


def _of_source(source: SourceConfig) -> Iterator[tuple[str, Path]]:
    match source:
        case FilesSourceConfig():
            yield "identity.files.certificate", source.certificate
            yield "identity.files.private_key", source.private_key
            yield "identity.files.trust_bundle", source.trust_bundle
        case StepCaSourceConfig() if source.provisioner and source.credential.kind == "file":
            yield "identity.step-ca.provisioner_key_file", Path(source.credential.value)
        case VaultSourceConfig() if source.ca_file is not None:
            yield "identity.vault.ca_file", source.ca_file
        case GoogleWifSourceConfig():
            yield "identity.google-wif.credential_file", source.credential_file
            if source.ca_file is not None:
                yield "identity.google-wif.ca_file", source.ca_file
        case _:
            pass


def _why_not(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
