"""`devwiz-gw login`: begin a session, or keep a key, by which routes are let in elsewhere.

What is typed goes to the server that it belongs to and into the secret store, and is never taken
from the command line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.login_scope import LoginScope, opened
from gateway.cli.parsers import UsageError, add_commands
from gateway.cli.touch import Action
from gateway.cli.touch_policy import demand_touch
from gateway.cli.typed import read_secret
from gateway.config.model import SupabaseTokenConfig
from identity.errors import SecretNotFound
from identity.langsmith import DEFAULT_ENDPOINT, KEY_NAME
from identity.secret_stores.base import Secret, SecretRef, check_value, given_ref

if TYPE_CHECKING:
    from identity.supabase.auth_api import AuthApi
    from identity.supabase.session import Session

#: How long a person has in the browser.
BROWSER_S: Final = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `login`."""
    parser.add_argument("--status", action="store_true", help="tell who is signed in where")
    parser.add_argument("--json", action="store_true", help="with --status: print JSON")
    parser.set_defaults(run=_status)
    commands = add_commands(parser, required=False)
    _add_supabase(
        commands.add(
            "supabase",
            summary="begin the session whose access token {token:NAME} attaches",
            examples=(
                "devwiz-gw login supabase --email ada@example.com",
                "devwiz-gw login supabase --provider github",
                "pass show supabase-refresh | devwiz-gw login supabase --refresh-token",
            ),
            run=_supabase,
        )
    )
    _add_langsmith(
        commands.add(
            "langsmith",
            summary="check a LangSmith API key and keep it as a secret",
            examples=(
                "devwiz-gw login langsmith",
                "pass show langsmith | devwiz-gw login langsmith",
            ),
            run=_langsmith,
        )
    )
    commands.add(
        "configu",
        summary="check a token for Configu and keep it, for 'devwiz-gw sync'",
        examples=(
            "devwiz-gw login configu",
            "pass show configu | devwiz-gw login configu",
        ),
        run=_configu,
    )


def _add_supabase(parser: argparse.ArgumentParser) -> None:
    add_token(parser)
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--email", help="sign in with the password, which is asked for or read from standard input"
    )
    ways.add_argument("--provider", help="sign in with this provider in the browser, like github")
    ways.add_argument(
        "--refresh-token",
        action="store_true",
        help="take over a session by its refresh token, asked for or read from standard input",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="with --provider: where the browser comes back to"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="with --provider: only print the address"
    )


def _add_langsmith(parser: argparse.ArgumentParser) -> None:
    add_key_name(parser)
    parser.add_argument("--endpoint", default=DEFAULT_ENDPOINT, help="default: %(default)s")
    parser.add_argument("--workspace", default="", help="id of the workspace, for a key of several")


def add_token(parser: argparse.ArgumentParser) -> None:
    """Add `--token`: which of several sessions is meant."""
    parser.add_argument("--token", help="the [tokens.NAME] that is meant, if there are several")


def add_key_name(parser: argparse.ArgumentParser) -> None:
    """Add `--name`: the secret that holds the key."""
    parser.add_argument(
        "--name", default=KEY_NAME, help="name of the secret (default: %(default)s)"
    )


def _supabase(args: argparse.Namespace) -> int:
    with opened(args, "tokens") as scope:
        token = scope.supabase_token(args.token)
        scope.refuse_read_only()
        demand_touch(
            scope.snapshot,
            Action(command="login supabase", targets=(token.name,)),
            what=f"leave to sign in to {token.name}",
            sign_in=True,
        )
        typed = None
        if args.email is not None:
            typed = read_secret(f"password of {args.email} at {token.url}: ")
        elif args.refresh_token:
            typed = read_secret(f"refresh token of a session at {token.url}: ")
        with scope.journal.around("session.begin", name=token.name):
            said = asyncio.run(_begin(scope, token, args, typed))
    output.note(said)
    return ExitCode.OK


