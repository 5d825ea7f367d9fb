"""HTTP/1.1 on the wire, as pure functions and small state machines: bytes in, decisions out.

Strict by design: what isn't exactly a message by RFC 9112 is refused, never repaired, in both
directions, so that no two parsers can read different messages out of the same bytes.
"""

__all__: list[str] = []
