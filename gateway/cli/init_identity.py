"""The part of `init` about the identity: which source, and what it has to be told."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.cli.init_questions import Questions
from gateway.cli.parsers import UsageError
from gateway.errors import ConfigProblem
from gateway.first_run.answers import Judge
from gateway.first_run.plan import IdentityPlan
from gateway.first_run.surroundings import has_workload_api, workload_socket

#: The sources, and the words of `--source`.
SOURCES: Final = (
    ("issuer", "the issuer that ships with devwiz-gw"),
    ("spiffe", "a SPIFFE Workload API: SPIRE, Teleport, Istio"),
    ("step-ca", "smallstep's step-ca"),
    ("vault", "the PKI engine of Vault or OpenBao"),
    ("google-wif", "Google Cloud: workload identity federation, then CA service"),
    ("files", "certificate and key that something else writes"),
)
#: They give a certificate for the name that they are asked for.
_ASKED_FOR_A_NAME: Final = frozenset({"step-ca", "vault", "google-wif"})


class _Key(NamedTuple):
    """A key to ask for. Without a default it is needed; with "" it may be left out."""

    name: str
    prompt: str
    default: str | None = None


_SPIFFE_ID: Final = _Key("spiffe_id", "SPIFFE id to ask for (spiffe://DOMAIN/PATH)")
_KEYS: Final[Mapping[str, tuple[_Key, ...]]] = {
    "issuer": (
        _Key("url", "the issuer's address", "https://127.0.0.1:8440"),
        _Key("ca_pin", "its CA pin (sha256:…, as `devwiz-gw issuer init` printed it)"),
    ),
    "spiffe": (_Key("socket", "the agent's socket (unix:///PATH)"),),
    "step-ca": (
        _Key("url", "the CA's address (https://HOST:PORT)"),
        _Key("fingerprint", "the root's fingerprint (`step certificate fingerprint root_ca.crt`)"),
        _Key("provisioner", "the JWK provisioner's name"),
        _Key("provisioner_key_secret", "the secret that holds its key", "step-ca-key"),
    ),
    "vault": (
        _Key("url", "the server's address (https://HOST:PORT)"),
        _Key("role", "the role of the PKI engine"),
    ),
    "google-wif": (
        _Key("credential_file", "the external-account configuration, JSON"),
        _Key("ca_pool", "the CA pool (projects/PROJECT/locations/LOCATION/caPools/POOL)"),
    ),
    "files": (
        _Key("certificate", "the certificate chain's file, PEM"),
        _Key("private_key", "the private key's file, PEM"),
        _Key("trust_bundle", "the file of the authorities that upstreams are checked by, PEM"),
    ),
}
_JOINS: Final = (
    ("token", "a one-time token, as `devwiz-gw issuer token` makes it"),
    ("bound-key", "a rule and a key of this machine's own"),
    ("id-token", "a rule and identity tokens of a provider"),
)
_JOIN_KEYS: Final[Mapping[str, tuple[_Key, ...]]] = {
    "token": (_Key("token_file", "the file of the join token", "join-token"),),
    "bound-key": (
        _Key("bound_rule", "the name of the join rule"),
        _Key("bound_key_secret", "the secret to keep the key in", "device-key"),
        _Key("registration_file", "the file of the registration secret, if there is one", ""),
    ),
    "id-token": (
        _Key("token_rule", "the name of the join rule"),
        _Key("id_token_file", "the file of the identity token"),
    ),
}
_LOGINS: Final = (
    ("token", "a token"),
    ("approle", "role id and secret id"),
    ("jwt", "a JWT, as Kubernetes gives them"),
)
_LOGIN_KEYS: Final[Mapping[str, tuple[_Key, ...]]] = {
    "token": (_Key("token_file", "the file of the token"),),
    "approle": (
        _Key("role_id", "the AppRole's role id"),
        _Key("secret_id_secret", "the secret that holds the secret id", "vault-secret-id"),
    ),
    "jwt": (
        _Key("auth_role", "the role of the auth method"),
        _Key("jwt_file", "the file of the JWT", "/var/run/secrets/tokens/vault"),
    ),
}
#: Each of these stands for the same with another ending.
_PLACES: Final = ("_file", "_env", "_secret")


def identity_plan(args: argparse.Namespace, questions: Questions, judge: Judge) -> IdentityPlan:
    """`[identity]` from options and answers. Raises `Fault`."""
    if args.identity_from is not None:
        if args.source or args.identity:
            raise UsageError("--identity-from says all of it", hint="leave out the other options")
        return _from_file(args.identity_from)
    default = "spiffe" if has_workload_api(os.environ) else "issuer"
    source = questions.choice(
        "--source", args.source, "Where does the client certificate come from?", SOURCES,
        default=default,
    )  # fmt: skip
    return _Asked(source, _given(args.identity), questions, judge).plan()


class _Asked:
    """One source's table, key by key."""

    def __init__(
        self, source: str, given: Mapping[str, str], questions: Questions, judge: Judge
    ) -> None:
        self._source = source
        self._given = given
        self._questions = questions
        self._judge = judge
        self._table: dict[str, Any] = {}

    def plan(self) -> IdentityPlan:
        for key in _KEYS[self._source]:
            self._ask(key)
        if self._source == "issuer":
            for key in _JOIN_KEYS[self._join()]:
                self._ask(key)
        if self._source == "vault":
            for key in _LOGIN_KEYS[self._login()]:
                self._ask(key)
        head: dict[str, Any] = {"source": self._source}
        if self._source in _ASKED_FOR_A_NAME or "spiffe_id" in self._given:
            head["spiffe_id"] = self._text(_SPIFFE_ID, source="")
        for name in self._given:
            if name != "spiffe_id" and name not in self._table:
                self._table[name] = self._value(name)
        return IdentityPlan(head=head, tables={self._source: self._table} if self._table else {})

    def _join(self) -> str:
        if any(name.startswith(("bound_", "registration_")) for name in self._given):
            return "bound-key"
        if any(name.startswith(("id_token", "token_rule")) for name in self._given):
            return "id-token"
        given = "token" if any(map(self._is_given, _JOIN_KEYS["token"])) else None
        said = "How does this machine join?"
        return self._questions.choice("--identity", given, said, _JOINS, default="token")

    def _login(self) -> str:
        said = "How does the gateway log in?"
        given = self._given.get("auth")
        way = self._questions.choice("--identity auth", given, said, _LOGINS, default="token")
        self._table["auth"] = way
        return way

    def _ask(self, key: _Key) -> None:
        """Put the key into the table, unless it was given in another form or may be left out."""
        if key.name == "socket" and not self._is_given(key):
            found = workload_socket(os.environ)
            if found or has_workload_api(os.environ):
                key = key._replace(default=found)
        if key.name == "provisioner" and any(name.startswith("token_") for name in self._given):
            return
        if self._is_given(key) and key.name not in self._given:
            return
        if key.name in self._given:
            self._table[key.name] = self._value(key.name)
        elif text := self._text(key, source=self._source):
            self._table[key.name] = text

    def _is_given(self, key: _Key) -> bool:
        """Whether it, or the same from another place, is among the options."""
        stem = next((key.name.removesuffix(end) for end in _PLACES if key.name.endswith(end)), "")
        others = {f"{stem}{end}" for end in _PLACES} if stem else set()
        if key.name == "provisioner_key_secret":
            others |= {f"token{end}" for end in _PLACES}
        if key.name == "id_token_file":
            others |= {"id_token_url", "id_token_command"}
        return bool({key.name, *others} & self._given.keys())

    def _text(self, key: _Key, *, source: str) -> str:
        return self._questions.text(
            f"--identity {key.name}",
            self._given.get(key.name),
            key.prompt,
            default=key.default,
            check=lambda text: self._problem(source, key.name, text),
        )

    def _value(self, name: str) -> Any:
        """What was given for a key: a text, or else a number, flag or list as TOML writes it."""
        text = self._given[name]
        problem = self._problem(self._source, name, text)
        if problem is None:
            return text
        for value in _as_toml(text):
            if self._problem(self._source, name, value) is None:
                return value
        raise UsageError(f"--identity {name}: {problem.message}", hint=problem.hint)

    def _problem(self, source: str, name: str, value: object) -> ConfigProblem | None:
        others = {**self._given, **self._table} if source else {}
        return self._judge.identity(source, {**others, name: value}, name)


def _as_toml(text: str) -> Iterator[Any]:
    try:
        yield tomllib.loads(f"value = {text}")["value"]
    except (ValueError, KeyError, RecursionError):
        return


def _given(options: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            raise UsageError(
                f"--identity {name}: what it is set to is missing",
                hint="write it like --identity url=https://127.0.0.1:8440",
            )
        found[name] = value
    return found


def _from_file(path: Path) -> IdentityPlan:
    """The tables that a file holds, such as the output of `issuer token`; "-" is the input."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        table = tomllib.loads(text).get("identity")
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--identity-from {path} can't be used: {error}") from error
    if not isinstance(table, dict):
        raise UsageError(
            f"--identity-from {path} holds no table [identity]",
            hint="it should be what `devwiz-gw issuer token` prints",
        )
    tables = {name: value for name, value in table.items() if isinstance(value, dict)}
    head = {name: value for name, value in table.items() if name not in tables}
    return IdentityPlan(head=head, tables=tables)
