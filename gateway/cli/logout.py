"""`devwiz-gw logout`: end what `login` began, here and where it was begun."""

from __future__ import annotations

import argparse
import asyncio

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.login import add_key_name, add_token
from gateway.cli.login_scope import LoginScope, opened
from gateway.cli.parsers import add_commands
from gateway.cli.touch import Action
from gateway.cli.touch_policy import demand_touch
from gateway.config.model import SupabaseTokenConfig
from identity.errors import SecretNotFound, TokenEnded
from identity.fault import Fault
from identity.secret_stores.base import SecretRef, given_ref


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `logout`."""
    commands = add_commands(parser)
    add_token(
        commands.add(
            "supabase",
            summary="end the session at the server, and forget it",
            examples=("devwiz-gw logout supabase",),
            run=_supabase,
        )
    )
    add_key_name(
        commands.add(
            "langsmith",
            summary="forget the LangSmith API key; it stays good until it is deleted there",
            examples=("devwiz-gw logout langsmith",),
            run=_langsmith,
        )
    )
    commands.add(
        "configu",
        summary="forget the token for Configu; it stays good until it is revoked there",
        examples=("devwiz-gw logout configu",),
        run=_configu,
    )


def _supabase(args: argparse.Namespace) -> int:
    with opened(args, "tokens") as scope:
        token = scope.supabase_token(args.token)
        scope.refuse_read_only()
        _approve(scope, "supabase", token.name)
        with scope.journal.around("session.end", name=token.name):
            said = asyncio.run(_end(scope, token))
    output.note(said)
    return ExitCode.OK


async def _end(scope: LoginScope, token: SupabaseTokenConfig) -> str:
    from gateway.token_sources import auth_api, session_lock
    from identity.machine_lock import machine_lock
    from identity.supabase.session import decode, session_ref

    ref = session_ref(scope.project, token.name)
    api = auth_api(token)
    async with (
        machine_lock(session_lock(scope.project, token.name, scope.env), timeout_s=30.0),
        scope.store() as store,
    ):
        try:
            value = await store.get(ref)
        except SecretNotFound:
            raise TokenEnded("nobody is signed in", hint="there is nothing to end") from None
        problem = ""
        try:
            session = decode(value)
            # A session is told to the server that began it, and to no other one.
            if not session.ended and session.url == token.url:
                # The access token may have ended; the refresh token is what counts.
                fresh = await api.refresh(session.refresh_token)
                await api.sign_out(fresh.access_token)
        except Fault as error:
            problem = str(error)
        # Forgotten in any case: who asks to be signed out must not stay signed in here.
        await store.delete(ref)
    scope.accounts.sign_out(token.name)
    if problem:
        return f"the session is forgotten here, and the server wasn't told: {problem}"
    return f"signed out of {token.url}"


def _langsmith(args: argparse.Namespace) -> int:
    with opened(args) as scope:
        scope.refuse_read_only()
        ref = given_ref(scope.project, args.name)
        _approve(scope, "langsmith", ref.name)
        with scope.journal.around("secret.delete", name=ref.name, reason="logout langsmith"):
            asyncio.run(_forget(scope, ref))
    output.note(f"{ref} is removed; the key stays good until it is deleted in LangSmith's settings")
    return ExitCode.OK


def _configu(args: argparse.Namespace) -> int:
    from identity.configu.sync_state import token_ref

    with opened(args, "configu") as scope:
        _approve(scope, "configu", scope.configu().org)
        with scope.journal.around("session.end", name="configu"):
            asyncio.run(_forget(scope, token_ref(scope.project)))
    output.note("the token is removed; it stays good until it is revoked in Configu")
    return ExitCode.OK


def _approve(scope: LoginScope, service: str, name: str) -> None:
    """What is forgotten can't be had back: an agent needs a person's word."""
    demand_touch(
        scope.snapshot,
        Action(command=f"logout {service}", targets=(name,)),
        what=f"leave to sign {name} out",
    )


async def _forget(scope: LoginScope, ref: SecretRef) -> None:
    async with scope.store() as store:
        try:
            await store.delete(ref)
        except SecretNotFound:
            raise TokenEnded(f"{ref} is not kept", hint="there is nothing to forget") from None
