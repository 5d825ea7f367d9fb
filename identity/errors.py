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

    remedy = "set it: devwiz-gw secret set NAME"


class StoreUnavailable(IdentityError):
    """The store can't be used now: absent, locked, or it did not answer in time."""

    retryable = True


class SecretDamaged(StoreUnavailable):
    """The store holds the secret, and what it holds is not whole: it must be set again."""

    retryable = False


class ProjectElsewhere(IdentityError):
    """The project's secrets belong to another configuration file than the one that asks."""


class StateElsewhere(IdentityError):
    """The use would be recorded elsewhere than the project's uses so far."""


class BindingRefused(IdentityError):
    """What a project is bound to can't be changed like that."""


class VaultLocked(StoreUnavailable):
    """The vault is there, and nobody has unlocked it."""


class VaultMissing(StoreUnavailable):
    """There is no vault at the place where it is looked for."""

    retryable = False


class VaultExists(IdentityError):
    """There is something where a vault was to be made; it is left as it is."""


class VaultDamaged(StoreUnavailable):
    """The vault's file is not as it was left. It is never changed or removed."""

    retryable = False


class VaultRolledBack(VaultDamaged):
    """The vault's file is older than its last state, or that state is not known here."""


class UnlockRefused(IdentityError):
    """What was given does not open the vault, or its slots can't be changed like that."""


class SecurityKeyUnavailable(IdentityError):
    """No security key can be asked: none is there, it is locked, or it lacks what is needed."""

    remedy = "plug in a key of the project's and try again: devwiz-gw mfa list shows them"


class TouchDenied(IdentityError):
    """A security key was asked, and what it had to prove is not proven."""

    remedy = "run the command again, and touch the key while it blinks"


class TouchNeeded(IdentityError):
    """A secret is sealed: it is read by a command that asks for a touch, and by nothing else."""


class InvalidEndpoint(IdentityError):
    """A text is not the address of a SPIFFE Workload API."""


class JoinTokenInvalid(IdentityError):
    """A join token has the wrong form."""


class InvalidConfigName(IdentityError):
    """Configu knows no config or set of such a name."""


class InvalidConfigSchema(IdentityError):
    """A `.cfgu` schema can't be used."""

    remedy = "correct the schema: docs/operations/configu.md says what one can hold"


class SyncStateDamaged(IdentityError):
    """What a store remembers of its last sync is not whole."""


class ConfigRefused(IdentityError):
    """A config can't be written to Configu: it isn't declared, or its value is none for it."""

    remedy = "correct the value, or its declaration in the schema"


class CheckTooSlow(ConfigRefused):
    """A value can't be checked against its declaration in the time that there is for it."""


class NotPublished(IdentityError):
    """Configu took a value, and has another one."""


class TokenError(IdentityError):
    """A token source gave no token. `retry_after_s` is when to ask again, where that is known."""

    def __init__(self, message: str, *, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class TokenUnavailable(TokenError):
    """Not now: the source didn't answer, or said that it can't."""

    remedy = "it is asked again by itself: does the source answer, and is its address right?"

    retryable = True


class TokenDenied(TokenError):
    """The source refuses, or is set up wrongly; somebody has to mend that."""

    remedy = (
        "asking again won't help: mend it where the token comes from, or its table in the "
        "configuration"
    )


class TokenEnded(TokenDenied):
    """There is no session, or it was ended: what it gave before isn't to be used any more."""
