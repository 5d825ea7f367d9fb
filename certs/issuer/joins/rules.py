"""Join rules: what an operator writes down once, so that workloads can join without a one-time
token. Pure.

A rule has a name, which a workload says when it joins, and binds the names that it gets. What
proves the workload is the rule's *terms*: an identity token of a provider (`TokenTerms`), or a key
that was bound to the rule (`BoundKeyTerms`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from certs.issuer.joins.claim_rules import ClaimRule
from certs.issuer.joins.compact_jws import ALGORITHMS
from certs.issuer.joins.key_set import InvalidKeySet, KeySet
from certs.issuer.locks import LockKind, Target
from certs.issuer.policy import Binding, InvalidPolicy

TokenMethod = Literal["oidc", "kubernetes"]
RecoveryMode = Literal["standard", "relaxed", "insecure"]

DEFAULT_ALGORITHMS: Final = ("RS256", "ES256")
MAX_RECOVERY_LIMIT: Final = 1_000_000

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_MAX_AUDIENCES: Final = 10
_MAX_TEXT: Final = 512
# Names of Kubernetes objects: RFC 1123 labels and subdomains, here with our `*`.
_ACCOUNT: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([a-z0-9*][a-z0-9.*-]{0,252})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Whose tokens are taken, and where its keys are.

    Attributes:
        issuer: the `iss` of its tokens, letter by letter.
        key_set: its keys, a JWK Set as JSON text, where they were uploaded; nothing is fetched
            then.
        key_set_url: where its keys are; "" for where its discovery document says.
        key_hosts: hosts, besides the issuer's, to which that document may lead.
        ca_pem: the authorities of its HTTPS server; "" for those of the operating system.
        bearer_file: a file with a token to show when asking for the keys (a cluster's own).
    """

    issuer: str
    key_set: str = ""
    key_set_url: str = ""
    key_hosts: tuple[str, ...] = ()
    ca_pem: str = ""
    bearer_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """A token of `provider` for one of `audiences`, signed by one of `algorithms`, whose claims
    meet all rules of one of `alternatives`.
    """

    method: TokenMethod
    provider: Provider
    audiences: tuple[str, ...]
    alternatives: tuple[tuple[ClaimRule, ...], ...]
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKeyTerms:
    """A signature of the key that is bound to the rule; the key itself is state.

    Attributes:
        mode: "standard" counts joins against `recovery_limit`; "relaxed" doesn't; "insecure"
            doesn't look at the join state either.
        recovery_limit: how many joins there may be, the first one included.
    """

    mode: RecoveryMode = "relaxed"
    recovery_limit: int = 1


Terms = TokenTerms | BoundKeyTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRule:
    """A rule as it is kept. `id` names it in instances, locks and audit lines."""

    name: str
    binding: Binding
    terms: Terms

    @property
    def id(self) -> str:
        """Not to be mistaken for a one-time token's."""
        return f"rule:{self.name}"

    @property
    def targets(self) -> tuple[Target, ...]:
        """What can be locked to keep out who joins by it."""
        return (
            Target(kind=LockKind.BOT, name=self.binding.workload),
            Target(kind=LockKind.TOKEN, name=self.id),
        )

    @property
    def method(self) -> str:
        """The word for it in commands and audit lines."""
        return self.terms.method if isinstance(self.terms, TokenTerms) else "bound-key"


def checked_name(name: str) -> str:
    """The name of a rule. Raises `InvalidPolicy`."""
    if not _NAME.fullmatch(name):
        raise InvalidPolicy(
            f"rule name {name[:80]!r} is not usable",
            hint="use 1–63 of a–z, 0–9, '.', '_', '-', starting with a letter or digit",
        )
    return name


def check_token_terms(terms: TokenTerms) -> None:
    """Hold an operator's wishes against what can be kept safe.

    Raises:
        InvalidPolicy: names what is wrong.
    """
    _check_provider(terms.provider)
    if not 0 < len(terms.audiences) <= _MAX_AUDIENCES or not all(map(_is_short, terms.audiences)):
        raise InvalidPolicy(
            "the audience is missing or not usable",
            hint="name the audience that the tokens are made for, alone for this issuer",
        )
    foreign = [name for name in terms.algorithms if name not in ALGORITHMS]
    if foreign or not terms.algorithms:
        raise InvalidPolicy(
            f"the algorithm {', '.join(foreign) or ''!r} is not usable",
            hint=f"choose from {', '.join(ALGORITHMS)}",
        )
    if not terms.alternatives or not all(terms.alternatives):
        raise InvalidPolicy(
            "the rule lets every token of the provider in",
            hint="say whose tokens are taken: --claim or --claim-like, or --service-account",
        )


