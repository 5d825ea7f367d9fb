"""`gateway.injection.plan`."""

from __future__ import annotations

import pytest

from gateway.config.model import InjectedVariable, RunConfig
from gateway.injection.plan import NotAllowed, base_environment, check_delivered, check_fits, chosen

MANIFEST = RunConfig(
    env=(
        InjectedVariable("KEY", ("", "key", "")),
        InjectedVariable("URL", ("db://u:", "db", "@h/", "name", "")),
        InjectedVariable("PLAIN", ("text",)),
    ),
    secrets=("other",),
)


def pick(only: list[str] | None = None, more: list[str] | None = None) -> list[str]:
    return [item.name for item in chosen(MANIFEST, only=only or [], more=more or [], project="p")]


def test_all_or_only_some_of_the_manifest() -> None:
    assert pick() == ["KEY", "URL", "PLAIN"]
    assert pick(["URL"]) == ["URL"]
    assert pick(["KEY"], ["X=secret:other", "Y=secret:db"]) == ["KEY", "X", "Y"]
    assert pick([], ["KEY=secret:other"]) == ["KEY", "URL", "PLAIN"]


@pytest.mark.parametrize(
    ("only", "more", "message"),
    [
        (["NOPE"], [], "NOPE is not under"),
        ([], ["X=secret:key}{token:t"], "secret token:t may not"),
        ([], ["X=secret:nope"], "secret nope may not be given to programs"),
        ([], ["X=value"], "--env X=… is not of the form"),
        ([], ["X"], "--env X… is not of the form"),
        ([], ["1X=secret:key"], "is not the name of an environment variable"),
        ([], ["LD_PRELOAD=secret:key"], "LD_PRELOAD makes programs load code"),
        ([], ["X=secret:../key"], "not usable"),
        ([], ["X=secret:devwiz-gw.audit-key"], "the program's own"),
    ],
)
def test_what_the_manifest_does_not_allow(only: list[str], more: list[str], message: str) -> None:
    with pytest.raises(NotAllowed, match=message):
        pick(only, more)


def test_a_name_that_steers_programs_only_as_it_is_delivered() -> None:
    check_delivered(["KEY_FILE", "PIP_CONFIG_FILE"], {"PIP_CONFIG_FILE"})
    with pytest.raises(NotAllowed, match="SSL_CERT_FILE decides whom programs trust") as caught:
        check_delivered(["KEY_FILE", "SSL_CERT_FILE"], ())
    assert "SSL_CERT_FILE" in caught.value.hint


def test_a_value_on_the_command_line_is_not_repeated() -> None:
    with pytest.raises(NotAllowed) as caught:
        pick([], ["X=canary"])
    assert "canary" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(("value", "why"), [("a\0b", "NUL"), ("x" * 131_072, "too long")])
def test_what_no_environment_holds_is_told_without_the_value(value: str, why: str) -> None:
    check_fits({"KEY": "x" * 1000})
    with pytest.raises(NotAllowed, match=why) as caught:
        check_fits({"KEY": value})
    assert value not in str(caught.value)


def test_a_program_inherits_all_but_what_is_ours() -> None:
    environ = {"A": "1", "DEVWIZ_GW_RUN": "x", "CONFIGU_TOKEN": "t", "PATH": "/bin"}
    assert base_environment(environ, pristine=False) == {"A": "1", "PATH": "/bin"}
    assert base_environment(environ, pristine=True) == {"PATH": "/bin"}
    assert base_environment(environ, pristine=True, keep=["A", "B"]) == {"A": "1", "PATH": "/bin"}