async def _begin(
    scope: LoginScope, token: SupabaseTokenConfig, args: argparse.Namespace, typed: Secret | None
) -> str:
    from gateway.token_sources import auth_api, now, session_lock
    from identity.machine_lock import machine_lock
    from identity.supabase.access_tokens import AccessTokens
    from identity.supabase.session import encode, session_ref

    api, ref = auth_api(token), session_ref(scope.project, token.name)
    async with scope.store() as store:
        # Before anything is asked of the server: a session that can't be kept would be lost.
        with contextlib.suppress(SecretNotFound):
            await store.get(ref)
        session = await _session(api, args, typed)
        lock = session_lock(scope.project, token.name, scope.env)
        async with machine_lock(lock, timeout_s=30.0):
            await store.set(ref, encode(session))
    tokens = AccessTokens(api, audience=token.audience, now=now)
    await tokens.verify(session.access_token, user_id=session.user_id)
    scope.accounts.sign_in(token.name, session.user_id)
    who = session.email or session.user_id
    return f"signed in to {token.url} as {who}: {{token:{token.name}}} is ready"


async def _session(api: AuthApi, args: argparse.Namespace, typed: Secret | None) -> Session:
    if typed is not None and args.refresh_token:
        return await api.refresh(typed)
    if typed is not None:
        return await api.with_password(args.email, typed)
    from gateway.cli.browser_login import sign_in_by_browser

    return await sign_in_by_browser(
        api,
        args.provider,
        port=args.port,
        announce=output.note,
        use_browser=not args.no_browser,
        timeout_s=BROWSER_S,
    )


def _langsmith(args: argparse.Namespace) -> int:
    from identity.langsmith import LangSmith, kind_of

    with opened(args) as scope:
        scope.refuse_read_only()
        ref = given_ref(scope.project, args.name)
        demand_touch(
            scope.snapshot,
            Action(command="login langsmith", targets=(ref.name,)),
            what=f"leave to sign in to {ref.name}",
            sign_in=True,
        )
        key = read_secret("LangSmith API key: ")
        kind = kind_of(key)
        server = LangSmith(args.endpoint)
        asyncio.run(server.check(key, workspace=args.workspace))
        with scope.journal.around("secret.write", name=ref.name, reason="login langsmith"):
            asyncio.run(_keep(scope, ref, key))
    output.note(f'{ref} holds a {kind} that {args.endpoint} takes: attach "{{secret:{ref.name}}}"')
    return ExitCode.OK


def _configu(args: argparse.Namespace) -> int:
    from identity.configu.sync_state import token_ref

    with opened(args, "configu") as scope:
        configu = scope.configu()
        demand_touch(
            scope.snapshot,
            Action(command="login configu", targets=(configu.org,)),
            what=f"leave to sign in to {configu.org}",
            sign_in=True,
        )
        token = read_secret(f"token for Configu, organization {configu.org}: ")
        check_value(token)
        found = asyncio.run(_ask_configu(scope, token))
        with scope.journal.around("session.begin", name="configu"):
            asyncio.run(_keep(scope, token_ref(scope.project), token))
    output.note(
        f"{configu.url} takes the token, and has {found} values for this project: "
        "take them in with 'devwiz-gw sync'"
    )
    return ExitCode.OK


async def _ask_configu(scope: LoginScope, token: Secret) -> int:
    async with scope.sync() as sync:
        return await sync.check_token(token)


async def _keep(scope: LoginScope, ref: SecretRef, value: Secret) -> None:
    async with scope.store() as store:
        await store.set(ref, value)


def _status(args: argparse.Namespace) -> int:
    if not args.status:
        raise UsageError(
            "name what to sign in to, or ask for --status", hint="see 'devwiz-gw login --help'"
        )
    from gateway.cli.login_status import logins

    with opened(args, "tokens", "configu") as scope:
        scope.journal.record("session.list", outcome="ok")
        found = asyncio.run(logins(scope))
    if args.json:
        output.document({"project": scope.project, "logins": [item.as_dict() for item in found]})
    elif not found:
        output.note("nothing to sign in to: there is no [tokens.NAME] of Supabase, and no key")
    else:
        rows = [(item.name, item.service, item.state, item.who, item.until) for item in found]
        for line in output.table(("NAME", "SERVICE", "STATE", "WHO", "UNTIL"), rows):
            output.line(line)
    good = all(item.is_good for item in found)
    return ExitCode.OK if good else ExitCode.FAILED
