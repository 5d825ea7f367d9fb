"""`devwiz-gw serve`: run the gateway until it is told to stop."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.errors import GatewayError, OutputLost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own: everything is in the configuration file."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve; 0 when everything was drained, 1 when connections had to be cut.

    Raises:
        Fault: the configuration is broken or the start failed.
    """
    # Before anything is opened or read.
    from identity.hardening import harden_process

    harden_process()

    import asyncio

    from gateway import app
    from gateway.config.load import find_config, load
    from gateway.service.given import Service

    service = Service.taken_from(os.environ, pid=os.getpid())
    config = load(find_config(args.config, cwd=Path.cwd(), env=os.environ))
    _sweep()
    try:
        forced = asyncio.run(app.serve(config, announce=_announce, env=os.environ, service=service))
    finally:
        service.close()
        _end_sessions(config.path)
    return ExitCode.FAILED if forced else ExitCode.OK


def _sweep() -> None:
    """Remove what killed `run` commands and sessions of `envrc` left behind."""
    from gateway.cli.envrc_holder import sweep_sessions
    from gateway.injection.run_folder import sweep_own

    sweep_own(os.environ)
    with contextlib.suppress(OSError, GatewayError):
        sweep_sessions()


def _end_sessions(config: Path) -> None:
    """Shells keep no secrets of a gateway that is gone."""
    from gateway.cli.envrc_holder import all_sessions

    with contextlib.suppress(OSError):
        sessions = all_sessions()
        for session in sessions.all():
            if session.config == str(config):
                sessions.stop(session.id)


def _announce(text: str) -> None:
    # Whoever started us may have stopped reading; that is no reason not to serve.
    with contextlib.suppress(BrokenPipeError, OutputLost):
        output.line(text)
        output.flush()
