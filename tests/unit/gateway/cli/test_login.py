"""`gateway.cli.login` and `logout`, as far as they need no store."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.main import main

CONFIG = """
project = "acme"
[identity]
source = "spiffe"
[[routes]]
name = "planner"
listen = "127.0.0.1:0"
upstream = "https://planner.example.com"
"""
ONE = """
[tokens.one]
source = "supabase"
url = "https://one.supabase.co"
publishable_key = "k"
"""
TWO = ONE.replace("one", "two")
FOLDER = '[secrets]\nstore = "folder"\nfolder = "s"\n'


@pytest.mark.parametrize(
    ("more", "arguments", "code", "told"),
    [
        (ONE, ["login"], 2, "name what to sign in to"),
        (ONE, ["login", "supabase"], 2, "one of the arguments --email --provider"),
        (ONE, ["login", "supabase", "--email", "a", "--provider", "b"], 2, "not allowed with"),
        ("", ["login", "supabase", "--email", "a"], 2, "has no [tokens.NAME]"),
        (ONE, ["login", "supabase", "--token", "x", "--email", "a"], 2, "has no [tokens.x]"),
        (ONE + TWO, ["login", "supabase", "--email", "a"], 2, "pass --token with one of one, two"),
        (ONE + TWO, ["logout", "supabase"], 2, "pass --token with one of one, two"),
        (ONE + FOLDER, ["login", "supabase", "--email", "a"], 2, "keeps nothing"),
        (ONE + FOLDER, ["login", "langsmith"], 2, "keeps nothing"),
        (ONE + FOLDER, ["logout", "supabase"], 2, "keeps nothing"),
        (ONE + FOLDER, ["logout", "langsmith"], 2, "keeps nothing"),
        (ONE, ["login", "langsmith", "--name", "devwiz-gw.mfa"], 1, "the program's own"),
        (ONE, ["logout", "langsmith", "--name", "Devwiz-GW.audit-key"], 1, "the program's own"),
        ("[configu]\n", ["login", "--status"], 1, "problems in the configuration"),
    ],
)
def test_what_can_not_be_done_is_told_before_anything_is_typed(
    workdir: Path,
    capsys: pytest.CaptureFixture[str],
    more: str,
    arguments: list[str],
    code: int,
    told: str,
) -> None:
    (workdir / "devwiz-gw.toml").write_text(CONFIG + more)
    assert main(arguments) == code
    assert told in capsys.readouterr().err
