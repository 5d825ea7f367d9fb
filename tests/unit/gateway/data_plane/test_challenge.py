"""The one parameter of a challenge that would send a client for a token."""

from __future__ import annotations

import pytest

from gateway.data_plane.challenge import with_metadata, without_metadata

URL = b"https://agent.example/.well-known/oauth-protected-resource/mcp"


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b'Bearer resource_metadata="u"', b"Bearer"),
        (b'Bearer Resource_Metadata = "u"', b"Bearer"),
        (b"Bearer resource_metadata=https://u/", b"Bearer"),
        (b'Bearer resource_metadata="u", scope="a b"', b'Bearer scope="a b"'),
        (b'Bearer realm="r", resource_metadata="u", scope="a"', b'Bearer realm="r", scope="a"'),
        (b'Bearer resource_metadata="u" , Basic realm="r"', b'Bearer, Basic realm="r"'),
        (b'DPoP algs="ES256", resource_metadata="u",', b'DPoP algs="ES256"'),
        (b'Bearer resource_metadata="u", Bearer resource_metadata="v"', b"Bearer, Bearer"),
        (b'Bearer resource_metadata="u", resource_metadata="v", a=b', b"Bearer a=b"),
        (
            b'Bearer error="x", resource_metadata_x="u"',
            b'Bearer error="x", resource_metadata_x="u"',
        ),
        (b"Negotiate YWJj==, Basic realm=r", b"Negotiate YWJj==, Basic realm=r"),
        (b'Bearer resource_metadata="u", Negotiate YWJj==', b"Bearer, Negotiate YWJj=="),
        (b"", b""),
        # What isn't a list of challenges.
        (b'Bearer realm="open, resource_metadata="u"', b"Bearer"),
        (b'"', b"Bearer"),
        (b'Bearer resource_metadata="u" scope="a"', b"Bearer"),
        (b'Bearer realm="r" resource_metadata="u"', b"Bearer"),
        (b'DPoP error="x"; Resource_Metadata = u', b"DPoP"),
        (b"Bearer resource_metadata*=utf-8''u", b"Bearer"),
        # In a value, where some look for it all the same.
        (b'Bearer realm="a, resource_metadata=u"', b"Bearer"),
        (b'Bearer realm="\\", resource_metadata=u"', b"Bearer"),
        (b'Bearer realm="no resource_metadata"', b'Bearer realm="no resource_metadata"'),
    ],
)
def test_it_is_left_out(value: bytes, left: bytes) -> None:
    assert without_metadata(value) == left


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        (b'Bearer resource_metadata="%b"' % URL, b'Bearer resource_metadata="<%b>"' % URL),
        (b'Bearer a="b, c",resource_metadata=u', b'Bearer a="b, c", resource_metadata="<u>"'),
        (b'Bearer resource_metadata="a\\"b"', b'Bearer resource_metadata="a\\"b"'),
        (b'Basic realm="u"', b'Basic realm="u"'),
        (b'Bearer realm="open', b'Bearer realm="open'),
    ],
)
def test_or_mapped(value: bytes, changed: bytes) -> None:
    assert with_metadata(value, lambda url: b"<%b>" % url) == changed
