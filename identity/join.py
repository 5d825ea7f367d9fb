"""Join tokens: what a workload shows an issuer once to get its first identity, or to have its own
key bound.

Pure: randomness comes in as an argument. A token reads `dgwj_<id>_<secret>`: the id (8 bytes, hex)
is public and names the token in audit lines; the secret (32 bytes, hex) proves it. An issuer keeps
only the SHA-256 of the secret; 256 random bits need no slow hash. A registration secret is the same
with another first part, `dgwr`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from identity.errors import JoinTokenInvalid
from identity.secret_stores.base import Secret

ID_BYTES: Final = 8
SECRET_BYTES: Final = 32

_FORM: Final = re.compile(r"(dgw[jr])_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinToken:
    """A join token in its two parts; only `text` and `secret` are sensitive."""

    prefix: ClassVar[str] = "dgwj"
    what: ClassVar[str] = "join token"

    id: str
    secret: Secret

    @classmethod
    def from_random(cls, random: bytes) -> Self:
        """Make a token of `ID_BYTES + SECRET_BYTES` random bytes."""
        if len(random) != ID_BYTES + SECRET_BYTES:
            raise ValueError(f"a join token is made from {ID_BYTES + SECRET_BYTES} random bytes")
        return cls(id=random[:ID_BYTES].hex(), secret=Secret(random[ID_BYTES:].hex()))

    @classmethod
    def parse(cls, text: Secret) -> Self:
        """Read a token; white space around it (a file's last newline) is dropped.

        Raises:
            JoinTokenInvalid: it has another form. The message doesn't hold the text.
        """
        match = _FORM.fullmatch(text.reveal().strip())
        if match is None or match[1] != cls.prefix:
            raise JoinTokenInvalid(
                f"the {cls.what} has not the form of one",
                hint=f"expected '{cls.prefix}_…' as 'devwiz-gw issuer token' printed it, and "
                "nothing else",
            )
        return cls(id=match[2], secret=Secret(match[3]))

    @property
    def text(self) -> Secret:
        """What the workload is given."""
        return Secret(f"{self.prefix}_{self.id}_{self.secret.reveal()}")

    @property
    def digest(self) -> bytes:
        """What the issuer keeps: SHA-256 of the secret part's bytes."""
        return hashlib.sha256(bytes.fromhex(self.secret.reveal())).digest()


class RegistrationSecret(JoinToken):
    """What a workload shows once to have its public key bound to a join rule."""

    __slots__ = ()

    prefix: ClassVar[str] = "dgwr"
    what: ClassVar[str] = "registration secret"
