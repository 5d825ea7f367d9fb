"""Takes out of texts what may not leave the machine: values that are known, what looks like a
credential, and what names a person or the machine. Pure.

It is the second guard: what goes into a bundle is chosen member by member before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Final

from gateway.injection.value_forms import forms_of

REDACTED: Final = "[redacted]"
#: A shorter value would take half of all texts with it.
LEAST: Final = 6
_LIKE_CREDENTIALS: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)"
    r"|(?<=bearer )[A-Za-z0-9._~+/=-]{6,}"
    r"|(?<=basic )[A-Za-z0-9+/=]{6,}"
    r"|\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){0,3}"
    r"|(?<=://)[^\s\"'<>]{1,2048}(?=@)"
    r"|(?<=[?#])[^\s\"'#<>]*=[^\s\"'#<>]*"
    r"|\b(?:dwgw|sk|rk|pk|lsv2|gh[opsru]|github_pat|xox[abprs]|sbp|hvs|glpat)[-_][A-Za-z0-9_-]{8,}"
    r"|\bAKIA[A-Z0-9]{12,}",
    re.DOTALL | re.IGNORECASE,
)
# Letters of both sizes and digits in one long piece, which no word and no digest in hex is.
_RANDOM: Final = re.compile(
    r"(?<![A-Za-z0-9+/_=-])(?=[A-Za-z0-9+/_=-]*[a-z])(?=[A-Za-z0-9+/_=-]*[A-Z])"
    r"(?=[A-Za-z0-9+/_=-]*[0-9])[A-Za-z0-9+_=-]{32,}"
)
# Said with its name: in a form, in JSON, as a header. TOML's spaces are no part of it, so that what
# a remedy says to write stays.
_SAID: Final = re.compile(
    r"((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credential|assertion)s?=)[^\s&;,\"']+"
    r"|(\"[^\"\s]*(?:passw(?:or)?d|passphrase|secret|token|key|credential|assertion)\"\s*:\s*)"
    r"\"(?:[^\"\\]|\\.)*\""
    r"|(\b(?:(?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token))\s*:\s*)[^\r\n]+",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(
    r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.])"
    r"|(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f]*:)[0-9A-Fa-f:]{2,39}(?![\w:])"
)
_LOCAL: Final = frozenset({"127.0.0.1", "0.0.0.0", "::1", "::"})  # noqa: S104 - left as it is


class Scrubber:
    """Cleans texts. `values` are secrets, taken out in each of their forms; `names` has what other
    texts are replaced by. With `addresses` IP addresses of other machines are numbered.
    """

    def __init__(
        self, values: Iterable[str], names: Mapping[str, str], *, addresses: bool = False
    ) -> None:
        forms = {
            form.decode("utf-8", "surrogateescape")
            for value in values
            for part in (value, *value.splitlines())
            if len(part.strip()) >= LEAST
            for form in forms_of(part.strip())
        }
        self._known = _any_of(forms)
        self._names = {name: into for name, into in names.items() if name}
        self._named = _any_of(self._names, edge=True)
        self._addresses: dict[str, str] | None = {} if addresses else None

    def clean(self, text: str) -> str:
        """The text, cleaned."""
        text = self._known.sub(REDACTED, text)
        text = _LIKE_CREDENTIALS.sub(REDACTED, text)
        text = _SAID.sub(lambda match: f"{match[1] or match[2] or match[3]}{REDACTED}", text)
        text = _RANDOM.sub(REDACTED, text)
        text = self._named.sub(lambda match: self._names[match[0]], text)
        if self._addresses is not None:
            text = _ADDRESS.sub(lambda match: self._numbered(match[0]), text)
        return text

    def cleaned(self, value: Any) -> Any:
        """A value of JSON with every text in it cleaned, keys too."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.clean(str(key)): self.cleaned(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.cleaned(item) for item in value]
        return value

    def _numbered(self, address: str) -> str:
        known = self._addresses
        if known is None or address in _LOCAL or not _is_address(address):
            return address
        return known.setdefault(address, f"address-{len(known) + 1}")


def _is_address(text: str) -> bool:
    """Whether it is one, and no time of day or fingerprint."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _any_of(texts: Iterable[str], *, edge: bool = False) -> re.Pattern[str]:
    """Finds any of the texts, a longer one first; with `edge` only as a whole word."""
    escaped = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    if not escaped:
        return re.compile(r"(?!)")
    return re.compile(rf"(?<![A-Za-z0-9])(?:{escaped})(?![A-Za-z0-9])" if edge else escaped)
