"""Which proxies would be asked for this machine."""

from __future__ import annotations

import pytest

from gateway.doctor.proxies import judge

_ALL = "localhost,127.0.0.1,::1"
_PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"HTTPS_PROXY": _PROXY},
        {"HTTP_PROXY": ""},
        {"HTTP_PROXY": _PROXY, "NO_PROXY": _ALL},
        {"http_proxy": _PROXY, "no_proxy": "*"},
        {"all_proxy": _PROXY, "no_proxy": "corp.example, LOCALHOST ,[::1],127.0.0.1"},
    ],
)
def test_none_would_be(env: dict[str, str]) -> None:
    assert judge(env).result == "pass"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"HTTP_PROXY": _PROXY}, "neither NO_PROXY nor no_proxy is"),
        ({"ALL_PROXY": _PROXY, "NO_PROXY": "localhost"}, "NO_PROXY lacks 127.0.0.1, ::1"),
        ({"http_proxy": _PROXY, "NO_PROXY": _ALL, "no_proxy": "x"}, "no_proxy lacks localhost"),
        ({"http_proxy": "http://[::"}, "an address that can't be read"),
    ],
)
def test_one_would_be(env: dict[str, str], said: str) -> None:
    found = judge(env)
    assert found.result == "warn"
    assert said in found.detail
    assert "NO_PROXY=localhost,127.0.0.1,::1" in found.remedy


def test_a_password_is_not_shown() -> None:
    for text in ("http://ada:geheim@proxy.example:1", "ada:geheim@proxy.example:1"):
        found = judge({"HTTP_PROXY": text})
        assert "geheim" not in found.detail
        assert "proxy.example:1" in found.detail
