"""Errors of the `identity` package, named by what the caller can do about them."""

from __future__ import annotations

from identity.fault import Fault


class IdentityError(Fault):
    """Root of this package's errors."""


class InvalidSpiffeId(IdentityError):
    """A SPIFFE id or trust domain breaks the grammar of the SPIFFE-ID standard."""


class InvalidSecretName(IdentityError):
    """A project or secret name is not usable in any store."""


class InvalidSecretValue(IdentityError):
    """A value can't be kept by every store: it is empty, too long, or not plain Unicode text."""


class SecretNotFound(IdentityError):
    """The store answered, and holds no such secret."""


class StoreUnavailable(IdentityError):
    """The store can't be used now: absent, locked, or it did not answer in time."""

    retryable = True


class SecretDamaged(StoreUnavailable):
    """The store holds the secret, and what it holds is not whole: it must be set again."""

    retryable = False


class InvalidEndpoint(IdentityError):
    """A text is not the address of a SPIFFE Workload API."""


class JoinTokenInvalid(IdentityError):
    """A join token has the wrong form."""
