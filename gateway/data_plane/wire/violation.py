"""The one exception of the wire modules."""

from __future__ import annotations


class ProtocolViolation(Exception):
    """The peer's bytes are not an acceptable HTTP/1.1 message.

    `reason` is a stable word for logs and metrics; `detail` a sentence for the peer's developer
    that quotes none of the bytes (they may hold a credential). `status` is what a client is
    answered: 400 for malformed messages, 403 for methods that a gateway must not forward, 414 and
    501 for too long targets and unknown codings (RFC 9112 sections 3 and 6.1), 417 for unknown
    expectations (RFC 9110 section 10.1.1), 431 for too large heads (RFC 6585 section 5), 505 for
    other versions (RFC 9110 section 15.6.6).
    """

    def __init__(self, reason: str, detail: str, *, status: int = 400) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.status = status
