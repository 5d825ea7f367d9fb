"""What is measured of one proxy in one round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench import load
from tests.bench.machine import cpu_seconds, memory_kib
from tests.bench.proxy import Proxy

CONNECTIONS = 32
PAUSE_MS = 10
STREAMS = 64
_GB = 1e9

Sample = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long each measurement takes and how much it moves."""

    seconds: float
    bulk_bytes: int
    few_streams: int
    many_streams: int


def size_of(seconds: float) -> Size:
    """Less than a second is a trial: it shows that everything works, its numbers mean little."""
    if seconds < 1:
        return Size(seconds=seconds, bulk_bytes=16 << 20, few_streams=20, many_streams=60)
    return Size(seconds=seconds, bulk_bytes=256 << 20, few_streams=200, many_streams=2000)


class _Usage:
    """CPU and wall-clock seconds between the two ends of a `with`."""

    cpu = 0.0
    wall = 0.0


@contextmanager
def _used_by(proxy: Proxy) -> Iterator[_Usage]:
    usage = _Usage()
    pids = proxy.pids()
    cpu, wall = cpu_seconds(pids), time.monotonic()
    yield usage
    usage.cpu, usage.wall = cpu_seconds(pids) - cpu, time.monotonic() - wall


def direct(port: int, size: Size) -> Sample:
    """Latency and throughput without a proxy and without TLS."""
    many = load.small_requests(port, connections=CONNECTIONS, seconds=size.seconds)
    one = load.small_requests(port, connections=1, seconds=size.seconds)
    return {
        "requests_s": many.requests / many.took_us * 1e6,
        "p50_us": one.p50_us,
        "p99_us": one.p99_us,
    }


def all_of(proxy: Proxy, size: Size) -> Sample:
    """Every measurement, one after the other, on a proxy that was just started."""
    time.sleep(min(1.0, size.seconds))
    sample: Sample = {"idle_mib": memory_kib(proxy.pids()) / 1024}
    sample |= _idle_streams(proxy, size)
    proxy.stop()  # what two thousand streams leave behind would tell in the rest
    proxy.start()
    for measure in (_steady, _requests, _latency, _events, _handshakes, _down, _up):
        sample |= measure(proxy, size)
    return sample


def unpinned(proxy: Proxy, size: Size) -> float:
    """CPU µs a request, flat out, of a proxy that may use every core."""
    return _requests(proxy, size)["request_cpu_us"]


def _idle_streams(proxy: Proxy, size: Size) -> Sample:
    with load.EventStreams(proxy.streams_port) as streams:
        streams.open(size.few_streams, "/idle")
        time.sleep(min(0.5, size.seconds))
        few = memory_kib(proxy.pids())
        streams.open(size.many_streams - size.few_streams, "/idle")
        time.sleep(min(0.5, size.seconds))
        many = memory_kib(proxy.pids())
    return {"stream_kib": (many - few) / (size.many_streams - size.few_streams)}


def _requests(proxy: Proxy, size: Size) -> Sample:
    load.small_requests(proxy.port, connections=CONNECTIONS, seconds=size.seconds / 5)
    with _used_by(proxy) as usage:
        seen = _faultless(
            load.small_requests(proxy.port, connections=CONNECTIONS, seconds=size.seconds)
        )
    return {
        "requests_s": seen.requests / seen.took_us * 1e6,
        "request_cpu_us": usage.cpu / seen.requests * 1e6,
    }


def _steady(proxy: Proxy, size: Size) -> Sample:
    """The same load for all. Under as much as goes, the faster a proxy is the less the others of
    the exchange sleep, and the less it pays for waking them.
    """
    with _used_by(proxy) as usage:
        seen = _faultless(
            load.small_requests(
                proxy.port, connections=CONNECTIONS, seconds=size.seconds, pause_ms=PAUSE_MS
            )
        )
    return {
        "steady_cpu_us": usage.cpu / seen.requests * 1e6,
        "steady_s": seen.requests / seen.took_us * 1e6,
    }


def _latency(proxy: Proxy, size: Size) -> Sample:
    with _used_by(proxy) as usage:
        seen = _faultless(load.small_requests(proxy.port, connections=1, seconds=size.seconds))
    return {
        "p50_us": seen.p50_us,
        "p99_us": seen.p99_us,
        "single_cpu_us": usage.cpu / seen.requests * 1e6,
    }


def _faultless(seen: load.Requests) -> load.Requests:
    if seen.errors:
        raise RuntimeError(f"{seen.errors} of {seen.requests} requests failed")
    return seen


def _events(proxy: Proxy, size: Size) -> Sample:
    with load.EventStreams(proxy.streams_port) as streams:
        streams.open(STREAMS, "/events")
        streams.listen(size.seconds / 5)
        with _used_by(proxy) as usage:
            took = streams.listen(size.seconds)
    return {
        "event_cpu_us": usage.cpu / len(took) * 1e6,
        "event_p50_us": load.percentile(took, 50) / 1e3,
        "event_p99_us": load.percentile(took, 99) / 1e3,
    }


def _handshakes(proxy: Proxy, size: Size) -> Sample:
    """The upstream ends each connection after one answer, so that each request needs a new one."""
    with _used_by(proxy) as usage:
        seen = _faultless(
            load.small_requests(proxy.port, connections=8, seconds=size.seconds, path="/once")
        )
    return {
        "handshakes_s": seen.requests / seen.took_us * 1e6,
        "handshake_cpu_us": usage.cpu / seen.requests * 1e6,
    }


def _bulk(
    proxy: Proxy, size: Size, move: Callable[[int, int], None], port: int
) -> tuple[float, float]:
    """MB/s and CPU seconds a GB, of whole bodies one after the other."""
    bodies = 0
    ends = time.monotonic() + size.seconds
    with _used_by(proxy) as usage:
        while not bodies or time.monotonic() < ends:
            move(port, size.bulk_bytes)
            bodies += 1
    moved = bodies * size.bulk_bytes
    return moved / usage.wall / 1e6, usage.cpu / moved * _GB


def _down(proxy: Proxy, size: Size) -> Sample:
    rate, cpu = _bulk(proxy, size, load.download, proxy.port)
    return {"down_mb_s": rate, "down_cpu_s_gb": cpu}


def _up(proxy: Proxy, size: Size) -> Sample:
    rate, cpu = _bulk(proxy, size, load.upload, proxy.streams_port)
    return {"up_mb_s": rate, "up_cpu_s_gb": cpu}
