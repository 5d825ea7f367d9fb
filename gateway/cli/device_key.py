"""`devwiz-gw identity device-key`: the key of this machine, to be bound at an issuer."""

from __future__ import annotations

import argparse

from gateway.cli import output
from gateway.cli.exit_codes import ExitCode
from gateway.cli.parsers import Commands


def add_device_key(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add(
        "device-key",
        summary="print the public half of a key in the secret store; made when it isn't there",
        examples=("devwiz-gw identity device-key laptop-key > laptop.pub",),
        run=_run,
    )
    parser.add_argument("name", metavar="NAME", help="what bound_key_secret says")
    parser.add_argument("--project", help="whose secret (default: the configuration's project)")


def _run(args: argparse.Namespace) -> int:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from certs import keys
    from certs.sources.signing_key import read_signing_key
    from gateway.cli.agent_changes import approve_change
    from gateway.cli.secret_scope import opened
    from identity.errors import SecretNotFound
    from identity.secret_stores.base import Secret

    with opened(args) as scope:
        ref = scope.ref(args.name)
        try:
            with scope.journal.around("secret.read", name=ref.name, reason="public key"):
                text = scope.store.get(ref).reveal()
        except SecretNotFound:
            agent = approve_change(
                scope, (ref.name,), command="identity device-key", action="secret.write"
            )
            text = keys.to_pem(keys.generate()).decode()
            with scope.journal.around("secret.write", name=ref.name, reason=agent):
                scope.store.set(ref, Secret(text))
            output.note(f"note: made the key {ref}; it never leaves the secret store")
    key = read_signing_key(text, what=f"the secret {ref}").key
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for line in pem.decode().splitlines():
        output.line(line)
    return ExitCode.OK
