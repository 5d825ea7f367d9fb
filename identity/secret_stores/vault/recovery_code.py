"""Recovery codes: 160 random bits, for a person to write down and type. Pure."""

from __future__ import annotations

from typing import Final

CODE_BYTES: Final = 20
# Crockford's base 32: no letter that looks like a digit, and no U, by which words come about.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_GROUP: Final = 4
_CODE_CHARACTERS: Final = CODE_BYTES * 8 // 5


def new_code(random: bytes) -> str:
    """A code in groups of four characters."""
    number = int.from_bytes(random, "big")
    text = "".join(
        _ALPHABET[number >> 5 * place & 31] for place in reversed(range(_CODE_CHARACTERS))
    )
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def normal_code(typed: str) -> str:
    """A code as it was meant: without blanks and dashes, O for 0, I and L for 1."""
    kept = "".join(char for char in typed.upper() if char.isalnum())
    return kept.translate(_LOOKALIKES)
