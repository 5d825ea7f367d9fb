"""What can follow what on the command line, read from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.cli.completion_words import Command, Kind, Option, Value
from gateway.cli.main import program_parser, verb_parser
from gateway.cli.verbs import VERBS

#: Arguments that are a name which the configuration tells, by command and destination.
NAMED: Final[dict[tuple[str, str], Kind]] = {
    ("client print", "route"): "routes",
    ("doctor", "routes"): "routes",
    ("envrc start", "only"): "variables",
    ("healthcheck", "route"): "routes",
    ("identity device-key", "name"): "identities",
    ("identity export", "name"): "identities",
    ("identity renew", "name"): "identities",
    ("identity show", "name"): "identities",
    ("identity verify", "name"): "identities",
    ("login supabase", "token"): "tokens",
    ("logout supabase", "token"): "tokens",
    ("rotate", "name"): "rotations",
    ("run", "only"): "variables",
    ("secret get", "name"): "secrets",
    ("secret rm", "name"): "secrets",
    ("secret set", "name"): "secrets",
}


def all_commands() -> list[Command]:
    """The program, its verbs and their commands."""
    program = program_parser()
    verbs = tuple((verb.name, verb.summary) for verb in VERBS)
    top = Command(path="", commands=verbs, options=_options(program, ""), places=())
    return [top, *(found for verb in VERBS for found in _commands(verb_parser(verb), verb.name))]


def _commands(parser: argparse.ArgumentParser, path: str) -> Iterator[Command]:
    below: dict[str, argparse.ArgumentParser] = {}
    summaries: dict[str, str] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse tells it nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            below |= action.choices
            summaries |= {item.dest: item.help or "" for item in action._choices_actions}  # noqa: SLF001
    places = [action for action in _shown(parser) if not action.option_strings]
    yield Command(
        path=path,
        commands=tuple((name, summaries.get(name, "")) for name in below),
        options=_options(parser, path),
        places=tuple(_value(action, path) for action in places),
        repeats=bool(places) and places[-1].nargs in {"*", "+"},
    )
    for name, inner in below.items():
        yield from _commands(inner, f"{path} {name}")


def _options(parser: argparse.ArgumentParser, path: str) -> tuple[Option, ...]:
    return tuple(
        Option(
            flags=tuple(action.option_strings),
            summary=" ".join((action.help or "").split()),
            value=None if action.nargs in {0, "?"} else _value(action, path),
        )
        for action in _shown(parser)
        if action.option_strings
    )


def _shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001
        is_commands = isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        if action.help != argparse.SUPPRESS and not is_commands and action.dest != "verb":
            yield action


def _value(action: argparse.Action, path: str) -> Value:
    if kind := NAMED.get((path, action.dest)):
        return Value(kind)
    if action.choices is not None:
        return Value("words", tuple(map(str, action.choices)))
    if action.nargs == argparse.REMAINDER:
        return Value("command")
    if action.metavar in {"DIR", "FOLDER"}:
        return Value("folders")
    return Value("files" if action.type is Path or action.metavar == "FILE" else "")
