"""The benchmark runs, and its table says what was measured. Its numbers are not tested."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import report, secret_use
from tests.components import require_component

# Of its parts, one alone is given 50 s.
pytestmark = pytest.mark.timeout(90)


@pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("wrk") and sys.platform == "linux"),
    reason="the benchmark needs Linux, nginx and wrk",
)
def test_a_short_run_measures_everything(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    run = [sys.executable, "-m", "tests.bench", "--only", "gateway-pure,nginx", "--seconds", "0.4"]
    run += ["--rounds", "1", "--json", str(file)]
    done = subprocess.run(run, check=False, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    record = json.loads(file.read_text())
    measured = {key for key, _, _ in report.ROWS}
    ours = {"one_worker_cpu_us", "two_workers_cpu_us"}
    assert record["medians"]["gateway-pure"].keys() == measured
    assert record["medians"]["nginx"].keys() == measured - ours
    assert all(value > 0 for value in record["samples"]["gateway-pure"][0].values())
    assert len(done.stdout.splitlines()) == 2 + len(measured)


def test_medians_over_rounds_and_what_is_added_to_direct() -> None:
    def rounds(*latencies: float) -> list[dict[str, float]]:
        return [{"p50_us": value, "p99_us": 2 * value} for value in latencies]

    middle = report.medians({"direct": rounds(10, 30, 11), "gateway": rounds(200, 150, 900)})
    assert middle["gateway"]["p50_us"] == 200
    assert middle["gateway"]["added_p50_us"] == 189
    assert middle["gateway"]["added_p99_us"] == 378
    assert "added_p50_us" not in middle["direct"]


def test_the_table_compares_with_those_that_were_measured() -> None:
    middle = {"gateway": {"request_cpu_us": 60.0}, "nginx": {"request_cpu_us": 40.0}}
    head, _, row = report.table(middle, "gateway", ("envoy", "nginx")).splitlines()
    assert "÷ nginx" in head
    assert "envoy" not in head
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["60.0", "40.0", "1.50"]
    assert len(head) == len(row)


@pytest.mark.skipif(sys.platform != "linux", reason="CPU times come from Linux")
def test_a_short_load_of_the_issuer_measures_everything(tmp_path: Path) -> None:
    file = tmp_path / "issuer.json"
    run = [sys.executable, "-m", "tests.bench.issuer", "--instances", "5", "--rounds", "1"]
    run += ["--spread", "0.2", "--json", str(file)]
    done = subprocess.run(run, check=False, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    samples = json.loads(file.read_text())["samples"]
    assert [item["phase"] for item in samples] == [
        "join",
        "renew, round 1",
        "renew, spread over 0.2 s",
    ]
    assert all(item["failed"] == 0 and item["per_s"] > 0 for item in samples)
    assert len(done.stdout.splitlines()) == 1 + len(samples)


@pytest.mark.skipif(sys.platform != "linux", reason="the keychain is a Linux desktop's")
def test_a_short_run_of_secrets_measures_everything(tmp_path: Path) -> None:
    require_component("gnome-keyring-daemon")
    file = tmp_path / "secrets.json"
    run = [sys.executable, "-m", "tests.bench.secret_use", "--times", "32", "--starts", "1"]
    done = subprocess.run(
        [*run, "--json", str(file)], check=False, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(file.read_text())
    assert [item["phase"] for item in record["samples"]] == [
        "record, 1 at a time",
        "record, 16 at a time",
        "request",
        "request, recorded lines beside",
        "program",
        "program by run",
    ]
    assert all(item["p99_ms"] >= item["p50_ms"] > 0 for item in record["samples"])
    assert len(record["added"]) == 2


def test_what_secrets_add_is_the_difference() -> None:
    times = {
        "request": (0.5, 1.0),
        "request, recorded lines beside": (0.5, 1.4),
        "program": (2.0, 3.0),
        "program by run": (120.0, 300.0),
    }
    samples = [
        secret_use.Sample(phase=phase, count=9, p50_ms=p50, p99_ms=p99)
        for phase, (p50, p99) in times.items()
    ]
    assert [value for value, _ in secret_use.verdicts(samples).values()] == [0.4, 118.0]
