"""What is known of a journal from elsewhere than its files."""

from __future__ import annotations

import argparse

from gateway.audit.event import Place
from gateway.audit.key import key_ref, place_of, reached_ref, signer_of
from gateway.audit.verify import Expected
from gateway.cli.secret_scope import Scope, opened_by
from gateway.cli.snapshot import Snapshot
from gateway.cli.touch import load_keys
from identity.errors import IdentityError, SecretNotFound
from identity.mfa.assertion import encoded


def expected_by(args: argparse.Namespace, snapshot: Snapshot) -> tuple[Expected, str]:
    """What `--key` says, or the project's store; and a remark where that is little."""
    if args.key or args.no_store:
        return Expected(keys=frozenset(args.key)), ""
    try:
        with opened_by(snapshot) as scope:
            if scope.kind == "folder":
                return Expected(), 'nothing is signed: the store "folder" can\'t keep the key'
            return expected_of(scope), ""
    except SecretNotFound:
        return Expected(), "no key is kept for this journal: `serve` makes one and signs with it"
    except (IdentityError, ValueError) as error:
        return Expected(), f"the journal's key can't be had, so any key was taken: {error}"


def expected_of(scope: Scope) -> Expected:
    """What the store keeps: the journal's key, how far it has signed, and security keys that are
    enrolled now, whose enrolment may be in a line that is gone.

    Raises:
        SecretNotFound: no key is kept.
        IdentityError, ValueError: it can't be read.
    """
    key = signer_of(scope.store.get(key_ref(scope.project))).public_key
    try:
        reached = place_of(scope.store.get(reached_ref(scope.project)))
    except SecretNotFound:
        reached = Place()
    keys = load_keys(scope.store, scope.project)
    slots = keys.slots if keys else ()
    touch_keys = frozenset(encoded(slot.public_key) for slot in slots)
    return Expected(keys=frozenset((key,)), reached=reached, touch_keys=touch_keys)
