"""Header names that a route may handle, and the templates of the values that it attaches."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from gateway.config.references import TOKEN_PREFIX, HeaderTemplate
from gateway.config.table import Rejected, Table
from identity.errors import InvalidSecretName
from identity.secret_stores.base import SecretRef, is_own

# RFC 9110 section 5.6.2.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Visible ASCII and blanks: RFC 9110 section 5.5 without obs-text, which peers read differently.
_FIELD_TEXT: Final = re.compile(r"[\x20-\x7e]*")

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

#: Headers by which the gateway itself frames and routes messages (RFC 9110 sections 7.2, 7.6.1 and
#: 10.1.1, RFC 9112 section 6), and by which it knows callers or an ingress tells of them.
_OWN: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-client-cert",
        "x-devwiz-gw-token",
    }
)
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]+")
_TOKEN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def read_headers(table: Table, *, project: str) -> tuple[HeaderTemplate, ...]:
    """The headers that a route attaches; problems are noted in `table`."""
    headers: list[HeaderTemplate] = []
    written: dict[str, str] = {}
    for name in table.entries():
        text = table.text(name, empty=True)
        if table.convert(name, name, header_name) is None:
            continue
        earlier = written.setdefault(same_name(name), name)
        if earlier != name:
            hint = "case and punctuation make no difference to some receivers; keep one"
            table.problem(name, f"is the same header as {earlier}", hint)
        template = partial(header_template, name, project=project)
        if header := table.convert(name, text, template):
            headers.append(header)
    return tuple(headers)


def read_passed(table: Table, *, attached: Iterable[str]) -> tuple[str, ...]:
    """The client's headers that are let through, lower case; none that is `attached` too."""
    managed = {same_name(name) for name in attached}

    def passed(text: str) -> str:
        name = header_name(text)
        if same_name(name) in managed:
            raise Rejected(
                f"{name} is attached by this route",
                "the client's value and the route's can't both be sent; keep one",
            )
        return name.lower()

    return table.distinct("pass_headers", passed)


def header_name(text: str) -> str:
    """A header that a route may attach or pass, as written. Raises `Rejected`."""
    if not _TOKEN.fullmatch(text):
        raise Rejected(f"{text!r} is not a header name", "use letters, digits and '-'")
    if same_name(text) in _OWN_NAMES:
        raise Rejected(
            f"{text} is the gateway's own",
            "it speaks for a connection or its caller, or frames the message; leave it out",
        )
    return text


def same_name(name: str) -> str:
    """Names that give the same here mean the same to some server: in any case and punctuation."""
    return _PUNCTUATION.sub("", name.lower())


_OWN_NAMES: Final = frozenset(map(same_name, _OWN))


def header_template(name: str, text: str, *, project: str) -> HeaderTemplate:
    """The value of a header: text with `{secret:NAME}` and `{token:NAME}` in it, `{{` and `}}` for
    braces.

    Raises:
        Rejected: the template or a name in it is malformed.
    """
    if not _FIELD_TEXT.fullmatch(text):
        raise Rejected("holds characters that a header can't", "use visible ASCII and blanks")
    if text != text.strip():
        raise Rejected("starts or ends with a blank", "receivers drop it; remove it")
    return HeaderTemplate(name, template_parts(text, project=project))


def template_parts(text: str, *, project: str) -> tuple[str, ...]:
    """Text and names of secrets in turn, beginning and ending with text.

    Raises:
        Rejected: the template or a secret's name is malformed.
    """
    parts = [""]
    end = 0
    for piece in _PIECE.finditer(text):
        parts[-1] += text[end : piece.start()]
        end = piece.end()
        if piece[0] in {"{{", "}}"}:
            parts[-1] += piece[0][0]
        elif piece[1] is None:
            raise Rejected(f"a lone {piece[0]!r}", "write {{ or }} for a brace that is meant so")
        else:
            parts += [_placeholder(piece[1], project=project), ""]
    parts[-1] += text[end:]
    return tuple(parts)


def _placeholder(text: str, *, project: str) -> str:
    kind, colon, name = text.partition(":")
    if kind == "secret" and colon:
        return secret_name(name, project=project)
    if kind == "token" and colon:
        return TOKEN_PREFIX + token_name(name)
    raise Rejected(
        f"unknown placeholder {{{text}}}",
        "{secret:NAME} and {token:NAME} are known; write {{ and }} for braces that are meant so",
    )


def secret_name(name: str, *, project: str) -> str:
    """The name of a secret of `project`. Raises `Rejected`."""
    if is_own(name):
        raise Rejected(f"{name} is the program's own secret", "choose another name")
    try:
        return SecretRef(project, name).name
    except InvalidSecretName as error:
        raise Rejected(str(error), error.hint) from None


def token_name(name: str) -> str:
    """The name of a `[tokens.NAME]` table. Raises `Rejected`."""
    if not _TOKEN_NAME.fullmatch(name):
        raise Rejected(f"{name!r} is not a token's name", "use a–z, 0–9 and '-', 63 at most")
    return name


def fits_a_header(value: str) -> bool:
    """Visible ASCII with blanks inside only: what every server reads as the same value."""
    return value.isascii() and value.isprintable() and value == value.strip()
