"""Touches for commands that are about no secret of the project's own."""

from __future__ import annotations

import argparse

from gateway.cli.secret_scope import opened, policy_of
from gateway.cli.touch import Action, Gate


def demand_touch(args: argparse.Namespace, action: Action, *, sign_in: bool = False) -> None:
    """Ask for a touch where the configuration's policy demands one; `sign_in` is for commands that
    begin a session.

    Raises:
        TouchDenied, SecurityKeyUnavailable: it does, and there was none.
        Fault: the configuration or the store can't be read.
    """
    policy = policy_of(args)
    demanded = sign_in and policy.sign_in
    if not demanded and not policy.wants(action.command, action.names):
        return
    # The configuration's own project: another one is nobody's to name here.
    own = argparse.Namespace(config=args.config, project=None)
    with opened(own) as scope:
        Gate(scope.store, scope.journal, policy, action).approve(sign_in=demanded)
