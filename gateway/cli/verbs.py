"""The verbs, and which module each is in.

A verb's module is imported only when that verb is called. It has one function for this table:

    def add_arguments(parser: argparse.ArgumentParser) -> None

which adds the verb's options and sets its action with `parser.set_defaults(run=function)`, where
`function(args: argparse.Namespace) -> int` returns an `ExitCode` and raises a `Fault` for anything
that went wrong. `args.config` is the value of `--config` (a `Path` or None) and is already added.
Verbs with sub-commands add them with `gateway.cli.parsers.add_commands`.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """One word after `devwiz-gw`: its module, its line in `--help`, and examples of its use."""

    name: str
    module: str
    summary: str
    examples: tuple[str, ...]


VERBS: Final = (
    Verb(
        "init",
        "gateway.cli.init",
        "write a first configuration, or add a route to it, and see whether it works",
        (
            "devwiz-gw init",
            "devwiz-gw init --identity-from identity.toml --upstream https://127.0.0.1:8443",
            "devwiz-gw init --source spiffe --kind langgraph --upstream https://graphs.example.com",
            "devwiz-gw init --add --upstream https://tools.example.com/mcp --client cursor",
        ),
    ),
    Verb(
        "serve",
        "gateway.cli.serve",
        "run the gateway until it is told to stop",
        ("devwiz-gw serve", "devwiz-gw serve --config acme.toml"),
    ),
    Verb(
        "status",
        "gateway.cli.status",
        "show the running gateway's identity and routes",
        ("devwiz-gw status", "devwiz-gw status --json", "devwiz-gw status --watch 5"),
    ),
    Verb(
        "explain",
        "gateway.cli.explain",
        "tell what became of a request, and why",
        (
            "devwiz-gw explain",
            "devwiz-gw explain 8f2a1c9d3e-1a",
            "devwiz-gw explain --all --last 5",
        ),
    ),
    Verb(
        "doctor",
        "gateway.cli.doctor",
        "find out, step by step, what is wrong, and what to do",
        (
            "devwiz-gw doctor",
            "devwiz-gw doctor planner --path /agents/mcp",
            "devwiz-gw doctor --json",
            "devwiz-gw doctor --bundle report.zip",
        ),
    ),
    Verb(
        "wait",
        "gateway.cli.wait",
        "block until the gateway is ready",
        ("devwiz-gw wait --timeout 60 && ./my-agent",),
    ),
    Verb(
        "healthcheck",
        "gateway.cli.healthcheck",
        "exit 0 when the gateway is ready, else 1 (for containers)",
        (
            "devwiz-gw healthcheck",
            "devwiz-gw healthcheck --live",
            "devwiz-gw healthcheck --startup",
        ),
    ),
    Verb(
        "reload",
        "gateway.cli.reload",
        "make the running gateway read its configuration again",
        (
            "devwiz-gw reload",
            "devwiz-gw config check && devwiz-gw reload",
            "devwiz-gw reload --workers",
        ),
    ),
    Verb(
        "drain",
        "gateway.cli.drain",
        "let the running gateway finish its work and stop",
        ("devwiz-gw drain", "devwiz-gw drain --wait && devwiz-gw serve"),
    ),
    Verb(
        "config",
        "gateway.cli.config",
        "check a configuration file",
        ("devwiz-gw config check", "devwiz-gw config check --json --config acme.toml"),
    ),
    Verb(
        "identity",
        "gateway.cli.identity",
        "show, renew, verify or export the running gateway's identity",
        (
            "devwiz-gw identity show",
            "devwiz-gw identity renew",
            "devwiz-gw identity verify",
            "devwiz-gw identity export --dir tls",
        ),
    ),
    Verb(
        "secret",
        "gateway.cli.secret",
        "keep the secrets that routes attach as headers",
        ("devwiz-gw secret set planner-token", "devwiz-gw secret list"),
    ),
    Verb(
        "run",
        "gateway.cli.run",
        "run a program with the secrets that the project allows it",
        (
            "devwiz-gw run -- npm start",
            "devwiz-gw run --only OPENAI_API_KEY --mask -- python agent.py",
            "devwiz-gw run --env DB=secret:db-password --deliver file -- ./migrate",
        ),
    ),
    Verb(
        "envrc",
        "gateway.cli.envrc",
        "give the secrets that the project allows to shells, by direnv",
        (
            "devwiz-gw envrc start",
            "devwiz-gw envrc start --only OPENAI_API_KEY --for 2h",
            "devwiz-gw envrc stop",
        ),
    ),
    Verb(
        "rotate",
        "gateway.cli.rotate",
        "give a secret a new value, and revoke the old one",
        (
            "devwiz-gw rotate",
            "devwiz-gw rotate langsmith --plan",
            "devwiz-gw rotate langsmith",
            "devwiz-gw rotate langsmith --rollback",
        ),
    ),
    Verb(
        "audit",
        "gateway.cli.audit",
        "read the audit journal, and prove that it is whole",
        (
            "devwiz-gw audit tail --follow",
            "devwiz-gw audit query --action 'secret.*' --since 1d",
            "devwiz-gw audit verify",
        ),
    ),
    Verb(
        "scan",
        "gateway.cli.scan",
        "find values of the project's secrets in the files of a work tree",
        ("devwiz-gw scan", "devwiz-gw scan --history", "devwiz-gw scan src .env --json"),
    ),
    Verb(
        "vault",
        "gateway.cli.vault",
        "make, unlock and lock the vault, an encrypted store of secrets",
        ("devwiz-gw vault init", "devwiz-gw vault unlock", "devwiz-gw vault lock"),
    ),
    Verb(
        "mfa",
        "gateway.cli.mfa",
        "enrol security keys, whose touch opens sealed secrets and approves commands",
        ("devwiz-gw mfa add --label blue", "devwiz-gw mfa recovery", "devwiz-gw mfa test"),
    ),
    Verb(
        "login",
        "gateway.cli.login",
        "sign in where routes get their tokens from",
        (
            "devwiz-gw login supabase --email ada@example.com",
            "devwiz-gw login langsmith",
            "devwiz-gw login --status",
        ),
    ),
    Verb(
        "sync",
        "gateway.cli.sync",
        "take the project's secrets from Configu",
        (
            "devwiz-gw sync --dry-run",
            "devwiz-gw sync",
            "devwiz-gw sync --status --json",
            "devwiz-gw sync --push planner-token",
        ),
    ),
    Verb(
        "logout",
        "gateway.cli.logout",
        "end what login began",
        ("devwiz-gw logout supabase",),
    ),
    Verb(
        "client",
        "gateway.cli.client",
        "tell local clients how to reach a route, or put it into their files",
        (
            "devwiz-gw client print planner",
            "devwiz-gw client install planner --client cursor --dry-run",
            "devwiz-gw client remove planner --client cursor",
        ),
    ),
    Verb(
        "stdio",
        "gateway.cli.stdio",
        "speak MCP on standard input and output, for clients that only start commands",
        ("devwiz-gw stdio planner", "devwiz-gw stdio planner --token ide"),
    ),
    Verb(
        "issuer",
        "gateway.cli.issuer",
        "run the issuer that gives workloads their identities",
        ("devwiz-gw issuer init --help", "devwiz-gw issuer serve --help"),
    ),
    Verb(
        "service",
        "gateway.cli.service",
        "have the gateway run by systemd or launchd",
        (
            "devwiz-gw service install",
            "devwiz-gw service start",
            "devwiz-gw service status",
        ),
    ),
    Verb(
        "completion",
        "gateway.cli.completion",
        "print what makes bash, zsh or fish complete this command",
        (
            "devwiz-gw completion fish > ~/.config/fish/completions/devwiz-gw.fish",
            'eval "$(devwiz-gw completion bash)"',
        ),
    ),
    Verb(
        "demo",
        "gateway.cli.demo",
        "run the whole thing on this machine and show that it works",
        ("devwiz-gw demo", "devwiz-gw demo --keep"),
    ),
)
