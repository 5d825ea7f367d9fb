"""`gateway.injection.envrc_text`."""

from __future__ import annotations

import base64
import json
import subprocess
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.injection.envrc_text import (
    MARK,
    exports,
    literal_head,
    quoted,
    session_id,
    value_free,
    without_loaded,
)


def record(before: dict[str, str], after: dict[str, str]) -> str:
    """As direnv writes it."""
    packed = zlib.compress(json.dumps({"p": before, "n": after}).encode())
    return base64.urlsafe_b64encode(packed).decode()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=8))
def test_bash_reads_the_same_text(texts: list[str]) -> None:
    words = " ".join(map(quoted, texts))
    assert words.isascii()
    assert words.isprintable()
    script = f'set -- {words}; printf \'%s\\0\' "$#" "$@"'
    for locale in ("C", "C.UTF-8"):
        done = subprocess.run(
            ["bash", "-c", script], env={"LC_ALL": locale}, capture_output=True, check=True
        )
        expected = [str(len(texts)), *texts]
        assert done.stdout.split(b"\0")[: len(expected)] == [text.encode() for text in expected]


def test_bytes_that_are_no_text() -> None:
    assert quoted("\udcff1") == "$'\\3771'"


def test_what_is_exported() -> None:
    assert exports("id", {"A": "1", "B": "it's"}) == (
        f"export A=$'1'\nexport B=$'it\\'s'\nexport {MARK}=$'id:A,B'\n"
    )


def test_a_folder_has_the_same_session_each_time() -> None:
    assert session_id(Path("/a")) == session_id(Path("/a")) != session_id(Path("/b"))
    assert len(session_id(Path("/a"))) == 16


def test_a_text_without_values_quotes_its_paths() -> None:
    text = value_free("id", Path("/s/it's $x"), ("/p y", "-I"))
    assert "watch_file $'/s/it\\'s $x'\n" in text
    assert "eval \"$($'/p y' $'-I' envrc export --session id)\"" in text


def test_heads_differ() -> None:
    assert literal_head("id", "1") != literal_head("id", "2")
    assert literal_head("id", "1").count("\n") == 1


def test_what_direnv_loaded_is_left_out() -> None:
    environ = {
        "A": "secret", "B": "secret", "C": "own", "PATH": "/bin", MARK: "id:A,B",
        "DIRENV_DIFF": record({"B": "mine"}, {"A": "secret", "B": "secret", MARK: "id:A,B"}),
        "DIRENV_WATCHES": "x",
    }  # fmt: skip
    assert without_loaded(environ) == {"B": "mine", "C": "own", "PATH": "/bin"}
    without_record = {"A": "secret", "C": "own", MARK: "id:A,B"}
    assert without_loaded(without_record) == {"C": "own"}
    del environ[MARK]
    assert "DIRENV_DIFF" not in without_loaded(environ)


def test_what_direnv_loaded_from_elsewhere_stays() -> None:
    for text in (record({}, {"A": "1"}), "", "%", "AAAA", record({}, {})[:-8]):
        environ = {"A": "1", "DIRENV_DIFF": text}
        assert without_loaded(environ) == environ
