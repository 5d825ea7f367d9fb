"""Measure the gateway and its peers: `make bench`, or `python -m tests.bench --help`."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import machine, measures, report, upstreams
from tests.bench.caddy import Caddy
from tests.bench.envoy import Envoy
from tests.bench.gateway import Gateway, PureGateway
from tests.bench.haproxy import HAProxy
from tests.bench.nginx import Nginx
from tests.bench.proxy import Proxy, Server, Site

PROXIES: dict[str, type[Server]] = {
    proxy.name: proxy for proxy in (Gateway, PureGateway, Envoy, Nginx, HAProxy, Caddy)
}
_NEEDED = ("nginx", "wrk")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(PROXIES),
        metavar="NAME,…",
        help=f"of {', '.join(PROXIES)} (all)",
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="a measurement (5)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved, medians count (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to a file")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.only) - PROXIES.keys()
    if unknown:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    return arguments


def _installed(wanted: Sequence[str]) -> dict[str, str]:
    """Versions of the proxies that are here; says which are not."""
    versions = {}
    for name in wanted:
        version = PROXIES[name].version()
        if version is None:
            _say(f"{name}: skipped, not installed")
        else:
            versions[name] = version
    return versions


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run_rounds(
    names: Sequence[str], site: Site, size: measures.Size, rounds: int
) -> dict[str, list[measures.Sample]]:
    """A B C A B C: what else the machine does falls on all of them. What fails is left out."""
    proxy_core, load_core = machine.two_cores()
    samples: dict[str, list[measures.Sample]] = {report.DIRECT: [], **{name: [] for name in names}}
    with machine.pinned(load_core):
        for number in range(1, rounds + 1):
            for name in list(samples):
                _say(f"round {number} of {rounds}: {name}")
                try:
                    with upstreams.Upstreams(site, load_core):
                        samples[name].append(_measure(name, site, size, proxy_core))
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    _say(f"{name} failed and is left out: {error}")
                    del samples[name]
    return samples


def _measure(name: str, site: Site, size: measures.Size, core: int) -> measures.Sample:
    if name == report.DIRECT:
        return measures.direct(site.plain_port, size)
    proxy = PROXIES[name](site, core)
    with _running(proxy):
        sample = measures.all_of(proxy, size)
    for workers, key in ((1, "one_worker_cpu_us"), (2, "two_workers_cpu_us")):
        free = PROXIES[name](site, *machine.two_cores())
        if isinstance(free, PureGateway):
            free.workers = workers
            with _running(free):
                sample[key] = measures.unpinned(free, size)
    return sample


@contextmanager
def _running(proxy: Proxy) -> Iterator[None]:
    proxy.start()
    try:
        yield
    finally:
        proxy.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; 0, 1 when a proxy failed, 2 when the tools are missing."""
    arguments = _arguments(argv)
    missing = [program for program in _NEEDED if shutil.which(program) is None]
    if missing or sys.platform != "linux":
        _say(f"needs Linux, nginx and wrk; missing: {', '.join(missing) or 'Linux'}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever was started is ended
    machine.allow_descriptors()
    versions = _installed(arguments.only)
    size = measures.size_of(arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        site = upstreams.prepare(Path(folder), bulk_bytes=size.bulk_bytes)
        samples = _run_rounds(list(versions), site, size, arguments.rounds)
    middle = report.medians(samples)
    print(report.table(middle, "gateway", ("envoy", "nginx")))
    if arguments.json is not None:
        record = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine.description(),
            "versions": versions,
            "seconds": arguments.seconds,
            "rounds": arguments.rounds,
            "medians": middle,
            "samples": samples,
        }
        report.write_record(arguments.json, record)
    return 0 if versions.keys() <= samples.keys() else 1


if __name__ == "__main__":
    sys.exit(main())
