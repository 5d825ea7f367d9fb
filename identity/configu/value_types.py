"""What a config's value must look like, by the `type` of its declaration. Pure.

The names are Configu's, of its older declarations and its newer ones; each takes what Configu's own
client takes, with one difference: of lists that others keep up (countries, regions of clouds) only
the form of an entry is checked, because a list that is out of date refuses good values.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from identity.configu.json_form import parsed
from identity.secret_stores.base import MAX_VALUE_BYTES

Check = Callable[[str], bool]

_LABEL: Final = r"(?!-)[A-Za-z0-9_\u00a1-\uffff-]{1,63}(?<!-)"
_DOMAIN: Final = rf"(?:{_LABEL}\.)+[A-Za-z\u00a1-\uffff][A-Za-z0-9\u00a1-\uffff-]*"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PART: Final = r"[0-9A-Za-z-]+"
_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_DEGREES: Final = r"[+-]?(?:90(?:\.0+)?|[1-8]?[0-9](?:\.[0-9]+)?)"
_MERIDIAN: Final = r"[+-]?(?:180(?:\.0+)?|(?:1[0-7][0-9]|[1-9]?[0-9])(?:\.[0-9]+)?)"
_REGION: Final = r"[a-z]+(?:-[a-z0-9]+)*[0-9]*"
#: No value of a type with more of a form is longer; expressions that go back and forth end soon.
_MOST_CHARS: Final = 1000


def _like(pattern: str, flags: int = 0, *, most: int = _MOST_CHARS) -> Check:
    # Compiling all of them at once takes twenty milliseconds, and a set uses few.
    compiled = functools.cache(lambda: re.compile(pattern, flags))
    return lambda value: len(value) <= most and compiled().fullmatch(value) is not None


def _reads(convert: Callable[[str], object]) -> Check:
    def check(value: str) -> bool:
        try:
            convert(value)
        except ValueError:
            return False
        return True

    return check


def _json(kind: type) -> Check:
    return lambda value: type(parsed(value)) is kind


_is_day_or_time: Final = _like(
    r"[0-9]{4}/(?:0[1-9]|1[0-2])/(?:0[1-9]|[12][0-9]|3[01])|(?:[01][0-9]|2[0-3]):[0-5][0-9]"
)
_is_moment: Final = _reads(datetime.fromisoformat)

#: By name; "RegEx" and "JSONSchema" only say that `pattern` or `schema` has the say.
CHECKS: Final[dict[str, Check]] = {
    "Boolean": _like("true|false|1|0|yes|no", re.IGNORECASE),
    "Number": _like(r"[+-]?(?:[0-9]*\.)?[0-9]+"),
    "String": lambda _value: True,
    "RegEx": lambda _value: True,
    "JSONSchema": lambda _value: True,
    "UUID": _like(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE),
    "SemVer": _like(
        rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
        rf"(?:-(?:{_NUMBER}|[0-9]*[A-Za-z-]{_PART[:-1]}*)(?:\.(?:{_NUMBER}|[0-9]*[A-Za-z-]"
        rf"{_PART[:-1]}*))*)?(?:\+{_PART}(?:\.{_PART})*)?"
    ),
    "Email": _like(
        rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+)*@{_DOMAIN}"
    ),
    "MobilePhone": _like(r"\+?[0-9](?:[ ().-]?[0-9]){5,18}"),
    "Locale": _like(r"[A-Za-z]{2,4}(?:[_-](?:[A-Za-z]{4}|[0-9]{3}))?(?:[_-][A-Za-z0-9]{2,3})?"),
    "LatLong": _like(rf"\(?\s*{_DEGREES}\s*,\s*{_MERIDIAN}\s*\)?"),
    "Color": _like(
        r"#?(?:[0-9A-F]{3}|[0-9A-F]{4}|[0-9A-F]{6}|[0-9A-F]{8})"
        r"|(?:rgb|hsl)a?\([0-9.,%\s/deg-]{3,60}\)",
        re.IGNORECASE,
    ),
    "IPv4": _reads(IPv4Address),
    "IPv6": _reads(IPv6Address),
    "Domain": _like(_DOMAIN),
    "URL": _like(
        rf"(?:(?:https?|ftp)://)?(?:[^\s/?#@]*@)?(?:{_DOMAIN}|(?:{_OCTET}\.){{3}}{_OCTET}"
        r"|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?#]\S*)?",
        re.IGNORECASE,
    ),
    "ConnectionString": _like(
        r"(?:[^:/?#\s]+://)?(?:[^@/?#\s]+@)?(?:[^/?#\s]+)?(?:/[^?#\s]*)?(?:\?[^#\s]+)?\S*"
    ),
    "Hex": _like(r"(?:0x|0h)?[0-9A-F]+", re.IGNORECASE, most=MAX_VALUE_BYTES),
    "Base64": _like(
        r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", most=MAX_VALUE_BYTES
    ),
    "MD5": _like(r"[0-9a-fA-F]{32}"),
    "SHA": _like(r"(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})"),
    "Country": _like(r"[A-Za-z]{2,3}"),
    "Currency": _like(r"[A-Za-z]{3}"),
    "Language": _like(r"[A-Za-z]{2}"),
    "DockerImage": _like(
        r"(?:(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,6}(?::[0-9]{1,5})?/)?"
        r"[a-z0-9]+(?:[._/:-][a-z0-9]+)*"
    ),
    "ARN": _like(r"arn:[^:\n]+:[^:\n]+:[^:\n]*:[^:\n]*:[^:/\n]+(?::[^\n]+|/[^:\n]+)?"),
    "MACAddress": _like(
        r"[0-9a-f]{2}([:\s-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?:\1[0-9a-f]{2}\1[0-9a-f]{2})?"
        r"|[0-9a-f]{12}|[0-9a-f]{16}|(?:[0-9a-f]{4}\.){2,3}[0-9a-f]{4}",
        re.IGNORECASE,
    ),
    "MIMEType": _like(
        r"(?:application|audio|font|image|message|model|multipart|text|video)"
        r"/[A-Za-z0-9.+_-]{1,100}(?:\s*;\s*[A-Za-z0-9-]+=(?:\"[^\"]*\"|[^\s;\"]+))*",
        re.IGNORECASE,
    ),
    "MongoId": _like(r"[0-9a-fA-F]{24}"),
    "AWSRegion": _like(_REGION),
    "AZRegion": _like(_REGION),
    "GCPRegion": _like(_REGION),
    "OracleRegion": _like(_REGION),
    "IBMRegion": _like(_REGION),
    "AlibabaRegion": _like(_REGION),
    "DateTime": lambda value: _is_day_or_time(value) or _is_moment(value),
    "boolean": _json(bool),
    "number": lambda value: type(parsed(value)) in {int, float},
    "string": lambda _value: True,
    "object": _json(dict),
    "array": _json(list),
}
