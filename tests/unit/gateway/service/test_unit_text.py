from __future__ import annotations

import pytest

from gateway.service.unit_text import NotWritable, assignments, command, raw, words


def test_words_are_quoted_only_where_needed() -> None:
    assert words(["/a/b-c.d", "AF_UNIX"]) == "/a/b-c.d AF_UNIX"
    assert words(["/a b", 'c"d', "e\\f", "it's", ";", ""]) == (
        '"/a b" "c\\"d" "e\\\\f" "it\'s" ";" ""'
    )


def test_specifiers_and_variables_stay_as_they_are() -> None:
    assert raw("/srv/100% of it") == "/srv/100%% of it"
    assert words(["/srv/%h"]) == "/srv/%%h"
    # The program's own path has no variables; its arguments have.
    assert command("/opt/$x/gw", "--config", "/srv/$HOME/%i") == (
        "/opt/$x/gw --config /srv/$$HOME/%%i"
    )
    assert assignments({"A": "/x y%", "B": "$c"}) == '"A=/x y%%" B=$c'


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "a\x00b", "\u202e"])
def test_what_is_not_printable_is_refused(text: str) -> None:
    for write in (raw, lambda text: words([text])):
        with pytest.raises(NotWritable, match="isn't printable"):
            write(text)


@pytest.mark.parametrize("text", [" a", "a ", "a\\"])
def test_a_raw_value_keeps_its_ends(text: str) -> None:
    with pytest.raises(NotWritable, match="begins or ends"):
        raw(text)