def check_bound_key_terms(terms: BoundKeyTerms) -> None:
    """Raises `InvalidPolicy` where the limit is out of range."""
    if not 1 <= terms.recovery_limit <= MAX_RECOVERY_LIMIT:
        raise InvalidPolicy(
            f"a recovery limit of {terms.recovery_limit} is out of range",
            hint=f"use 1 to {MAX_RECOVERY_LIMIT}",
        )


def service_account_rules(account: str) -> tuple[ClaimRule, ...]:
    """The claims of a projected service account token for NAMESPACE/NAME; `*` in NAME as in
    `ClaimRule.like`.

    Raises:
        InvalidPolicy: it has another form.
    """
    match = _ACCOUNT.fullmatch(account)
    if match is None:
        raise InvalidPolicy(
            f"{account[:80]!r} is not a service account", hint="write NAMESPACE/NAME"
        )
    namespace, name = match.groups()
    subject = f"system:serviceaccount:{namespace}:{name}"

    def rule(path: str, value: str) -> ClaimRule:
        # A lone star is for every account of the namespace, which the subject's pattern says.
        return ClaimRule(path=path, **{"like" if "*" in value else "equals": (value,)})

    rules = (rule("sub", subject), rule("/kubernetes.io/namespace", namespace))
    if not name.strip("*"):
        return rules
    return (*rules, rule("/kubernetes.io/serviceaccount/name", name))


def to_json(terms: Terms) -> str:
    """The terms as they are kept in a row."""
    return json.dumps(asdict(terms))


def from_json(text: str) -> Terms:
    """The terms of `to_json`."""
    content: dict[str, Any] = json.loads(text)
    if "mode" in content:
        return BoundKeyTerms(**content)
    provider = content["provider"]
    return TokenTerms(
        method=content["method"],
        provider=Provider(**provider | {"key_hosts": tuple(provider["key_hosts"])}),
        audiences=tuple(content["audiences"]),
        alternatives=tuple(_rules(rules) for rules in content["alternatives"]),
        algorithms=tuple(content["algorithms"]),
    )


def is_fetchable(url: str) -> bool:
    """Whether keys may be fetched there: HTTPS, or plain HTTP that doesn't leave the machine."""
    try:
        parts = urlsplit(url)
        plain = parts.hostname and not (parts.username or parts.password or parts.fragment)
        is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        return bool(plain) and (parts.scheme == "https" or is_local) and parts.port != 0
    except ValueError:
        return False


def _rules(rules: Sequence[Mapping[str, Any]]) -> tuple[ClaimRule, ...]:
    return tuple(
        ClaimRule(path=rule["path"], equals=tuple(rule["equals"]), like=tuple(rule["like"]))
        for rule in rules
    )


def _check_provider(provider: Provider) -> None:
    if not _is_short(provider.issuer):
        raise InvalidPolicy(
            "the provider's issuer (iss) is missing or too long",
            hint="write it as the provider's tokens have it in iss",
        )
    if provider.key_set:
        _check_uploaded(provider.key_set.encode())
        return
    url = provider.key_set_url or provider.issuer
    if not is_fetchable(url):
        raise InvalidPolicy(
            f"the provider's keys can't be fetched from {url[:200]!r}",
            hint="use an https URL (http on this machine only), or upload its keys: --jwks-file",
        )


def _check_uploaded(content: bytes) -> None:
    if KeySet.holds_private_keys(content):
        raise InvalidPolicy(
            "the key set holds private keys", hint="upload public keys only, and replace those keys"
        )
    try:
        usable = KeySet.parse(content).keys
    except InvalidKeySet as error:
        raise InvalidPolicy(
            f"the key set is not usable: {error}", hint="upload the provider's JWKS as it is"
        ) from error
    if not usable:
        raise InvalidPolicy(
            "the key set has no key that can be used",
            hint='each needs a "kid" of its own, and to be RSA (2048 bits or more), EC or Ed25519',
        )


def _is_short(text: str) -> bool:
    return 0 < len(text) <= _MAX_TEXT
