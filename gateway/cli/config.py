"""`devwiz-gw config`: find what is wrong with a configuration file before it is used."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import add_commands
from gateway.errors import ConfigInvalid, ConfigProblem

if TYPE_CHECKING:
    from gateway.config.model import Config, IdentityConfig, Route


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands of `config`."""
    commands = add_commands(parser)
    check = commands.add(
        "check",
        summary="check a configuration file and list everything that is wrong with it",
        examples=("devwiz-gw config check", "devwiz-gw config check --json --config acme.toml"),
        run=_check,
    )
    check.add_argument("--json", action="store_true", help="print the findings as JSON")


def _check(args: argparse.Namespace) -> int:
    from gateway.config.foreign_peers import foreign_peers

    try:
        config = _checked(args)
    except ConfigInvalid as invalid:
        if not args.json:
            raise
        problems = _listed(invalid.problems)
        output.document({"ok": False, "config": invalid.path, "problems": problems})
        return ExitCode.FAILED
    warnings = foreign_peers(config)
    if args.json:
        found: dict[str, object] = {"ok": True, "config": str(config.path), "problems": []}
        output.document(found | {"warnings": _listed(warnings)} | _allowed(config))
    else:
        _show(config)
        for warning in warnings:
            output.warning(f"{warning.key}: {warning.message}", hint=warning.hint)
    return ExitCode.OK


def _listed(problems: Iterable[ConfigProblem]) -> list[dict[str, str]]:
    return [asdict(problem) for problem in problems]


def _checked(args: argparse.Namespace) -> Config:
    from gateway.config.load import find_config, load
    from gateway.config.named_files import unusable_files

    config = load(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    if unusable := unusable_files(config):
        raise ConfigInvalid(str(config.path), unusable)
    return config


def _show(config: Config) -> None:
    from gateway.config.identities import identities_of

    output.line(f"ok: {config.path}")
    facts = (
        ("project", config.project),
        *((_titled(name), _sources(each)) for name, each in identities_of(config).items()),
        ("admin socket", str(config.admin.socket)),
        *_allowances(config),
    )
    rows = [_row(route) for route in config.routes]
    headings = ("ROUTE", "KIND", "LISTENER", "UPSTREAM", "PEER", "HEADERS")
    lines = output.fitted(headings, rows, columns=output.terminal_width())
    for text in (*output.pairs(facts), "", *lines):
        output.line(text)


def _allowed(config: Config) -> dict[str, object]:
    """What `[run]` may give to programs, and `[rotate]` may replace; names only."""
    return {
        "run": {
            "env": {item.name: list(item.value_names) for item in config.run.env},
            "secrets": list(config.run.secrets),
            "allow_dangerous": sorted(config.run.dangerous),
        },
        "rotate": [
            {"name": item.name, "secret": item.secret or None, "provider": item.provider}
            for item in config.rotations
        ],
    }


def _allowances(config: Config) -> Iterator[tuple[str, str]]:
    run = config.run
    if run.env:
        yield "run gives", ", ".join(item.name for item in run.env)
    if run.secrets:
        yield "on demand", ", ".join(run.secrets)
    if run.dangerous:
        yield "dangerous", ", ".join(sorted(run.dangerous))
    for item in config.rotations:
        what = f"the secret {item.secret}" if item.secret else "keys"
        yield f"rotate {item.name}", f"{what}, by {item.provider}"


def _titled(identity: str) -> str:
    from gateway.config.model import DEFAULT_IDENTITY

    return "identity" if identity == DEFAULT_IDENTITY else f"identity {identity}"


def _sources(identity: IdentityConfig) -> str:
    return ", ".join(source.name for source in identity.sources)


def _row(route: Route) -> list[str]:
    return [
        route.name,
        route.kind,
        ", ".join(route.listen_url(str(address)) for address in route.listen),
        route.upstream_url,
        ", ".join(str(peer) for peer in route.peer),
        ", ".join(header.name for header in route.headers),
    ]
