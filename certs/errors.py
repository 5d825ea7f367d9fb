"""Errors of the `certs` package, named by what the caller can do about them."""

from __future__ import annotations

import traceback
from pathlib import Path

from identity.fault import Fault


class CertsError(Fault):
    """Root of this package's errors."""


class InvalidCertificate(CertsError):
    """A certificate, chain, bundle or key can't be read or breaks its profile."""

    remedy = (
        "get the certificate or file anew from its issuer; devwiz-gw identity verify says "
        "what else is wrong with it"
    )


class ReplyRejected(CertsError):
    """An identity source answered, and the answer is not the certificate that was asked for."""

    remedy = (
        "the certificate that there was stays in use: is the address the right one, and "
        "is that source's version one that is supported? its own log may say more"
    )


class PeerRejected(CertsError):
    """A peer's chain is good but its name is not one of those expected."""

    remedy = "compare the route's peer (or server_name) with the names in the certificate"


class SourceUnavailable(CertsError):
    """The identity source can't be reached or is failing; the last good identity stays in use.

    `retry_after_s` is the source's own wish (Retry-After), where it spoke one.
    """

    remedy = (
        "it is asked again by itself: is the source running, and can it be reached? "
        "devwiz-gw doctor"
    )

    retryable = True

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class NothingGranted(SourceUnavailable):
    """The source knows no identity for us at present, which may change."""


class SourceDenied(CertsError):
    """The identity source refuses us (token spent, locked, policy): a person must act."""

    remedy = (
        "asking again won't help: mend it at the source, or under [identity]; devwiz-gw "
        "doctor tells more"
    )


class IdentityWithdrawn(SourceDenied):
    """The source says that the identity which it gave must not be used any more."""


class ExportFailed(CertsError):
    """An identity couldn't be written to a folder; what was there before is still there."""

    retryable = True


class IdentityLocked(SourceDenied):
    """The identity source keeps us out until somebody lets us in again, and then with what we have.

    `is_revoked`: the identity must not be used meanwhile.
    """

    def __init__(self, message: str, *, hint: str = "", is_revoked: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_revoked = is_revoked


def of_defect(error: BaseException) -> SourceUnavailable:
    """What a foreign exception out of a source comes to: a defect in one must end neither the
    renewals nor the search for another source.
    """
    # Neither its text nor its values: nobody knows what a foreign exception quotes.
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        place = f" at {Path(frame.f_code.co_filename).name}:{line}"
    return SourceUnavailable(
        f"the source failed unexpectedly: {type(error).__name__}{place}",
        hint="this is a defect: please report it",
    )
