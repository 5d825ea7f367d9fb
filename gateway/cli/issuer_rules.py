"""`devwiz-gw issuer token --method …` and the commands for join rules: ways to join that cost no
one-time token.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.issuer_arguments import (
    DEFAULT_URL,
    add_folder,
    add_json,
    add_out,
    check_out,
    write_out,
)
from gateway.cli.parsers import Commands, UsageError, duration

if TYPE_CHECKING:
    from certs.issuer.joins.claim_rules import ClaimRule
    from certs.issuer.joins.recovery import BoundKey
    from certs.issuer.joins.rule_book import NewRule, RuleWish
    from certs.issuer.joins.rules import JoinRule, Provider, Terms, TokenTerms

METHODS: Final = ("token", "oidc", "kubernetes", "bound-key")
_MODES: Final = ("standard", "relaxed", "insecure")
_CLUSTER: Final = "https://kubernetes.default.svc.cluster.local"
_DEFAULT_ALGORITHMS: Final = "RS256 and ES256"
# Which options belong to which methods, so that one that would be ignored is refused.
_OPTIONS: Final = {
    "rule": ("oidc", "kubernetes", "bound-key"),
    "provider": ("oidc", "kubernetes"),
    "audience": ("oidc", "kubernetes"),
    "claim": ("oidc",),
    "claim_like": ("oidc",),
    "service_account": ("kubernetes",),
    "algorithm": ("oidc", "kubernetes"),
    "jwks_file": ("oidc", "kubernetes"),
    "jwks_url": ("oidc", "kubernetes"),
    "jwks_host": ("oidc", "kubernetes"),
    "provider_ca": ("oidc", "kubernetes"),
    "provider_token_file": ("oidc", "kubernetes"),
    "public_key": ("bound-key",),
    "recovery_mode": ("bound-key",),
    "recovery_limit": ("bound-key",),
}


def add_method_options(token: argparse.ArgumentParser) -> None:
    """Add `--method`, and what each method takes, to `issuer token`."""
    token.add_argument(
        "--method",
        choices=METHODS,
        default="token",
        help="what a workload joins with: a one-time token (default), or, by a join rule, a "
        "provider's identity token, a service account's, or a key of its own",
    )
    token.add_argument(
        "--rule", metavar="NAME", help="name of the join rule (default: that of the workload)"
    )
    _add_provider_options(token.add_argument_group("for --method oidc and kubernetes"))
    _add_key_options(token.add_argument_group("for --method bound-key"))


def add_commands_to(commands: Commands) -> None:
    """Add `rules`, `change-rule` and `remove-rule`."""
    listing = commands.add(
        "rules",
        summary="list the join rules, and how far each bound key has come",
        examples=("devwiz-gw issuer rules --dir issuer",),
        run=_run_list,
    )
    add_folder(listing)
    add_json(listing)
    changing = commands.add(
        "change-rule",
        summary="change how often the key of a rule may join, or let another key take its place",
        examples=(
            "devwiz-gw issuer change-rule laptop --dir issuer --recovery-limit 20",
            "devwiz-gw issuer change-rule laptop --dir issuer --new-registration --out secret",
        ),
        run=_run_change,
    )
    changing.add_argument("name", metavar="NAME", help="the join rule")
    add_folder(changing)
    _add_recovery(changing)
    changing.add_argument(
        "--new-registration",
        action="store_true",
        help="make a registration secret; the key that is bound now is good no more",
    )
    changing.add_argument(
        "--ttl",
        type=duration,
        default=timedelta(minutes=30),
        metavar="TIME",
        help="until when the registration secret can be used (default: 30m)",
    )
    add_out(changing, "secret")
    removing = commands.add(
        "remove-rule",
        summary="take a join rule away; who joined by it goes on until it is locked",
        examples=("devwiz-gw issuer remove-rule laptop --dir issuer",),
        run=_run_remove,
    )
    removing.add_argument("name", metavar="NAME", help="the join rule")
    add_folder(removing)


def check_options(args: argparse.Namespace) -> None:
    """Raises `UsageError` for an option that another method takes."""
    for name, methods in _OPTIONS.items():
        if getattr(args, name) not in (None, []) and args.method not in methods:
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} is not for --method {args.method}",
                hint=f"it goes with --method {' or '.join(methods)}",
            )


def make(args: argparse.Namespace) -> int:
    """Make a join rule; print the configuration for its workloads."""
    from certs.clock import SystemClock
    from certs.issuer.folder import open_issuer

    wish = _wish(args)
    opened, now = open_issuer(args.dir), SystemClock().now()
    try:
        new = opened.rule_book.add(wish, now)
        pins = opened.rotation.view(now).pins
        args.url = args.url or opened.served_at or DEFAULT_URL
    finally:
        opened.service.close()
    if args.out is not None and new.registration is not None:
        _write(args, new.registration.reveal())
    if args.json:
        output.document(_facts(args, new, pins))
    else:
        _print(args, new, pins)
    return ExitCode.OK


def _add_provider_options(group: argparse._ArgumentGroup) -> None:
    def add(name: str, metavar: str, text: str, **options: Any) -> None:
        group.add_argument(name, metavar=metavar, help=text, **options)

    def add_list(name: str, metavar: str, text: str) -> None:
        add(name, metavar, f"{text} (may be repeated)", action="append", default=[])

    add("--provider", "URL", f"the tokens' issuer, iss (kubernetes: {_CLUSTER})")
    add_list("--audience", "TEXT", "audience that the tokens are made for")
    add_list("--claim", "NAME=VALUE", "a claim and its value; /a/b is b inside a; of the values "
             "of one claim any will do")  # fmt: skip
    add_list("--claim-like", "NAME=PATTERN", "the same with * for any characters")
    add_list("--service-account", "NAMESPACE/NAME", "a service account; NAME may hold *")
    add_list("--algorithm", "NAME", f"signature algorithm (default: {_DEFAULT_ALGORITHMS})")
    add("--jwks-file", "FILE", "the provider's public keys; then nothing is fetched", type=Path)
    add("--jwks-url", "URL", "where its keys are, if there is no discovery document")
    add_list("--jwks-host", "HOST", "another host to which its discovery document may lead")
    add("--provider-ca", "FILE", "authorities of its HTTPS server, PEM", type=Path)
    add("--provider-token-file", "FILE", "token to show when fetching its keys", type=Path)


def _add_key_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="the workload's public key, PEM, as 'devwiz-gw identity device-key' prints it; "
        "without it, a registration secret is made",
    )
    _add_recovery(group)


def _add_recovery(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--recovery-mode",
        choices=_MODES,
        help="standard counts joins, relaxed only looks for copies (default), insecure does "
        "neither",
    )
    parser.add_argument(
        "--recovery-limit",
        type=int,
        metavar="N",
        help="with standard: how many joins, each start of a gateway being one (default: 1)",
    )


def _wish(args: argparse.Namespace) -> RuleWish:
    from certs.issuer.joins.rule_book import RuleWish

    return RuleWish(
        name=args.rule or args.name,
        workload=args.name,
        terms=_terms(args),
        path=args.spiffe_path,
        dns_names=tuple(args.dns_name),
        max_leaf_life=args.max_cert_ttl,
        public_key_pem=_read(args.public_key) if args.public_key else "",
        registration_life=args.ttl,
    )


def _terms(args: argparse.Namespace) -> Terms:
    from certs.issuer.joins.rules import BoundKeyTerms

    if args.method != "bound-key":
        return _token_terms(args)
    if args.recovery_limit is not None and args.recovery_mode != "standard":
        raise UsageError(
            "--recovery-limit needs --recovery-mode standard", hint="the other modes don't count"
        )
    return BoundKeyTerms(
        mode=args.recovery_mode or "relaxed",
        recovery_limit=1 if args.recovery_limit is None else args.recovery_limit,
    )


def _token_terms(args: argparse.Namespace) -> TokenTerms:
    from certs.issuer.joins.rules import DEFAULT_ALGORITHMS, TokenTerms, service_account_rules

    if args.method == "kubernetes":
        alternatives = tuple(service_account_rules(text) for text in args.service_account)
    else:
        rules = tuple(_claim_rules(args.claim, args.claim_like))
        alternatives = (rules,) if rules else ()
    return TokenTerms(
        method=args.method,
        provider=_provider(args),
        audiences=tuple(args.audience),
        alternatives=alternatives,
        algorithms=tuple(args.algorithm) or DEFAULT_ALGORITHMS,
    )


def _provider(args: argparse.Namespace) -> Provider:
    from certs.issuer.joins.rules import Provider

    issuer = args.provider or (_CLUSTER if args.method == "kubernetes" else "")
    if not issuer:
        raise UsageError("--provider is missing", hint="name the tokens' issuer (iss)")
    token_file = args.provider_token_file
    return Provider(
        issuer=issuer,
        key_set=_read(args.jwks_file) if args.jwks_file else "",
        key_set_url=args.jwks_url or "",
        key_hosts=tuple(args.jwks_host),
        ca_pem=_read(args.provider_ca) if args.provider_ca else "",
        # The issuer reads it later, from wherever it is started.
        bearer_file=str(token_file.absolute()) if token_file else "",
    )


def _claim_rules(equals: Iterable[str], like: Iterable[str]) -> Iterable[ClaimRule]:
    from certs.issuer.joins.claim_rules import ClaimRule

    found: dict[str, tuple[list[str], list[str]]] = {}
    for index, texts in enumerate((equals, like)):
        for text in texts:
            name, sign, value = text.partition("=")
            if not sign or not name:
                raise UsageError(f"{text!r} is not NAME=VALUE")
            found.setdefault(name, ([], []))[index].append(value)
    for name, (values, patterns) in found.items():
        yield ClaimRule(path=name, equals=tuple(values), like=tuple(patterns))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"{path} can't be read: {reason}") from error


def _write(args: argparse.Namespace, secret: str) -> None:
    hint = "make another: devwiz-gw issuer change-rule NAME --new-registration --out FILE"
    write_out(args, "registration secret", secret, hint=hint)


def _facts(args: argparse.Namespace, new: NewRule, pins: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "rule": new.rule.name,
        "method": new.rule.method,
        "spiffe_id": new.rule.binding.names.spiffe_id,
        "ca_pin": pins[0],
        "ca_pins": pins,
    }
    if new.registration is not None:
        key = "registration_secret" if args.out is None else "registration_file"
        facts[key] = new.registration.reveal() if args.out is None else str(args.out)
    return facts


def _print(args: argparse.Namespace, new: NewRule, pins: Sequence[str]) -> None:
    rule = new.rule
    output.line(f"# join rule  {rule.name} ({rule.method})")
    output.line(f"# for        {rule.binding.names.spiffe_id}")
    if new.registration is not None:
        where = str(args.out) if args.out is not None else new.registration.reveal()
        output.line(f"# secret     {where}")
    output.line("[identity]")
    output.line('source = "issuer"')
    output.line("[identity.issuer]")
    output.line(f'url = "{args.url}"')
    output.line(f"ca_pin = {json.dumps(pins[0] if len(pins) == 1 else pins)}")
    if rule.method == "bound-key":
        output.line(f'bound_rule = "{rule.name}"')
        output.line('bound_key_secret = "device-key"')
        if new.registration is not None:
            output.line(f'registration_file = "{args.out or "registration-secret"}"')
    else:
        output.line(f'token_rule = "{rule.name}"')
        output.line('id_token_file = "/var/run/secrets/tokens/devwiz-gw"')
    if new.registration is not None and args.out is None:
        output.note(
            "note: put the secret into the file registration-secret, mode 0600, beside the "
            "configuration; it is needed once"
        )


def _run_list(args: argparse.Namespace) -> int:
    from certs.issuer.folder import open_issuer

    opened = open_issuer(args.dir)
    try:
        found = opened.rule_book.all()
    finally:
        opened.service.close()
    if args.json:
        output.document([_described(rule, bound) for rule, bound in found])
        return ExitCode.OK
    if not found:
        output.note("there is no join rule; 'devwiz-gw issuer token --method' makes one")
    for rule, bound in found:
        output.line(f"{rule.name}  {rule.method}  {rule.binding.names.spiffe_id}")
        for text in _lines(_described(rule, bound)):
            output.line(f"    {text}")
    return ExitCode.OK


def _described(rule: JoinRule, bound: BoundKey | None) -> dict[str, Any]:
    from certs.issuer.joins.rules import TokenTerms

    facts: dict[str, Any] = {
        "rule": rule.name,
        "method": rule.method,
        "spiffe_id": rule.binding.names.spiffe_id,
    }
    terms = rule.terms
    if isinstance(terms, TokenTerms):
        facts["provider"] = terms.provider.issuer
        facts["keys"] = _keys_text(terms.provider)
        facts["audiences"] = list(terms.audiences)
        facts["algorithms"] = list(terms.algorithms)
        facts["claims"] = [
            {item.path: [*item.equals, *item.like] for item in rules}
            for rules in terms.alternatives
        ]
        return facts
    facts["recovery_mode"] = terms.mode
    if terms.mode == "standard":
        facts["recovery_limit"] = terms.recovery_limit
    if bound is not None:
        facts["is_bound"] = bool(bound.key_pem)
        facts["joins"] = bound.joins
        facts["instance"] = bound.instance_id
    return facts


def _keys_text(provider: Provider) -> str:
    if provider.key_set:
        return "uploaded"
    return provider.key_set_url or "discovered"


def _lines(facts: dict[str, Any]) -> Iterable[str]:
    for name, value in facts.items():
        if name in ("rule", "method", "spiffe_id") or value in ("", []):
            continue
        if name == "claims":
            for rules in value:
                texts = [f"{path} {' or '.join(values)}" for path, values in rules.items()]
                yield f"lets in      {', '.join(texts)}"
            continue
        text = ", ".join(value) if isinstance(value, list) else _word(value)
        yield f"{name.removeprefix('is_').replace('_', ' '):<12} {text}"


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _run_change(args: argparse.Namespace) -> int:
    from certs.clock import SystemClock
    from certs.issuer.folder import open_issuer

    if not (args.new_registration or args.recovery_mode or args.recovery_limit is not None):
        raise UsageError(
            "nothing to change is given",
            hint="--recovery-mode, --recovery-limit or --new-registration",
        )
    check_out(args)
    opened = open_issuer(args.dir)
    now = SystemClock().now()
    try:
        if args.recovery_mode or args.recovery_limit is not None:
            opened.rule_book.change_recovery(
                args.name, mode=args.recovery_mode, limit=args.recovery_limit, now=now
            )
        if not args.new_registration:
            output.note(f"the join rule {args.name} is changed")
            return ExitCode.OK
        secret = opened.rule_book.new_registration(args.name, life=args.ttl, now=now)
    finally:
        opened.service.close()
    if args.out is not None:
        _write(args, secret.reveal())
    else:
        output.line(secret.reveal())
    end = output.duration(args.ttl.total_seconds())
    output.note(f"the secret is good once, for {end}; the key that was bound is good no more")
    return ExitCode.OK


def _run_remove(args: argparse.Namespace) -> int:
    from certs.clock import SystemClock
    from certs.issuer.folder import open_issuer

    opened = open_issuer(args.dir)
    try:
        opened.rule_book.remove(args.name, SystemClock().now())
    finally:
        opened.service.close()
    output.note(f"the join rule {args.name} is gone; who joined by it goes on until it is locked")
    return ExitCode.OK
