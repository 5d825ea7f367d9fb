"""Header names that a route may handle, and the templates of the values that it attaches."""

from __future__ import annotations

import re
from typing import Final

from gateway.config.model import HeaderTemplate
from gateway.config.table import Rejected
from identity.errors import InvalidSecretName
from identity.secret_stores.base import SecretRef

# RFC 9110 section 5.6.2.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Visible ASCII and blanks: RFC 9110 section 5.5 without obs-text, which peers read differently.
_FIELD_TEXT: Final = re.compile(r"[\x20-\x7e]*")

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

#: Headers by which the gateway itself frames and routes messages (RFC 9110 sections 7.2, 7.6.1 and
#: 10.1.1, RFC 9112 section 6).
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
    }
)


def header_name(text: str) -> str:
    """A header that a route may attach or pass, as written. Raises `Rejected`."""
    if not _TOKEN.fullmatch(text):
        raise Rejected(f"{text!r} is not a header name", "use letters, digits and '-'")
    if same_name(text) in _OWN:
        raise Rejected(
            f"{text} is the gateway's own",
            "it belongs to a single connection, or frames the message; leave it out",
        )
    return text


def same_name(name: str) -> str:
    """Names that give the same here mean the same to some server: any case, '_' or '-'."""
    return name.lower().replace("_", "-")


def header_template(name: str, text: str, *, project: str) -> HeaderTemplate:
    """The value of a header: text with `{secret:NAME}` in it, `{{` and `}}` for braces.

    Raises:
        Rejected: the template or a secret's name is malformed.
    """
    if not _FIELD_TEXT.fullmatch(text):
        raise Rejected("holds characters that a header can't", "use visible ASCII and blanks")
    if text != text.strip():
        raise Rejected("starts or ends with a blank", "receivers drop it; remove it")
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
            parts += [_secret_name(piece[1], project=project), ""]
    parts[-1] += text[end:]
    return HeaderTemplate(name, tuple(parts))


def _secret_name(placeholder: str, *, project: str) -> str:
    kind, colon, name = placeholder.partition(":")
    if kind != "secret" or not colon:
        raise Rejected(
            f"unknown placeholder {{{placeholder}}}",
            "{secret:NAME} is known; write {{ and }} for braces that are meant so",
        )
    return secret_name(name, project=project)


def secret_name(name: str, *, project: str) -> str:
    """The name of a secret of `project`. Raises `Rejected`."""
    try:
        return SecretRef(project, name).name
    except InvalidSecretName as error:
        raise Rejected(str(error), error.hint) from None
