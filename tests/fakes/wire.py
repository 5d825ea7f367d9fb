"""Two network namespaces joined by a cable that is cut without a word to either end."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.components import require_component

T = TypeVar("T")
NEAR = "10.77.0.1"
FAR = "10.77.0.2"
_CLONE_NEWNET = 0x40000000


class Wire:
    """Needs root; the test skips without. A context manager that leaves nothing behind.

    Attributes:
        near: name of the namespace of `NEAR`; `far` that of `FAR`.
    """

    def __init__(self) -> None:
        self._ip = require_component("ip")
        if os.geteuid() != 0:
            pytest.skip("network namespaces need root")
        self.near, self.far = f"devwiz-near-{os.getpid()}", f"devwiz-far-{os.getpid()}"

    def __enter__(self) -> Self:
        made = subprocess.run(
            [self._ip, "netns", "add", self.near], capture_output=True, text=True, check=False
        )
        if made.returncode:  # a container without the privilege
            pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
        self._run("netns", "add", self.far)
        self._run(
            *("-n", self.near, "link", "add", "cable", "type", "veth"),
            *("peer", "name", "cable", "netns", self.far),
        )
        for name, address in ((self.near, NEAR), (self.far, FAR)):
            self._run("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            for link in ("lo", "cable"):
                self._run("-n", name, "link", "set", link, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self.near, self.far):
            self._run("netns", "del", name)

    def cut(self) -> None:
        """From now on what either side sends gets nowhere."""
        self._run("-n", self.far, "link", "set", "cable", "down")

    def within(self, namespace: str) -> tuple[str, ...]:
        """What to put in front of a command so that it runs in there."""
        return (self._ip, "netns", "exec", namespace)

    def call(self, namespace: str, action: Callable[[], T]) -> T:
        """Run `action` in there: a socket that it makes stays there."""
        results: list[T] = []

        def enter_and_act() -> None:
            with Path(f"/run/netns/{namespace}").open("rb") as file:
                libc = ctypes.CDLL(None, use_errno=True)
                assert libc.setns(file.fileno(), _CLONE_NEWNET) == 0, os.strerror(
                    ctypes.get_errno()
                )
            results.append(action())

        thread = threading.Thread(target=enter_and_act)  # its namespace ends with it
        thread.start()
        thread.join()
        return results[0]

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True, capture_output=True)
