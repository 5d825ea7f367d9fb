"""The `[identity]` table: which source gives the certificate, and how it is reached."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from gateway.config.addresses import local_path
from gateway.config.headers import secret_name
from gateway.config.model import (
    FilesSourceConfig,
    IdentityConfig,
    IssuerSourceConfig,
    JoinTokenRef,
)
from gateway.config.table import Rejected, Table
from gateway.config.upstreams import https_origin

_CA_PIN: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ENVIRONMENT_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOURCES: Final = ("issuer", "files")


def read_identity(table: Table, *, base: Path, project: str) -> IdentityConfig:
    """The identity source chosen by `source`; problems are noted in `table`.

    The other source's table may stay in the file, ready to be switched to; it is checked too.
    """
    table.know(*_SOURCES)
    issuer = _issuer(table.table("issuer"), base, project) if "issuer" in table else None
    files = _files(table.table("files"), base) if "files" in table else None
    source = ""
    if table.required("source", '"issuer" or "files"'):
        source = table.choice("source", _SOURCES, "")
    if source and source not in table:
        table.problem(source, "is missing", f'the table that sets up source = "{source}"')
    table.finish()
    if source == "files":
        return IdentityConfig(source="files", files=files)
    return IdentityConfig(source="issuer", issuer=issuer)


def _issuer(table: Table, base: Path, project: str) -> IssuerSourceConfig:
    url, pin = "", ""
    if table.required("url", 'the issuer\'s address, like "https://127.0.0.1:8440"'):
        origin = table.converted("url", https_origin)
        url = f"https://{origin}" if origin else ""
    if table.required("ca_pin", '"sha256:…", the issuer\'s CA pin as `issuer init` printed it'):
        pin = table.converted("ca_pin", _ca_pin) or ""
    token = _join_token(table, base, project)
    table.finish()
    return IssuerSourceConfig(url=url, ca_pin=pin, token=token)


def _join_token(table: Table, base: Path, project: str) -> JoinTokenRef | None:
    readers = {
        "token_file": lambda text: JoinTokenRef("file", str(local_path(text, base=base))),
        "token_env": lambda text: JoinTokenRef("env", _environment_name(text)),
        "token_secret": lambda text: JoinTokenRef("secret", secret_name(text, project=project)),
    }
    given = [name for name in readers if name in table]
    for name in given[1:]:
        table.problem(name, f"the join token is named by {given[0]} already", "keep one of them")
    found = [table.converted(name, read) for name, read in readers.items()]
    return next((token for token in found if token is not None), None)


def _files(table: Table, base: Path) -> FilesSourceConfig:
    def file(name: str, what: str) -> Path:
        if not table.required(name, what):
            return base
        return table.converted(name, lambda text: local_path(text, base=base)) or base

    config = FilesSourceConfig(
        certificate=file("certificate", "the path of the certificate chain, PEM, leaf first"),
        private_key=file("private_key", "the path of the private key, PEM"),
        trust_bundle=file("trust_bundle", "the path of the authorities to check peers by, PEM"),
    )
    table.finish()
    return config


def _ca_pin(text: str) -> str:
    pin = text.lower()
    if not _CA_PIN.fullmatch(pin):
        raise Rejected("is not a pin", 'write "sha256:" and 64 hexadecimal digits')
    return pin


def _environment_name(text: str) -> str:
    if not _ENVIRONMENT_NAME.fullmatch(text):
        raise Rejected(
            "is not the name of an environment variable",
            "name the variable that holds the token; the token itself has no place here",
        )
    return text
