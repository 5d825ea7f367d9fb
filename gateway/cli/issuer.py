"""`devwiz-gw issuer`: the issuer that gives workloads their identities."""

from __future__ import annotations

import argparse
import json
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import issuer_locks, issuer_rotation, issuer_rules, output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.issuer_arguments import (
    DEFAULT_LISTEN,
    DEFAULT_URL,
    add_folder,
    add_json,
    add_out,
    check_out,
    write_out,
)
from gateway.cli.parsers import UsageError, add_commands, duration

if TYPE_CHECKING:
    from certs.issuer.http import IssuerServer
    from gateway.service.manager import ServiceManager

#: How long its end takes at most, as the service manager is told.
_END_S: Final = 20.0
_RATES: Final = (
    ("address", 20, "from one address that shows no certificate"),
    ("instance", 2, "by one instance"),
    ("token", 10, "with one join token"),
)
_RATE: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's commands."""
    commands = add_commands(parser)
    init = commands.add(
        "init",
        summary="make a new issuer: its authority and its state",
        examples=("devwiz-gw issuer init --dir issuer --trust-domain acme.example",),
        run=run_init,
    )
    add_folder(init)
    init.add_argument("--trust-domain", required=True, metavar="NAME", help="like acme.example")
    init.add_argument(
        "--dns-name",
        action="append",
        default=[],
        metavar="NAME",
        help="name of the issuer's own HTTPS certificate besides localhost (may be repeated)",
    )
    add_json(init)

    serve = commands.add(
        "serve",
        summary="run an issuer until it is told to stop",
        examples=("devwiz-gw issuer serve --dir issuer --listen 127.0.0.1:8440 --ttl 1h",),
        run=run_serve,
    )
    add_folder(serve)
    serve.add_argument(
        "--listen",
        default=DEFAULT_LISTEN,
        metavar="IP:PORT",
        help="where to listen (default: %(default)s)",
    )
    serve.add_argument(
        "--ttl",
        type=duration,
        default=timedelta(hours=1),
        metavar="TIME",
        help="life of the certificates: 10s to 24h (default: 1h)",
    )
    for whose, default, who in _RATES:
        serve.add_argument(
            f"--rate-{whose}",
            type=_rate,
            default=default,
            metavar="N",
            help=f"requests a second {who}, ten times as many at once (default: %(default)s)",
        )
    _add_token(
        commands.add(
            "token",
            summary="make a join token, or a rule by which a workload joins without one",
            examples=(
                "devwiz-gw issuer token --dir issuer --name planner --out join-token",
                "devwiz-gw issuer token --dir issuer --name ci --uses 20 --ttl 8h --json",
                "devwiz-gw issuer token --dir issuer --name laptop --method bound-key",
                (
                    "devwiz-gw issuer token --dir issuer --name ci --method oidc --audience gw "
                    "--provider https://idp.acme.example --claim sub=agent:ci"
                ),
            ),
            run=run_token,
        )
    )
    issuer_rotation.add_commands_to(commands)
    issuer_locks.add_commands_to(commands)
    issuer_rules.add_commands_to(commands)


def _add_token(token: argparse.ArgumentParser) -> None:
    add_folder(token)
    token.add_argument("--name", required=True, metavar="WORKLOAD", help="who joins with it")
    token.add_argument(
        "--spiffe-path", metavar="PATH", help="path of the SPIFFE id (default: /agent/WORKLOAD)"
    )
    token.add_argument(
        "--derive",
        action="store_true",
        help="for the workload's agents instead of itself: each joins by a name of its own, "
        'ID/agent/NAME (derive = "route" of a gateway)',
    )
    token.add_argument(
        "--dns-name",
        action="append",
        default=[],
        metavar="NAME",
        help="DNS name in the workload's certificates (may be repeated)",
    )
    token.add_argument(
        "--ttl",
        type=duration,
        default=timedelta(minutes=30),
        metavar="TIME",
        help="until when the token, or a registration secret, can be used (default: 30m)",
    )
    token.add_argument(
        "--uses",
        type=int,
        default=1,
        metavar="N",
        help="how many joins it is good for (default: 1); each start of a gateway is a join",
    )
    token.add_argument(
        "--max-cert-ttl",
        type=duration,
        default=timedelta(hours=24),
        metavar="TIME",
        help="longest life of the workload's certificates (default: what the issuer gives)",
    )
    add_out(token, "token")
    token.add_argument(
        "--url",
        help="where workloads reach the issuer, for the configuration shown (default: where it was "
        f"served last, or {DEFAULT_URL})",
    )
    add_json(token)
    issuer_rules.add_method_options(token)


