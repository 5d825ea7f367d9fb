"""The part of `init` about a route: what it leads to, and whom it expects there."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

from gateway.cli.init_questions import Questions
from gateway.cli.parsers import UsageError
from gateway.config.upstreams import https_origin
from gateway.errors import ConfigProblem
from gateway.first_run.answers import Judge
from gateway.first_run.plan import RoutePlan, Speaks
from gateway.first_run.surroundings import free_port, route_name

#: What an upstream may speak, and the words of `--kind`.
KINDS: Final = (
    ("mcp", "an MCP server"),
    ("langgraph", "a LangGraph server"),
    ("a2a", "an A2A agent"),
    ("http", "anything else over HTTP: REST, server-sent events, WebSocket"),
)
_LOOK_S: Final = 5.0
_PORT: Final = re.compile(r":(\d+)$")
_PLACEHOLDER: Final = re.compile(r"\{(secret|token):[^{}]+\}")


def route_plan(
    args: argparse.Namespace, questions: Questions, judge: Judge, raw: Mapping[str, Any]
) -> RoutePlan:
    """A `[[routes]]` table from options and answers, beside those of `raw`. Raises `Fault`."""
    others = [route for route in raw.get("routes") or [] if isinstance(route, dict)]
    speaks = questions.choice(
        "--kind", args.kind, "What is there to be reached?", KINDS, default="mcp"
    )
    upstream, path = _upstream(args, questions, judge)
    name = questions.text(
        "--route",
        args.route,
        "a name for the route",
        default=route_name(upstream, [str(route.get("name")) for route in others]),
        check=lambda text: judge.route("name", text),
    )
    listen = questions.text(
        "--listen",
        args.listen,
        "its local port",
        default=f"localhost:{free_port(_ports(others))}",
        check=lambda text: judge.route("listen", _address(text)),
    )
    peers, knows_host = _peers(args, questions, judge, upstream)
    return RoutePlan(
        name=name,
        speaks=cast("Speaks", speaks),
        listen=_address(listen),
        upstream=upstream,
        peers=peers,
        trust_bundle=_trust_bundle(args, questions, judge, asks=knows_host),
        headers=_headers(args, questions, judge, name=name, speaks=speaks),
        path=path,
    )


def _upstream(args: argparse.Namespace, questions: Questions, judge: Judge) -> tuple[str, str]:
    """Origin and path: people have the URL of an endpoint at hand, and it is cut in two."""
    text = questions.text(
        "--upstream",
        args.upstream,
        "its URL (https://HOST:PORT)",
        check=lambda text: judge.route("upstream", _cut(text)[0]),
    )
    return _cut(text)


def _cut(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, ""
    if "?" in url or "#" in url or not parts.netloc or not parts.path.strip("/"):
        return url, ""
    return f"{parts.scheme}://{parts.netloc}", parts.path


def _address(text: str) -> str:
    """A bare port is one of localhost."""
    return f"localhost:{text}" if text.isascii() and text.isdigit() else text


def _ports(routes: Sequence[Mapping[str, Any]]) -> list[int]:
    named = [route.get("listen") for route in routes]
    texts = [text for item in named for text in (item if isinstance(item, list) else [item])]
    found = [_PORT.search(text) for text in texts if isinstance(text, str)]
    return [int(port[1]) for port in found if port]


def _peers(
    args: argparse.Namespace, questions: Questions, judge: Judge, upstream: str
) -> tuple[tuple[str, ...], bool]:
    """The names to expect, none for the host's; and whether the server seems to have one of the
    public kind, which other authorities than the identity's may have signed.
    """
    if args.peer:
        for name in args.peer:
            if problem := judge.route("peer", [name]):
                raise UsageError(f"--peer: {problem.message}", hint=problem.hint)
        return tuple(args.peer), False
    if not questions.asks and not args.trust_on_first_use:
        return (), False
    return _seen_peers(args, questions, judge, upstream)


def _seen_peers(
    args: argparse.Namespace, questions: Questions, judge: Judge, upstream: str
) -> tuple[tuple[str, ...], bool]:
    from gateway.control_plane.resolver import look_up
    from gateway.doctor.look import Unseen, look

    origin = https_origin(upstream)
    questions.say(f"Looking at {origin} …")
    shown = asyncio.run(look(origin.host, origin.port, lookup=look_up, deadline_s=_LOOK_S))
    if isinstance(shown, Unseen):
        if args.trust_on_first_use:
            raise UsageError(
                f"no certificate of {origin} can be seen: {shown.why}",
                hint="start it, or name whom to expect with --peer",
            )
        questions.say(f"Its certificate can't be seen now: {shown.why}")
        return _typed_peer(questions, judge), False
    questions.say(f"It shows a certificate for {shown.text}.")
    if shown.is_of_host:
        questions.say("That is its host's name, as it is expected by default.")
        return (), True
    if shown.names:
        questions.say(
            "Nobody has checked it: whoever answers there now would be expected from now on (trust "
            "on first use). Compare the name with what the upstream's operator says."
        )
        name = shown.names[0]
        if args.trust_on_first_use or questions.agreed(f"expect {name}?"):
            return (name,), not name.startswith("spiffe:")
    return _typed_peer(questions, judge), False


def _typed_peer(questions: Questions, judge: Judge) -> tuple[str, ...]:
    text = questions.text(
        "--peer",
        None,
        'whom to expect ("spiffe://DOMAIN/PATH", "dns:NAME"; nothing for the host\'s name)',
        default="",
        check=lambda text: judge.route("peer", [text]),
    )
    return (text,) if text else ()


def _trust_bundle(
    args: argparse.Namespace, questions: Questions, judge: Judge, *, asks: bool
) -> str:
    def check(text: str) -> ConfigProblem | None:
        return judge.route("trust_bundle", text)

    prompt = "file of the authorities that signed it (nothing for those of the identity)"
    if args.trust_bundle is None and not asks:
        return ""
    return questions.text("--trust-bundle", args.trust_bundle, prompt, default="", check=check)


def _headers(
    args: argparse.Namespace, questions: Questions, judge: Judge, *, name: str, speaks: str
) -> dict[str, str]:
    if args.header:
        return _given_headers(args.header, judge)
    if not questions.agreed("Does it want a token or key in a header as well?"):
        return {}
    header = questions.text(
        "--header",
        None,
        "the header",
        default="x-api-key" if speaks == "langgraph" else "Authorization",
        check=lambda text: judge.route("headers", {text: "x"}),
    )
    form = "Bearer {{secret:{}}}" if header.lower() == "authorization" else "{{secret:{}}}"
    secret = questions.text(
        "--header",
        None,
        "the name of the secret that holds the value (the value itself is asked for later)",
        default=f"{name}-token",
        check=lambda text: judge.route("headers", {header: form.format(text)}),
    )
    return {header: form.format(secret)}


def _given_headers(options: Sequence[str], judge: Judge) -> dict[str, str]:
    found: dict[str, str] = {}
    for option in options:
        name, equals, template = option.partition("=")
        if not equals or not _PLACEHOLDER.search(template):
            # Whatever it is, it isn't repeated.
            raise UsageError(
                "--header takes NAME=TEMPLATE with a {secret:NAME} or {token:NAME} in it",
                hint="a value is not taken from the command line: if this was one, replace it, and "
                "keep the new one with devwiz-gw secret set",
            )
        if problem := judge.route("headers", {name: template}):
            raise UsageError(f"--header {name}: {problem.message}", hint=problem.hint)
        found[name] = template
    return found
