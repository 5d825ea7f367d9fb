from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.ipc.stats import RouteStats
from gateway.telemetry.exposition import PREFIX, Family, Sample, render
from gateway.telemetry.metrics import Certificate, Forward, Numbers, exposition, families

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)')
SUFFIXES = {
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
    "counter": ("",),
    "gauge": ("",),
}
PAGE = Path(__file__).parents[4] / "docs" / "operations" / "metrics.md"

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def labels_of(text: str) -> tuple[tuple[str, str], ...]:
    found, position = [], 0
    while position < len(text):
        match = LABEL.match(text, position)
        assert match, text
        found.append((match[1], unescape(match[2])))
        position = match.end()
    assert len(dict(found)) == len(found)
    return tuple(found)


def parse(text: str) -> tuple[Series, dict[str, str]]:
    """A strict reader of the text format 0.0.4: every rule broken is an assertion."""
    series: Series = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    current = ""
    assert text == "" or text.endswith("\n")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            _, _, current, help_text = line.split(" ", 3)
            assert current not in helped
            assert help_text
            helped.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert name not in kinds
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in {current + suffix for suffix in SUFFIXES[kinds[current]]}
            key = (match[1], labels_of(match[2] or ""))
            assert key not in series
            series[key] = float(match[3])
    return series, kinds


def handshake(version: str, group: str, result: str) -> tuple[tuple[str, str], ...]:
    return (("version", version), ("group", group), ("result", result))


BUSY = RouteStats(
    requests={"200": 7, "502": 1},
    failures={"upstream_refused": 1},
    rejected={"bad_host": 3},
    denied={"no_rule": 1},
    retries={"upstream_closed": 2},
    unauthorized={"repeated": 2},
    client_aborts=6,
    active=5,
    streams=4,
    tunnels=1,
    connections={"3": 1, "4": 2},
    idle=1,
    reused=9,
    handshakes={"TLSv1.3 X25519": 5, "TLSv1.3 ": 1},
    handshake_failures={"tls_failed": 1},
    late_alerts={"unknown ca": 4},
    retired={"generation": 2},
    ejections={"status_503": 1},
    ejected={"192.0.2.1:443": 1, "[2001:db8::1]:443": 0},
    bytes_up=10,
    bytes_down=1 << 60,
    duration_buckets={"0.05": 2},
)


def numbers(routes: Mapping[str, RouteStats]) -> Numbers:
    return Numbers(
        version="1.0",
        started_at=1_795_400_000.5,
        ready=True,
        reloads={"ok": 1, "refused": 0},
        routes=routes,
        certificates={
            "": Certificate(
                not_after=1_795_493_567.25,
                generation=4,
                next_renewal=1_795_493_000,
                renewals={"ok": 3, "denied": 1},
                renewal_s=2.5,
                clock_skew_s=-41.5,
            ),
            "billing": Certificate(
                not_after=0.0, generation=0, next_renewal=0.0, renewals={}, renewal_s=0.0
            ),
        },
        good_until={"planner": 1_795_493_567.25, "writer": 0.0},
        crl_ends={"planner": 1_795_500_000.0},
        trust_problems={"planner": 0, "writer": 2},
        buffered_bytes=4096,
        worker_restarts=2,
        access_lines_dropped=0,
        spans={"sent": 8, "rejected": 0, "dropped": 1},
        forwards={"siem": Forward(lag=3, lag_s=61.5, sent=40, refused=1)},
    )