def run_init(args: argparse.Namespace) -> int:
    """Make an issuer's folder; print its pin."""
    from certs.clock import SystemClock
    from certs.issuer.folder import init

    authority = init(
        args.dir, trust_domain=args.trust_domain, now=SystemClock().now(), dns_names=args.dns_name
    )
    if args.json:
        output.document({"trust_domain": args.trust_domain, "ca_pin": authority.pin})
    else:
        output.line(f"made the issuer of {args.trust_domain} in {args.dir}")
        output.line(f"ca_pin {authority.pin}")
        output.note(f"next: devwiz-gw issuer serve --dir {args.dir}")
    return ExitCode.OK


def run_serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    import asyncio

    from certs.issuer.connections import MOST
    from certs.issuer.http import IssuerServer
    from certs.issuer.limits import Rates
    from certs.issuer.serving import sole_server
    from gateway.descriptor_limit import raise_descriptor_limit
    from gateway.service.manager import ServiceManager
    from identity.hardening import harden_process

    harden_process()
    manager = ServiceManager.taken_from(os.environ, pid=os.getpid())
    # Besides the connections: those in their handshake, and the issuer's own files.
    raise_descriptor_limit(2 * MOST + 256)
    host, port = _address(args.listen)
    rates = Rates(address=args.rate_address, instance=args.rate_instance, token=args.rate_token)
    with sole_server(args.dir):
        server = IssuerServer(args.dir, host=host, port=port, leaf_life=args.ttl, rates=rates)
        asyncio.run(_serve(server, manager))
    return ExitCode.OK


def run_token(args: argparse.Namespace) -> int:
    """Make a join token, or a join rule; print it, or write its secret to a file."""
    issuer_rules.check_options(args)
    check_out(args)
    if args.method != "token":
        return issuer_rules.make(args)

    from certs.clock import SystemClock
    from certs.issuer.folder import open_issuer
    from certs.issuer.one_time_tokens import Grant

    grant = Grant(
        workload=args.name,
        path=args.spiffe_path,
        dns_names=tuple(args.dns_name),
        life=args.ttl,
        uses=args.uses,
        max_leaf_life=args.max_cert_ttl,
        derive=args.derive,
    )
    opened, now = open_issuer(args.dir), SystemClock().now()
    try:
        token = opened.service.make_token(grant, now)
        pins = opened.rotation.view(now).pins
        facts = {
            "token_id": token.id,
            "spiffe_id": token.spiffe_id,
            "expires": token.not_after.isoformat(timespec="seconds"),
            "uses": grant.uses,
            "ca_pin": pins[0],
            "ca_pins": pins,
        }
        args.url = args.url or opened.served_at or DEFAULT_URL
    finally:
        opened.service.close()
    _hand_over(args, token.text.reveal(), facts)
    return ExitCode.OK


def _hand_over(args: argparse.Namespace, token: str, facts: dict[str, Any]) -> None:
    if args.out is not None:
        hint = "the token that was made is lost and does no harm; choose another --out"
        write_out(args, "token", token, hint=hint)
    if args.json:
        shown = {"token_file": str(args.out)} if args.out is not None else {"token": token}
        output.document({**shown, **facts})
        return
    where = str(args.out) if args.out is not None else token
    output.line(f"# token      {where}")
    output.line(f"# for        {facts['spiffe_id']}")
    joins = "1 join" if facts["uses"] == 1 else f"{facts['uses']} joins"
    output.line(f"# good       until {facts['expires']}, for {joins}")
    output.line("[identity]")
    output.line('source = "issuer"')
    if args.derive:
        output.line(f'spiffe_id = "{facts["spiffe_id"].removesuffix("/agent/*")}"')
        output.line('derive = "route"')
    output.line("[identity.issuer]")
    output.line(f'url = "{args.url}"')
    pins = facts["ca_pins"]
    output.line(f"ca_pin = {json.dumps(pins[0] if len(pins) == 1 else pins)}")
    output.line(f'token_file = "{args.out or "join-token"}"')
    if args.out is None:
        output.note(
            "note: put the token into the file join-token, mode 0600, beside the configuration"
        )


async def _serve(server: IssuerServer, manager: ServiceManager) -> None:
    import asyncio
    import contextlib
    import signal

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Where the loop takes no signal handlers, Ctrl-C still arrives as KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopping.set)
    await server.start()
    try:
        output.note(f"issuer listening on {server.url}, ca_pin {server.ca_pin}")
        manager.status(f"listening on {server.url}")
        manager.ready()
        await stopping.wait()
        manager.stopping(_END_S)
    finally:
        await server.stop()
    output.note("issuer stopped")


def _rate(text: str) -> int:
    if not _RATE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate: use 1 to 99999")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    from ipaddress import ip_address

    host, _, port = text.rpartition(":")
    try:
        number = int(port)
        return str(ip_address(host.removeprefix("[").removesuffix("]"))), _port(number)
    except ValueError as error:
        raise UsageError(
            f"--listen {text!r} is not an address", hint=f"use IP:PORT, like {DEFAULT_LISTEN}"
        ) from error


def _port(number: int) -> int:
    if not 0 <= number <= 65_535:
        raise ValueError("no such port")
    return number
