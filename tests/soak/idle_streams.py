"""Thousands of event streams on which nothing happens, under constant renewal, and their end."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.bench.load import EventStreams
from tests.fakes.authority import Authority, Leaf
from tests.fakes.scripted_upstream import wait_until
from tests.fakes.stack import free_port
from tests.soak.plan import Plan
from tests.soak.result import Result
from tests.soak.subject import Subject

_MOST_GROWTH = 4 << 20
_MOST_CUT_S = 10.0


def run(plan: Plan) -> Result:
    """They are opened, left alone, looked at, and then cut all at once: the server is revoked."""
    _raise_descriptor_limit()
    authority = Authority()
    life = timedelta(seconds=plan.seconds + 3600)
    server = authority.issue("localhost", ends=life)
    with (
        _stream_server(authority, server) as port,
        Subject(authority, port, life_s=life.total_seconds()) as subject,
    ):
        result = Result(name="idle streams")
        before = subject.descriptors()
        with EventStreams(subject.http) as streams:
            streams.open(plan.streams, "/idle")
            result.count("streams", plan.streams)
            subject.work(result, plan)
            left = subject.streams
            if left != plan.streams:
                result.problems.append(f"{plan.streams - left} of the streams ended by themselves")
            _revoke(subject, result, server)
        result.descriptors = (before, subject.settle(before))
        result.judge(most_growth=_MOST_GROWTH)
    return result


def _revoke(subject: Subject, result: Result, server: Leaf) -> None:
    begun = time.monotonic()
    subject.revoke(server.serial)
    took_s = time.monotonic() - begun
    left = subject.streams
    if left or took_s > _MOST_CUT_S:
        result.problems.append(f"{left} streams were left {took_s:.1f} s after the revocation")


@contextmanager
def _stream_server(authority: Authority, server: Leaf) -> Iterator[int]:
    """The upstream that the benchmark has; its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = {"s.crt": server.chain_pem, "s.key": server.key_pem, "ca.pem": authority.pem}
        for file, text in texts.items():
            (folder / file).write_text(text)
        ready = folder / "ready"
        arguments = [str(folder / file) for file in texts]
        command = [sys.executable, "-m", "tests.bench.stream_server", str(port), *arguments]
        with subprocess.Popen([*command, str(ready)]) as process:
            try:
                wait_until(ready.exists)
                yield port
            finally:
                process.kill()


def _raise_descriptor_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
