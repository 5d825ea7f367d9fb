"""Asks the running gateway over its admin socket.

Blocking and made of the standard library's HTTP client, because commands that only ask have to
answer at once and importing an event loop takes longer than their whole work.
"""

from __future__ import annotations

import json
import os
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from gateway.config.find import find_config, locate_admin_socket
from gateway.errors import ConfigInvalid, ConfigProblem, GatewayError, NotRunning

DEADLINE_S: Final = 5.0
_START: Final = "start it with 'devwiz-gw serve'"


class Reply(NamedTuple):
    """The answer to one admin request; `body` is its JSON object."""

    status: int
    body: dict[str, Any]


class AdminClient:
    """Speaks to one admin socket; each request has its own connection and deadline."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"AdminClient({self._path})"

    def status(self) -> dict[str, Any]:
        """The document of `GET /status`. Raises `NotRunning`, `GatewayError`."""
        return self.document("/status")

    def document(self, target: str) -> dict[str, Any]:
        """What a GET is answered with. Raises `NotRunning`, and `GatewayError` for a refusal."""
        reply = self.get(target)
        _raise_for(reply, target.partition("?")[0])
        return reply.body

    def get(self, target: str, *, deadline_s: float = DEADLINE_S) -> Reply:
        """Ask something; any status is returned. Raises `NotRunning`, `GatewayError`."""
        return self._request("GET", target, deadline_s)

    def post(self, target: str, *, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """Make the gateway do something, and return what it says of it.

        Raises:
            NotRunning: nothing answers in time.
            GatewayError: it answered that it didn't do it, and why; `ConfigInvalid` where its
                configuration file is the reason.
        """
        reply = self._request("POST", target, deadline_s)
        _raise_for(reply, target.partition("?")[0])
        return reply.body

    def _request(self, method: str, target: str, deadline_s: float) -> Reply:
        connection = _UnixConnection(self._path, deadline_s)
        try:
            connection.request(method, target, headers={"Connection": "close"})
            response = connection.getresponse()
            return Reply(response.status, _object(response.read()))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"no gateway answers on {self._path}", hint=_START) from None
        except PermissionError:
            raise GatewayError(
                f"{self._path} belongs to another user",
                hint="run the command as the user who runs the gateway",
            ) from None
        except TimeoutError:
            raise NotRunning(
                f"the gateway on {self._path} did not answer within {deadline_s:g} s",
                hint="it is overloaded or stuck; look at its log, or start it again",
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise NotRunning(
                f"what answers on {self._path} is not a gateway, or it is stopping: {error}",
                hint=_START,
            ) from error
        finally:
            connection.close()


def client_for(config: Path | None) -> AdminClient:
    """The client for the gateway of the file given by `--config`, or of the default one.

    Raises:
        ConfigInvalid: there is no such file.
    """
    path = find_config(config, cwd=Path.cwd(), env=os.environ)
    return AdminClient(locate_admin_socket(path))


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, deadline_s: float) -> None:
        super().__init__("localhost", timeout=deadline_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _raise_for(reply: Reply, target: str) -> None:
    """Raise what a problem document (RFC 9457) says: `title` is what failed, `detail` the hint."""
    if reply.status < 400:
        return
    problems = [
        ConfigProblem(*(str(item.get(part) or "") for part in ("key", "message", "hint")))
        for item in reply.body.get("problems") or ()
    ]
    said = str(reply.body.get("title") or "it gave no reason")
    if problems:
        raise ConfigInvalid(said.partition(": ")[0], problems)
    hint = str(reply.body.get("detail") or "")
    if reply.status == 403:  # to a coding agent, with what a person is to do
        said, _, remedy = said.partition(": ")
        hint = remedy or hint
    if reply.status == 404 and hint:
        raise GatewayError(said, hint=hint)
    raise GatewayError(f"the gateway refused '{target.strip('/')}': {said}", hint=hint)


def _object(body: bytes) -> dict[str, Any]:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise HTTPException("the answer is not a JSON object")
    return cast("dict[str, Any]", value)
