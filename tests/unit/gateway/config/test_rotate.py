from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.config.model import ConfiguConfig
from gateway.config.rotate import read_rotations, refuse_write_back
from gateway.config.rotate_model import RotateConfig
from gateway.config.table import Table
from gateway.errors import ConfigProblem

BASE = Path("/etc/acme")


def read(text: str) -> tuple[tuple[RotateConfig, ...], list[ConfigProblem]]:
    problems: list[ConfigProblem] = []
    raw = tomllib.loads(text).get("rotate", {})
    return read_rotations(Table(raw, "rotate", problems), base=BASE, project="acme"), problems


def test_all_providers_are_read() -> None:
    found, problems = read(
        """
[rotate.langsmith]
provider = "langsmith"
secret = "langsmith-api-key"
keys = "organization"
workspace = "7d1a6f0e-0000-4000-8000-000000000001"
admin_secret = "langsmith-admin"
expires = "30d"
grace = "2h"
remind_after = "60d"
on_switch = "signal:HUP"
[rotate.service-role]
provider = "supabase-api-key"
ref = "abcdefghijklmnop"
access_token_secret = "supabase-pat"
remind_after = "never"
[rotate.signing]
provider = "supabase-signing-key"
ref = "abcdefghijklmnop"
access_token_secret = "supabase-pat"
token_life = "2h"
[rotate.db]
provider = "configu"
length = 48
[rotate.db.configu]
org = "7d1a6f0e"
token_secret = "configu-token"
set = "prod/eu"
key = "DB_PASSWORD"
[rotate.broker]
provider = "exec"
create = ["/usr/local/bin/broker", "create"]
revoke = ["/usr/local/bin/broker", "revoke"]
find = ["/usr/local/bin/broker", "find"]
verify = ["/usr/local/bin/broker", "ping"]
allow = true
pass_env = ["BROKER_URL"]
timeout_s = 5
on_switch = "restart"
[rotate.typed]
provider = "prompt"
"""
    )
    assert problems == []
    by_name = {item.name: item for item in found}
    key = by_name["langsmith"]
    assert (key.secret, key.grace_s, key.on_switch) == ("langsmith-api-key", 7200.0, "signal:HUP")
    assert key.remind_after_s == 60 * 86_400.0
    assert key.langsmith is not None
    assert key.langsmith.expires_s == 30 * 86_400.0
    assert by_name["service-role"].remind_after_s is None
    service = by_name["service-role"].supabase
    assert service is not None
    assert service.url == "https://abcdefghijklmnop.supabase.co"
    assert by_name["signing"].secret == ""
    assert by_name["signing"].grace_s == 2 * 3600 + 15 * 60
    assert by_name["db"].length == 48
    place = by_name["db"].publish
    assert place is not None
    assert (place.set, place.key, place.endpoint) == ("prod/eu", "DB_PASSWORD", "")
    hooks = by_name["broker"].hooks
    assert hooks is not None
    assert hooks.find == ("/usr/local/bin/broker", "find")
    assert (by_name["typed"].secret, by_name["typed"].on_switch) == ("typed", "leave")


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[rotate.a]", "rotate.a.provider", "is missing"),
        ('[rotate.a]\nprovider = "magic"', "rotate.a.provider", '"magic" is not known'),
        ('[rotate."../a"]\nprovider = "prompt"', 'rotate."../a"', "is not a rotation's name"),
        (
            '[rotate.a]\nprovider = "exec"\ncreate = ["/bin/a"]',
            "rotate.a.allow",
            "a program is run only where the file says so",
        ),
        (
            '[rotate.a]\nprovider = "exec"\ncreate = ["a"]\nallow = true',
            "rotate.a.create[0]",
            "'a' is not an absolute path",
        ),
        ('[rotate.a]\nprovider = "exec"\nallow = true', "rotate.a.create", "is missing"),
        ('[rotate.a]\nprovider = "prompt"\nallow = true', "rotate.a.allow", "nothing is run"),
        ('[rotate.a]\nprovider = "prompt"\ngrace = "soon"', "rotate.a.grace", "is not a time"),
        (
            '[rotate.a]\nprovider = "prompt"\ngrace = "999999d"',
            "rotate.a.grace",
            "is more than ten years",
        ),
        (
            '[rotate.a]\nprovider = "prompt"\non_switch = "signal:KILL"',
            "rotate.a.on_switch",
            "'signal:KILL' is not known",
        ),
        (
            '[rotate.a]\nprovider = "prompt"\nsecret = "devwiz-gw.x"',
            "rotate.a.secret",
            "is the program's own secret",
        ),
        ('[rotate.a]\nprovider = "configu"', "rotate.a.configu", "is missing"),
        (
            '[rotate.a]\nprovider = "prompt"\nsecret = "b"\n[rotate.b]\nprovider = "prompt"',
            "rotate.b.secret",
            "b is rotated by a already",
        ),
        (
            (
                '[rotate.a]\nprovider = "supabase-signing-key"\nref = "../x"\n'
                'access_token_secret = "pat"'
            ),
            "rotate.a.ref",
            "is not a project's reference",
        ),
        (
            (
                '[rotate.a]\nprovider = "supabase-signing-key"\nref = "abcdefghij"\n'
                'access_token_secret = "pat"\nsecret = "a"'
            ),
            "rotate.a.secret",
            "never leaves the project",
        ),
        (
            '[rotate.a]\nprovider = "langsmith"\nendpoint = "http://example.com"',
            "rotate.a.endpoint",
            "should start with https://",
        ),
        ('[rotate.a]\nprovider = "prompt"\nwhat = 1', "rotate.a.what", "unknown key"),
        (
            '[rotate.a]\nprovider = "prompt"\n[rotate.a.configu]\norg = "o"\nkey = "cfgu"',
            "rotate.a.configu.key",
            "can't be the name of a config",
        ),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, key: str, message: str) -> None:
    _, problems = read(text)
    told = [problem for problem in problems if problem.key == key]
    assert told, problems
    assert any(message in problem.message for problem in told)


@pytest.mark.parametrize(
    ("tag", "message"), [("", None), ("v1", "values of the past"), (None, "nothing to write back")]
)
def test_a_value_is_written_back_where_it_is_taken_from(
    tag: str | None, message: str | None
) -> None:
    rotations, _ = read('[rotate.db]\nprovider = "prompt"\nwrite_back = true\n')
    place = None
    if tag is not None:
        place = ConfiguConfig(
            url="https://configu.example", org="o", set="", schemas=(), tag=tag,
            interval_s=60.0, max_offline_s=60.0, ca_file=None,
        )  # fmt: skip
    problems: list[ConfigProblem] = []
    refuse_write_back(Table({}, "", problems), rotations, place)
    told = [item.message for item in problems]
    assert told == [] if message is None else message in told[0]