def test_every_number_has_its_name_and_labels() -> None:
    series, kinds = parse(exposition(numbers({"planner": BUSY})))
    route = ("route", "planner")
    expected: Series = {
        ("devwiz_gw_requests_total", (route, ("code", "200"))): 7,
        ("devwiz_gw_failures_total", (route, ("reason", "upstream_refused"))): 1,
        ("devwiz_gw_active_requests", (route,)): 5,
        ("devwiz_gw_sse_streams", (route,)): 3,
        ("devwiz_gw_tunnels", (route,)): 1,
        ("devwiz_gw_rejected_total", (route, ("rule", "bad_host"))): 3,
        ("devwiz_gw_local_auth_denied_total", (route, ("reason", "no_rule"))): 1,
        ("devwiz_gw_retry_total", (route, ("reason", "upstream_closed"))): 2,
        ("devwiz_gw_client_abort_total", (route,)): 6,
        ("devwiz_gw_upstream_idle_connections", (route,)): 1,
        ("devwiz_gw_upstream_reused_total", (route,)): 9,
        ("devwiz_gw_late_alert_total", (route, ("alert", "unknown ca"))): 4,
        ("devwiz_gw_upstream_connections", (route, ("generation", "4"))): 2,
        ("devwiz_gw_tls_handshake_total", (route, *handshake("TLSv1.3", "X25519", "ok"))): 5,
        ("devwiz_gw_tls_handshake_total", (route, *handshake("TLSv1.3", "", "ok"))): 1,
        ("devwiz_gw_tls_handshake_total", (route, *handshake("", "", "tls_failed"))): 1,
        ("devwiz_gw_conn_retired_total", (route, ("reason", "generation"))): 2,
        ("devwiz_gw_upstream_ejections_total", (route, ("reason", "status_503"))): 1,
        ("devwiz_gw_upstream_ejected", (route, ("address", "192.0.2.1:443"))): 1,
        ("devwiz_gw_upstream_ejected", (route, ("address", "[2001:db8::1]:443"))): 0,
        ("devwiz_gw_bytes_total", (route, ("direction", "down"))): 1 << 60,
        ("devwiz_gw_cert_not_after_seconds", ()): 1_795_493_567.25,
        ("devwiz_gw_cert_generation", ()): 4,
        ("devwiz_gw_cert_next_renewal_seconds", ()): 1_795_493_000,
        ("devwiz_gw_cert_renew_total", (("result", "ok"), ("reason", ""))): 3,
        ("devwiz_gw_cert_renew_total", (("result", "failed"), ("reason", "denied"))): 1,
        ("devwiz_gw_cert_renew_duration_seconds_sum", ()): 2.5,
        ("devwiz_gw_cert_renew_duration_seconds_count", ()): 4,
        ("devwiz_gw_cert_generation", (("identity", "billing"),)): 0,
        ("devwiz_gw_cert_clock_skew_seconds", ()): -41.5,
        ("devwiz_gw_route_good_until_seconds", (route,)): 1_795_493_567.25,
        ("devwiz_gw_route_good_until_seconds", (("route", "writer"),)): 0,
        ("devwiz_gw_crl_not_after_seconds", (route,)): 1_795_500_000,
        ("devwiz_gw_trust_problems", (route,)): 0,
        ("devwiz_gw_trust_problems", (("route", "writer"),)): 2,
        ("devwiz_gw_config_reload_total", (("result", "ok"),)): 1,
        ("devwiz_gw_config_reload_total", (("result", "refused"),)): 0,
        ("devwiz_gw_ready", ()): 1,
        ("devwiz_gw_start_time_seconds", ()): 1_795_400_000.5,
        ("devwiz_gw_buffered_bytes", ()): 4096,
        ("devwiz_gw_worker_restarts_total", ()): 2,
        ("devwiz_gw_access_log_lines_dropped_total", ()): 0,
        ("devwiz_gw_build_info", (("version", "1.0"),)): 1,
        ("devwiz_gw_otlp_spans_total", (("result", "dropped"),)): 1,
        ("devwiz_gw_audit_forward_lines_total", (("forward", "siem"),)): 40,
        ("devwiz_gw_audit_forward_lag_lines", (("forward", "siem"),)): 3,
        ("devwiz_gw_audit_forward_lag_seconds", (("forward", "siem"),)): 61.5,
        ("devwiz_gw_audit_forward_refused_lines", (("forward", "siem"),)): 1,
    }
    assert expected.items() <= series.items()
    assert all(name.startswith("devwiz_gw_") for name in kinds)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in kinds.items())


def test_histogram_buckets_are_cumulative_up_to_infinity() -> None:
    stats = RouteStats(duration_buckets={"0.05": 2, "1.0": 3, "+Inf": 1}, duration_sum_s=4.5)
    series, _ = parse(exposition(numbers({"planner": stats})))
    name = "devwiz_gw_request_duration_seconds"
    buckets = {
        dict(labels)["le"]: value for (key, labels), value in series.items() if key.endswith("ket")
    }
    assert (buckets["0.025"], buckets["0.05"], buckets["1"], buckets["+Inf"]) == (0, 2, 5, 6)
    assert list(buckets.values()) == sorted(buckets.values())
    assert series[f"{name}_count", (("route", "planner"),)] == 6
    assert series[f"{name}_sum", (("route", "planner"),)] == 4.5


def test_another_reader_of_the_format_finds_the_same() -> None:
    text = exposition(numbers({"planner": BUSY, "search": RouteStats(requests={"200": 1})}))
    series, kinds = parse(text)
    theirs = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert theirs == {(name, tuple(sorted(told))): value for (name, told), value in series.items()}
    kinds_there = {family.type for family in text_string_to_metric_families(text)}
    assert kinds_there == set(kinds.values())


def test_each_metric_is_described() -> None:
    described = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", PAGE.read_text(), re.M)
    there = [
        (
            PREFIX + family.name,
            family.kind,
            ", ".join(f"`{name}`" for name, _ in family.samples[0].labels if name != "le"),
        )
        for family in families(numbers({"planner": BUSY}))
    ]
    assert [(name, kind, labels.strip()) for name, kind, labels in described] == there


def test_without_traffic_the_text_is_still_well_formed() -> None:
    series, _ = parse(exposition(numbers({})))
    assert ("devwiz_gw_build_info", (("version", "1.0"),)) in series
    parse(exposition(numbers({"planner": RouteStats()})))


@given(value=st.text(), number=st.floats(allow_nan=False))
def test_any_label_and_number_can_be_read_back(value: str, number: float) -> None:
    text = render([Family("x", "gauge", "A\\b\nc.", (Sample(number, (("label", value),)),))])
    assert parse(text)[0] == {("devwiz_gw_x", (("label", value),)): number}


@pytest.mark.parametrize("text", ['a{b="c} 1\n', "a 1\n", "# TYPE a gauge\n", "no newline"])
def test_the_reader_of_these_tests_is_strict(text: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        parse(text)
