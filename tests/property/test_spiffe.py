"""SPIFFE ids: any text is read as it stands or refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from identity.errors import InvalidSpiffeId
from identity.spiffe import SpiffeId, TrustDomain

domains = st.from_regex(r"[a-z0-9._-]{1,30}", fullmatch=True)
segments = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True).filter(
    lambda segment: segment not in {".", ".."}
)


@given(domains, st.lists(segments, max_size=6))
def test_every_id_of_the_grammar_is_read_and_written_back(domain: str, parts: list[str]) -> None:
    text = "/".join([f"spiffe://{domain}", *parts])
    spiffe_id = SpiffeId.parse(text)
    assert str(spiffe_id) == text
    assert spiffe_id.trust_domain == TrustDomain(domain)


@given(
    st.one_of(st.text(), st.text().map("spiffe://acme".__add__), st.text().map("spiffe://".__add__))
)
def test_any_text_is_itself_or_refused(text: str) -> None:
    try:
        spiffe_id = SpiffeId.parse(text)
    except InvalidSpiffeId as refusal:
        message = str(refusal)
    else:
        message = ""
        assert str(spiffe_id) == text
        assert text.isascii()
        assert not set(text) & set("%?#@ \t\r\n")
    assert message.replace("…", "").isprintable()
