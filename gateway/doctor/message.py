"""A request, its answer, and why there is none: the same on every way to an upstream. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.data_plane.failure import Failure


class Missed(Exception):
    """What was tried didn't work; `failure` says why, in the words of the data plane."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.failure = Failure(reason, detail)


def to_the_end(_body: bytes) -> bool:
    """For `Request.enough`: all of the body."""
    return False


def head_only(_body: bytes) -> bool:
    """For `Request.enough`: the status and the headers are all that is wanted."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """What is asked. `enough` tells of a body in progress whether more of it is needed."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    enough: Callable[[bytes], bool] = to_the_end


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reply:
    """What came back; names of headers are in small letters. `date` is the Date header."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is something else."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Ask(Protocol):
    """Sends a request to a route's upstream, on one way or another."""

    async def __call__(self, request: Request) -> Reply:
        """The answer. Raises `Missed`."""
        ...
