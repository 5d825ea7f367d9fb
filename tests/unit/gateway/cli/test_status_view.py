"""The status document as people see it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from gateway.cli.output import width
from gateway.cli.status_view import status_lines

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)

DOCUMENT: dict[str, Any] = {
    "version": "0.1.0",
    "pid": 4242,
    "started_at": "2026-11-24T11:47:30Z",
    "state": "ready",
    "reasons": [],
    "config": "/home/me/acme/devwiz-gw.toml",
    "project": "acme",
    "identity": {
        "source": "issuer",
        "state": "valid",
        "spiffe_id": "spiffe://acme.example/dev/me",
        "dns_names": [],
        "issuer": "CN=Acme issuing CA",
        "serial": "3fa9",
        "generation": 3,
        "not_before": "2026-11-24T11:42:00Z",
        "not_after": "2026-11-24T12:42:10Z",
        "next_renewal": "2026-11-24T12:11:02Z",
        "last_error": None,
        "last_error_hint": None,
        "last_error_at": None,
        "reason": None,
    },
    "workers": [{"pid": 4243, "state": "ready", "restarts": 0, "snapshot": 7}],
    "routes": [
        {
            "name": "planner",
            "kind": "http",
            "listeners": ["127.0.0.1:8701", "[::1]:8701"],
            "listener_urls": ["http://127.0.0.1:8701", "http://[::1]:8701"],
            "upstream": "https://planner.example.com:8443",
            "peers": ["spiffe://acme.example/agent/planner"],
            "peer": "spiffe://acme.example/agent/planner",
            "tls_version": "TLSv1.3",
            "tls_group": "X25519MLKEM768",
            "tls_cipher": "TLS_AES_256_GCM_SHA384",
            "active": 2,
            "streams": 1,
            "connections": {"2": 1, "3": 2},
            "ejected": [],
            "requests": {"200": 10},
            "failures": {},
            "bytes_up": 1,
            "bytes_down": 2,
            "unavailable": None,
            "last_error": None,
            "last_error_at": None,
        }
    ],
    "forecast": [{"good_until": "2026-11-24T12:42:10Z", "routes": ["planner"]}],
    "secrets": [{"name": "planner-token", "route": "planner", "state": "ready"}],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DOCUMENT), **changes}


def test_shows_everything_at_a_glance() -> None:
    text = "\n".join(status_lines(DOCUMENT, now=NOW, columns=None))
    assert text == (
        "devwiz-gw 0.1.0  ready  pid 4242  up 12m 30s\n"
        "project acme  /home/me/acme/devwiz-gw.toml\n"
        "all routes good until 12:42 UTC, if the issuer stays down\n"
        "\n"
        "IDENTITY\n"
        "  source        issuer (valid)\n"
        "  SPIFFE id     spiffe://acme.example/dev/me\n"
        "  issuer        CN=Acme issuing CA\n"
        "  serial        3fa9\n"
        "  generation    3\n"
        "  expires in    42m 10s (2026-11-24 12:42:10 UTC)\n"
        "  next renewal  in 11m 02s\n"
        "  last error    -\n"
        "\n"
        "ROUTE    KIND  LISTENER               UPSTREAM                          "
        "PEER ID                              TLS                     STREAMS  CONNECTIONS\n"
        "planner  http  http://127.0.0.1:8701  https://planner.example.com:8443  "
        "spiffe://acme.example/agent/planner  TLSv1.3 X25519MLKEM768  1        "
        "2 of generation 3, 1 of generation 2\n"
        "               http://[::1]:8701"
    )


def test_takes_blocks_where_the_table_does_not_fit() -> None:
    lines = status_lines(DOCUMENT, now=NOW, columns=80)
    assert all(width(line) <= 80 for line in lines)
    assert "    kind         http" in lines
    assert "    listener     http://127.0.0.1:8701, http://[::1]:8701" in lines
    assert "    peer id      spiffe://acme.example/agent/planner" in lines
    assert "    connections  2 of generation 3, 1 of generation 2" in lines


def test_tells_of_trouble_with_its_age() -> None:
    identity = {
        **DOCUMENT["identity"],
        "generation": 0,
        "not_after": None,
        "next_renewal": "2026-11-24T11:59:59Z",
        "last_error": "the issuer refused the connection",
        "last_error_hint": "is 'devwiz-gw issuer serve' running?",
        "last_error_at": "2026-11-24T11:59:15Z",
        "reason": "no certificate yet",
    }
    route = {
        **DOCUMENT["routes"][0],
        "unavailable": "no certificate yet",
        "trust_problems": ["ca.pem is gone"],
        "last_error": "refused",
    }
    document = changed(
        state="degraded", reasons=["no certificate yet"], identity=identity, routes=[route]
    )
    lines = status_lines(document, now=NOW, columns=None)
    assert "  ! no certificate yet" in lines
    assert "  generation    none" in lines
    assert "  expires in    -" in lines
    assert "  next renewal  now" in lines
    assert "  last error    the issuer refused the connection (45s ago)" in lines
    assert "  hint          is 'devwiz-gw issuer serve' running?" in lines
    assert "  reason        no certificate yet" in lines
    assert lines[-3:] == [
        "  unavailable: no certificate yet",
        "  trust: ca.pem is gone",
        "  last error: refused",
    ]


def test_tells_which_addresses_are_left_out() -> None:
    route = {**DOCUMENT["routes"][0], "ejected": ["192.0.2.1:443", "192.0.2.2:443"]}
    lines = status_lines(changed(routes=[route]), now=NOW, columns=None)
    assert lines[-1] == "  left out after failures: 192.0.2.1:443, 192.0.2.2:443"


def test_a_reason_that_only_repeats_the_error_is_left_out() -> None:
    identity = {**DOCUMENT["identity"], "last_error": "refused", "reason": "no identity: refused"}
    lines = status_lines(changed(identity=identity), now=NOW, columns=None)
    assert "  last error    refused" in lines
    assert not any("reason" in line for line in lines)


def test_an_expired_certificate_says_since_when() -> None:
    identity = {**DOCUMENT["identity"], "not_after": "2026-11-24T11:00:00Z"}
    lines = status_lines(changed(identity=identity), now=NOW, columns=None)
    assert "  expires in    expired 1h 00m ago (2026-11-24 11:00:00 UTC)" in lines


def test_missing_secrets_and_restarted_workers_show_up() -> None:
    document = changed(
        secrets=[{"name": "planner-token", "route": "planner", "state": "missing"}],
        workers=[
            {
                "pid": 4243,
                "state": "ready",
                "connections": 0,
                "streams": 0,
                "restarts": 2,
                "snapshot": 7,
            },
        ],
    )
    lines = status_lines(document, now=NOW, columns=None)
    assert "planner-token  planner  missing" in lines
    assert "4243    ready  0            0        2         7" in lines


def test_forwarders_of_the_journal_show_how_far_they_are() -> None:
    forward = {"name": "siem", "to": "unix:///dev/log", "position": 41, "lag": 3, "refused": 0}
    lines = status_lines(changed(forwards=[{**forward, "error": None}]), now=NOW, columns=None)
    (line,) = [line for line in lines if line.startswith("siem")]
    assert line.split() == ["siem", "unix:///dev/log", "41", "3", "0", "-"]


def test_a_peer_not_yet_met_is_the_one_expected() -> None:
    route = {**DOCUMENT["routes"][0], "peer": None, "tls_version": None, "tls_group": None}
    lines = status_lines(changed(routes=[route]), now=NOW, columns=80)
    assert "    peer id      spiffe://acme.example/agent/planner" in lines
    assert "    TLS          -" in lines


def test_remote_text_can_not_steer_the_terminal() -> None:
    route = {**DOCUMENT["routes"][0], "last_error": "\x1b[2Jgone", "peer": "spiffe://\x1b]0;x\x07"}
    document = changed(routes=[route], reasons=["\x1b[31m"])
    text = "\n".join(status_lines(document, now=NOW, columns=None))
    assert "\x1b" not in text
    assert "\x07" not in text


def test_an_empty_document_is_still_a_picture() -> None:
    assert "  none" in status_lines({}, now=NOW, columns=80)


def test_a_forecast_tells_apart_routes_that_end_at_different_times() -> None:
    forecast = [
        {"good_until": None, "routes": ["broken"]},
        {"good_until": "2026-11-24T14:32:00Z", "routes": ["planner", "writer"]},
        {"good_until": "2026-11-25T00:01:00Z", "routes": ["invoices"]},
    ]
    lines = status_lines(changed(forecast=forecast), now=NOW, columns=None)
    assert lines[2] == (
        "good: planner, writer until 14:32 UTC; invoices until 2026-11-25 00:01 UTC, "
        "if the issuer stays down"
    )
    lines = status_lines(changed(forecast=forecast[:1]), now=NOW, columns=None)
    assert lines[2] == ""


def test_routes_that_end_in_one_minute_are_named_together() -> None:
    forecast = [
        {"good_until": "2026-11-24T14:32:01Z", "routes": ["planner"]},
        {"good_until": "2026-11-24T14:32:59Z", "routes": ["writer"]},
    ]
    lines = status_lines(changed(forecast=forecast), now=NOW, columns=None)
    assert lines[2] == "all routes good until 14:32 UTC, if the issuer stays down"
    broken = [*forecast, {"good_until": None, "routes": ["broken"]}]
    lines = status_lines(changed(forecast=broken), now=NOW, columns=None)
    assert lines[2] == "good: planner, writer until 14:32 UTC, if the issuer stays down"


def test_each_of_several_identities_is_shown_with_its_routes() -> None:
    both = [
        {**DOCUMENT["identity"], "name": "default", "routes": ["planner", "writer"]},
        {**DOCUMENT["identity"], "name": "billing", "routes": [], "serial": "b1"},
    ]
    text = "\n".join(status_lines(changed(identities=both), now=NOW, columns=None))
    assert "IDENTITY default\n  routes        planner, writer\n" in text
    assert "IDENTITY billing\n  routes        none\n" in text
    assert "  serial        b1\n" in text


def test_a_clock_that_is_wrong_is_told() -> None:
    for skew_s, shown in ((-45.4, True), (12.0, False), (None, False)):
        identity = {**DOCUMENT["identity"], "clock_skew_s": skew_s}
        text = "\n".join(status_lines(changed(identity=identity), now=NOW, columns=None))
        assert ("this machine's clock is 45 s behind the issuer's" in text) is shown
