"""What an identity is asked for with, and what asking would cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.join_ways import BoundKeyConfig, CredentialRef, IdTokenConfig, UrlToken
from gateway.config.model import (
    FilesSourceConfig,
    IssuerSourceConfig,
    SourceConfig,
    SpiffeSourceConfig,
    StepCaSourceConfig,
)
from gateway.doctor.credentials import credentials_of, is_spent_by_joining, missing

_TOKEN = CredentialRef("file", "/run/token")
_KEY = CredentialRef("secret", "device-key")
_BEARER = CredentialRef("env", "BEARER")
_FILES = FilesSourceConfig(certificate=Path("c"), private_key=Path("k"), trust_bundle=Path("b"))


def _issuer(**more: object) -> IssuerSourceConfig:
    values = {"url": "https://i", "ca_pin": "sha256:x", "token": None, **more}
    return IssuerSourceConfig(**values)  # type: ignore[arg-type]


_BOUND = _issuer(bound_key=BoundKeyConfig(rule="r", key=_KEY, registration=_TOKEN))
_BY_URL = _issuer(
    id_token=IdTokenConfig(
        rule="r", source=UrlToken(url="https://t", headers=(), bearer=_BEARER, member="")
    )
)


def _step_ca(provisioner: str) -> StepCaSourceConfig:
    return StepCaSourceConfig(
        url="https://s", fingerprint="x", provisioner=provisioner, credential=_TOKEN
    )


@pytest.mark.parametrize(
    ("source", "refs"),
    [
        (_FILES, []),
        (SpiffeSourceConfig(), []),
        (_issuer(token=_TOKEN), [_TOKEN]),
        (_BOUND, [_KEY, _TOKEN]),
        (_BY_URL, [_BEARER]),
        (_step_ca("p"), [_TOKEN]),
    ],
)
def test_which_are_named(source: SourceConfig, refs: list[CredentialRef]) -> None:
    assert list(credentials_of(source)) == refs


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        (_FILES, ""),
        (SpiffeSourceConfig(), ""),
        (_issuer(token=_TOKEN), "would spend a use of the join token"),
        (_BOUND, "would join the issuer once more with this machine's key"),
        (_BY_URL, "would ask for an identity token and join the issuer with it"),
        (_step_ca(""), "would spend the one-time token"),
        (_step_ca("p"), "would have a certificate made that nobody uses"),
    ],
)
def test_what_asking_costs(source: SourceConfig, cost: str) -> None:
    assert is_spent_by_joining(source) == cost


@pytest.mark.may_block("looks at files")
def test_which_are_missing(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.touch()
    full.write_text("x")
    assert missing(CredentialRef("file", str(full)), {}) == ""
    assert missing(CredentialRef("file", str(empty)), {}) == f"{empty} is empty"
    assert "can't be read" in missing(CredentialRef("file", str(tmp_path / "none")), {})
    assert missing(CredentialRef("env", "X"), {"X": "y"}) == ""
    assert missing(CredentialRef("env", "X"), {"X": " "}) == "the environment variable X is not set"
    assert missing(CredentialRef("secret", "x"), {}) == ""
