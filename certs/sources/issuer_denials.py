"""What the issuer's refusals mean, and what to do about each: by their codes, as its own words may
be anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_JOIN_AGAIN: Final = (
    "make a new token with 'devwiz-gw issuer token' and put it where the old one was"
)
_VERSIONS: Final = "check both versions"
_SEE_SOURCE: Final = "see what gives the identity token under [identity.issuer]"
_UNLOCK: Final = "it goes on by itself once the lock ends: 'devwiz-gw issuer unlock'"

#: Message and remedy of each code.
DENIALS: Final[Mapping[str, tuple[str, str]]] = {
    "token_invalid": ("the join token is not one of this issuer's", _JOIN_AGAIN),
    "token_expired": ("the join token has expired", _JOIN_AGAIN),
    "token_spent": ("the join token has been used", _JOIN_AGAIN),
    "names_refused": (
        "the issuer's policy doesn't give the names asked for",
        "correct the configured names, or make a token for them with 'devwiz-gw issuer token'",
    ),
    "invalid_csr": ("the issuer doesn't accept the signing request", _VERSIONS),
    "malformed_request": ("the issuer doesn't understand the request", _VERSIONS),
    "not_found": ("the issuer doesn't know the request", _VERSIONS),
    "client_certificate_required": ("the issuer saw no client certificate", _JOIN_AGAIN),
    "client_certificate_expired": (
        "the issuer finds the client certificate expired",
        f"check both clocks; else {_JOIN_AGAIN}",
    ),
    "client_certificate_unknown": ("the issuer doesn't remember this identity", _JOIN_AGAIN),
    "join_rule_unknown": (
        "the issuer has no join rule of that name",
        "correct bound_rule or token_rule; 'devwiz-gw issuer rules' lists those that it has",
    ),
    "join_method_mismatch": (
        "the issuer's join rule of that name is for another way to join",
        "correct bound_rule or token_rule; 'devwiz-gw issuer rules' says what each is for",
    ),
    "id_token_malformed": ("the identity token is not a usable JWT", _SEE_SOURCE),
    "id_token_algorithm": (
        "the identity token is signed by an algorithm that the join rule doesn't take (alg)",
        "let the rule take it: 'devwiz-gw issuer token … --algorithm'",
    ),
    "id_token_key_unknown": (
        "the identity token is signed by a key that its provider doesn't publish (kid)",
        "is the token of the rule's provider? an uploaded key set ages",
    ),
    "id_token_signature": (
        "the identity token's signature is not its provider's",
        "is the token of the rule's provider, and whole?",
    ),
    "id_token_issuer": (
        "the identity token is of another provider than the join rule's (iss)",
        "compare both, letter by letter",
    ),
    "id_token_audience": (
        "the identity token is for another audience than the join rule's (aud)",
        "ask the provider for a token with the rule's audience",
    ),
    "id_token_expired": (
        "the identity token has expired (exp), or is older than 24 hours (iat)",
        f"{_SEE_SOURCE}; check both clocks",
    ),
    "id_token_not_yet_valid": (
        "the identity token is not valid yet (nbf or iat)",
        "check the clocks of the provider and of the issuer",
    ),
    "id_token_claims": (
        "the identity token's claims don't meet the join rule",
        "the issuer's audit file has the token's subject; 'devwiz-gw issuer rules' what is asked",
    ),
    "proof_invalid": ("the issuer doesn't accept the proof of our key", _VERSIONS),
    "challenge_expired": ("the issuer's challenge expired on its way", "try again"),
    "key_not_bound": (
        "this machine's key is not bound to the join rule",
        "give its public half to the issuer's operator, or get a registration secret from there",
    ),
    "registration_invalid": (
        "the registration secret has been used, has expired, or is not this rule's",
        "make another: devwiz-gw issuer change-rule NAME --new-registration",
    ),
    "join_state_invalid": (
        "the join state kept beside the bound key is not this issuer's",
        "was the issuer made anew? then remove the secret that ends in .join-state",
    ),
    "recovery_limit": (
        "the bound key has been used for as many joins as its rule allows",
        "raise it: devwiz-gw issuer change-rule NAME --recovery-limit N",
    ),
}

#: Those in which the issuer may let us in again with what we have.
LOCKS: Final[Mapping[str, tuple[str, str]]] = {
    "generation_mismatch": (
        "this identity is in use in two places and has been locked",
        f"find the copy; {_UNLOCK}",
    ),
    "join_state_mismatch": (
        "the bound key is in use in two places, or of an old backup; its instance is now locked",
        f"find the copy; {_UNLOCK}, or with another key: 'issuer change-rule --new-registration'",
    ),
    "instance_locked": ("this instance has been locked", _UNLOCK),
    "bot_locked": ("this workload has been locked", _UNLOCK),
    "token_locked": (
        "the join token or rule has been locked, with all that joined with it",
        _UNLOCK,
    ),
}
#: Those of a copied identity: what was issued to it is on hold.
COPIED: Final = frozenset({"generation_mismatch", "join_state_mismatch"})
