"""Writes docs/quick-starts.md from the table of clients: `python -m tests.quick_starts`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.clients.access import Access
from gateway.clients.catalogue import CLIENTS, KnownClient, http_entry, stdio_entry
from gateway.clients.files.base import Spot, with_entry
from gateway.clients.files.named import format_named
from gateway.clients.formats import FORMATS, ClientFormat

PAGE = Path(__file__).parents[1] / "docs" / "quick-starts.md"

_ROUTE = "planner"
_ADDRESS = "http://127.0.0.1:8701"
_COMMAND = ("devwiz-gw", "stdio", _ROUTE, "--config", "/home/me/acme/devwiz-gw.toml")
_SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
_LANGUAGES = {"python": "python", "langgraph": "python", "a2a": "python", "typescript": "ts"}
#: What a person calls the forms that are for no client known by name.
_TITLES = {
    "url": "Anything that takes an address",
    "curl": "curl",
    "python": "Python: `mcp`",
    "langgraph": "Python: `langgraph-sdk`",
    "a2a": "Python: `a2a-sdk`",
    "typescript": "TypeScript",
    "json": "Other MCP clients",
}
_MORE = {
    "langgraph": "What is to be known of its streams: [LangGraph](operations/langgraph.md).",
    "a2a": 'The route needs `agent_card = "rewrite"`: [A2A](operations/a2a.md).',
    "curl": "Where the route listens on a Unix socket only, `--unix-socket` is added.",
}

_INTRODUCTION = f"""\
# Quick starts

<!-- Generated from the table of clients by `python -m tests.quick_starts`. -->

A gateway runs, and has a route: `devwiz-gw init` makes one, as the [README](../README.md) shows.
Here the route is called `{_ROUTE}` and listens on `127.0.0.1:8701`. Each client is told that, and
nothing else: no certificate, and no token of the remote side. `devwiz-gw client print {_ROUTE}`
prints the same with your route's own address; what `install` does to a file, and how it is undone,
is said in [local clients](operations/clients.md).

If it doesn't work: `devwiz-gw doctor`, and [troubleshooting](troubleshooting.md).
"""


def page() -> str:
    """The whole page."""
    lines = [_INTRODUCTION, "| client | |", "|---|---|"]
    told = [(client.title, _how(client)) for client in CLIENTS.values()]
    told += [(_TITLES[name], form.summary) for name, form in FORMATS.items()]
    lines += [f"| [{title}](#{_anchor(title)}) | {how} |" for title, how in told]
    lines.append("")
    for client in CLIENTS.values():
        lines += _known(client)
    for form in FORMATS.values():
        lines += _form(form)
    return "\n".join(lines).rstrip() + "\n"


def _how(client: KnownClient) -> str:
    if not client.scopes:
        return "pasted into its settings"
    return "by HTTP" if client.http is not None else "by a command that it starts"


def _known(client: KnownClient) -> Iterator[str]:
    verb = "install" if client.scopes else "print"
    yield from (f"## {client.title}", "", "```sh")
    yield f"devwiz-gw client {verb} {_ROUTE} --client {client.name}"
    if "project" in client.scopes and "user" in client.scopes:
        yield f"devwiz-gw client install {_ROUTE} --client {client.name} --scope project"
    yield from ("```", "", f"Then {client.after}.", "")
    yield from (_files(client), "", f"```{client.format}", _entry(client), "```", "")


def _files(client: KnownClient) -> str:
    if not client.scopes:
        return "What is to be pasted:"
    same = len({tuple(paths) for paths in client.user.values()}) == 1
    places = [
        f"`{paths[-1]}`" + ("" if same else f" ({_SYSTEMS[system]})")
        for system, paths in client.user.items()
    ]
    named = list(dict.fromkeys(place.replace("$CONFIG", "~/.config") for place in places))
    if client.project:
        named.append(f"`{client.project[0]}` in the project's folder")
    return f"The entry, in {', or '.join(named).replace('$HOME', '~')}:"


def _entry(client: KnownClient) -> str:
    access = Access(route=_ROUTE, url=f"{_ADDRESS}/mcp")
    is_http = client.http is not None
    entry = http_entry(client, access) if is_http else stdio_entry(client, _ROUTE, _COMMAND)
    spot = Spot(container=client.container, name=_ROUTE)
    return with_entry(format_named(client.format), "", spot, entry).rstrip("\n")


def _form(form: ClientFormat) -> Iterator[str]:
    text = form.text(Access(route=_ROUTE, url=f"{_ADDRESS}{form.path}"))
    yield from (f"## {_TITLES[form.name]}", "", "```sh")
    yield from (f"devwiz-gw client print {_ROUTE} --client {form.name}", "```", "", "prints", "")
    yield from (f"```{_LANGUAGES.get(form.name, '')}", text, "```", "")
    if form.name in _MORE:
        yield from (_MORE[form.name], "")


def _anchor(title: str) -> str:
    """Where a heading is linked to, as GitHub makes it."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in "-_ ")
    return kept.replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
