"""Hands messages on between a client's lines and a route, for as long as the client stays."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.bridge import messages
from gateway.bridge.event_stream import Event, EventReader, EventTooLarge
from gateway.bridge.link import Link, LinkDown, chunks, whole
from gateway.bridge.messages import (
    Message,
    NoMessage,
    failure,
    parsed,
    parsed_all,
    with_result,
)
from gateway.bridge.mirrored import listed
from gateway.bridge.session import Session
from gateway.config.model import MCP_SESSION
from identity.strict_json import strict_value

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_LOG: Final = logging.getLogger(__name__)
_POST: Final = {
    "Accept": "application/json, text/event-stream",
    "Content-Type": "application/json",
}
_GET: Final = {"Accept": "text/event-stream"}
#: With these a server that only knows the transport of 2024-11-05 refuses a message.
_OLD: Final = frozenset({400, 404, 405})
#: The one revision in which a line may be a batch of messages; each is answered by itself.
_BATCHES: Final = "2025-03-26"
_MOST_PENDING: Final = 1024
_NOTE_S: Final = 30.0
_FAREWELL_S: Final = 2.0
_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 30.0
_MOST_ATTEMPTS: Final = 5

Write = Callable[[bytes], Awaitable[None]]


class _SessionLost(Exception):
    """The server doesn't know the session any more."""


@dataclass(slots=True)
class _Pending:
    """A request of the client's that isn't answered yet."""

    request: Message
    task: asyncio.Task[None] | None = None
    is_cancelled: bool = False
    answered: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Cursor:
    """How far a stream was read, and how long to wait before it is asked for again."""

    id: str = ""
    retry_s: float = _RETRY_S
    events: int = 0

    def note(self, event: Event) -> None:
        self.id = event.id
        self.events += 1
        self.heed(event.retry_ms)

    def heed(self, retry_ms: int | None) -> None:
        """What the server says of waiting, if it does."""
        if retry_ms is not None:
            self.retry_s = retry_ms / 1000

    def wait_s(self, attempt: int) -> float:
        """How long after so many attempts in vain. What the server says is never cut short (MCP
        2025-11-25, basic/transports: a client MUST respect it); what is added to it is.
        """
        return max(self.retry_s, min(self.retry_s * 2.0**attempt, _LONGEST_RETRY_S))


@dataclass(slots=True)
class Bridge:
    """One client's messages, to and fro. `write` takes a line without its end."""

    link: Link
    write: Write
    _session: Session = field(default_factory=Session)
    _pending: dict[str, _Pending] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _notes: asyncio.Task[None] | None = None
    _listener: asyncio.Task[None] | None = None
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: Where messages are posted by the transport of 2024-11-05, whose answers come by one stream.
    _endpoint: str = ""

    async def run(self, lines: AsyncIterator[bytes | None]) -> None:
        """Until there are no more lines; None stands for one that was too long."""
        try:
            async for line in lines:
                await self._take(line)
        finally:
            await self._leave()

    async def _take(self, line: bytes | None) -> None:
        if line is None:
            text = f"a message has more than {messages.MOST_BYTES} bytes"
            await self.write(failure(None, messages.INVALID_REQUEST, text))
            return
        if not line.strip():
            return
        try:
            said = parsed_all(line) if self._session.version == _BATCHES else [parsed(line)]
        except NoMessage as error:
            await self.write(failure(None, error.code, str(error)))
            return
        for message in said:
            await self._take_one(message)

    async def _take_one(self, message: Message) -> None:
        if message.kind == "request":
            await self._begin(message)
        elif not self._cancel(message) and not self._session.is_modern:
            previous = self._notes
            self._notes = self._spawn(self._note(message, previous))

    async def _begin(self, request: Message) -> None:
        if request.key in self._pending or len(self._pending) >= _MOST_PENDING:
            text = "too many requests, or two with one id, wait for an answer"
            await self.write(failure(request.id, messages.INVALID_REQUEST, text))
            return
        self._session.note_request(request)
        if request.method == "initialize":
            self._stop_listening()
        pending = self._pending[request.key] = _Pending(request)
        pending.task = self._spawn(self._exchange(request, self._notes))

    def _cancel(self, message: Message) -> bool:
        """See to a cancellation; whether that was all. As from 2026-07-28 the end of the stream
        says it, before that the message itself.
        """
        key = messages.cancelled_key(message)
        pending = self._pending.get(key or "")
        if pending is None:
            return False
        if not pending.request.modern_version:
            pending.is_cancelled = True
            return False
        self._settle(pending.request.key)
        if pending.task is not None:
            pending.task.cancel()
        return True

    def _settle(self, key: str) -> _Pending | None:
        pending = self._pending.pop(key, None)
        if pending is not None:
            pending.answered.set()
        return pending

    async def _note(self, message: Message, previous: asyncio.Task[None] | None) -> None:
        """Send what nobody answers, in the order in which it came."""
        if previous is not None:
            await asyncio.wait([previous])
        try:
            async with asyncio.timeout(_NOTE_S):
                await self._send_note(message.line, message)
        except (LinkDown, TimeoutError) as error:
            _LOG.warning("%s was not delivered: %s", message.method or "a response", error)
        if message.method == "notifications/initialized" and not self._endpoint:
            self._stop_listening()
            self._listener = self._spawn(self._listen())

    async def _send_note(self, line: bytes, message: Message | None) -> None:
        headers = _POST | self._session.headers_for(message)
        async with self.link.ask("POST", headers, line, to=self._endpoint) as reply:
            if reply.status >= 400:
                raise LinkDown(f"the remote side refused it with status {reply.status}")

    async def _exchange(self, request: Message, notes: asyncio.Task[None] | None) -> None:
        """One request, until it is answered one way or the other."""
        if notes is not None:
            await asyncio.wait([notes])
        code = messages.CONNECTION_CLOSED
        try:
            text = await self._answer(request)
        except NoMessage as error:
            code, text = error.code, f"the remote side answered something else: {error}"
        except EventTooLarge:
            text = f"an event has more than {messages.MOST_BYTES} bytes"
        except LinkDown as error:
            text = f"the remote side can't be reached: {error}"
        pending = self._pending.get(request.key)
        if pending is None or pending.request is not request:
            return
        self._settle(request.key)
        if not pending.is_cancelled:
            await self.write(failure(request.id, code, text))

    async def _answer(self, request: Message) -> str:
        """What to tell the client if it has got no answer by then."""
        known = self._session.id
        try:
            return await self._post(request)
        except _SessionLost:
            # The server took nothing, so it can have it again.
            await self._renew(known)
        try:
            return await self._post(request)
        except _SessionLost:
            return "the session is gone, and so was the next one"

    async def _post(self, request: Message) -> str:
        headers = _POST | self._session.headers_for(request)
        async with self.link.ask("POST", headers, request.line, to=self._endpoint) as reply:
            if reply.status == 404 and MCP_SESSION in headers:
                raise _SessionLost
            if reply.status >= 400:
                return await self._refused(request, reply)
            if self._endpoint:
                return await self._answered_by_stream(request)
            if request.method == "initialize":
                self._session.note_reply(reply.headers)
            if reply.content_type == "text/event-stream":
                await self._follow(request, reply)
            elif reply.content_type == "application/json":
                for message in parsed_all(await whole(reply)):
                    await self._emit(message, request)
            else:
                return f"the remote side answered status {reply.status} and no message"
        return "the remote side ended before it answered"

    async def _refused(self, request: Message, reply: ClientResponse) -> str:
        """A refusal may be a message; if not, it may be the gateway's own (RFC 9457)."""
        body = await whole(reply)
        with contextlib.suppress(NoMessage):
            message = parsed(body)
            if message.kind == "response":
                await self._emit(message, request)
                return ""
        if request.method == "initialize" and reply.status in _OLD and not self._endpoint:
            reply.close()
            if await self._begin_old():
                return await self._post(request)
        said = ""
        with contextlib.suppress(ValueError, AttributeError):
            problem = strict_value(body)
            said = ": " + "; ".join(
                str(problem[key]) for key in ("title", "detail") if key in problem
            )
        return f"refused with status {reply.status}{said}"

    async def _begin_old(self) -> bool:
        """Try the transport of 2024-11-05: a stream whose first event says where to post."""
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stop_listening()
        self._listener = self._spawn(self._listen_old(found))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_NOTE_S):
                self._endpoint = await found
        return bool(self._endpoint)

    async def _listen_old(self, found: asyncio.Future[str]) -> None:
        try:
            async with self.link.ask("GET", _GET) as reply:
                if reply.status == 200 and reply.content_type == "text/event-stream":
                    async for event in _events(reply, _Cursor()):
                        if not event.data:
                            continue
                        if event.kind == "endpoint" and not found.done():
                            found.set_result(event.data.decode())
                        elif event.kind == "message":
                            await self._emit(parsed(event.data), None)
        except (LinkDown, NoMessage, EventTooLarge, UnicodeDecodeError) as error:
            _LOG.warning("the stream of answers broke off: %s", error)
        finally:
            if not found.done():
                found.set_result("")
            self._endpoint = ""
            for pending in self._pending.values():
                pending.answered.set()

    async def _answered_by_stream(self, request: Message) -> str:
        pending = self._pending.get(request.key)
        if pending is not None:
            await pending.answered.wait()
        return "the remote side ended before it answered"

    async def _renew(self, lost: str) -> None:
        """Begin another session in the place of one that is lost, once for all who miss it."""
        async with self._renewing:
            handshake = self._session.handshake
            if self._session.id != lost or handshake is None:
                return
            _LOG.warning("the session is gone: another one is begun")
            self._stop_listening()
            self._session.begin(handshake)
            headers = _POST | self._session.headers_for(handshake)
            async with self.link.ask("POST", headers, handshake.line) as reply:
                if reply.status >= 400:
                    raise LinkDown(f"a new session was refused with status {reply.status}")
                self._session.note_reply(reply.headers)
                self._session.note_response(handshake, await self._handshake_reply(reply))
            await self._send_note(messages.initialized(), None)
            self._listener = self._spawn(self._listen())

    async def _handshake_reply(self, reply: ClientResponse) -> Message:
        if reply.content_type == "application/json":
            return parsed(await whole(reply))
        async for event in _events(reply, _Cursor()):
            # The server may tell of something before it answers.
            if event.data and (message := parsed(event.data)).kind == "response":
                return message
        raise LinkDown("a new session was not answered")

    async def _follow(self, request: Message, reply: ClientResponse) -> None:
        """Hand on a stream until it has the answer; take it up again where it broke off, as far as
        the server names its events.
        """
        cursor = _Cursor()
        broken: LinkDown | None = None
        try:
            await self._hand_on(reply, cursor, request)
        except LinkDown as error:
            broken = error
        if not cursor.id or request.modern_version:
            if broken is not None:
                raise broken
            return
        attempt = 0
        while self._waits(request):
            if attempt == _MOST_ATTEMPTS:
                return
            await asyncio.sleep(cursor.wait_s(attempt))
            seen = cursor.events
            with contextlib.suppress(LinkDown):
                headers = _GET | self._session.headers_for(None) | {"Last-Event-ID": cursor.id}
                async with self.link.ask("GET", headers) as again:
                    if 400 <= again.status < 500:
                        return
                    if again.status == 200:
                        await self._hand_on(again, cursor, request)
            attempt = 0 if cursor.events > seen else attempt + 1

    async def _hand_on(
        self, reply: ClientResponse, cursor: _Cursor, request: Message | None
    ) -> None:
        async for event in _events(reply, cursor):
            if event.kind == "message" and event.data:
                for message in parsed_all(event.data):
                    await self._emit(message, request)
            if request is not None and not self._waits(request):
                return

    def _waits(self, request: Message) -> bool:
        pending = self._pending.get(request.key)
        return pending is not None and pending.request is request

    async def _emit(self, message: Message, request: Message | None) -> None:
        """Write what came; an answer only if somebody waits for it."""
        if message.kind != "response":
            await self.write(message.line)
            return
        key = message.key
        if request is not None and key not in self._pending:
            key = request.key
        pending = self._settle(key)
        if pending is None:
            _LOG.info("an answer that nobody waits for was dropped")
            return
        invalid = self._session.note_response(pending.request, message)
        if invalid:
            message = _without_tools(message, invalid)
        await self.write(messages.answered_as(message, pending.request.id))

    async def _listen(self) -> None:
        """The stream of what the server says by itself; not every server has one."""
        cursor, attempt = _Cursor(), 0
        while True:
            seen = cursor.events
            headers = _GET | self._session.headers_for(None)
            if cursor.id:
                headers["Last-Event-ID"] = cursor.id
            try:
                async with self.link.ask("GET", headers) as reply:
                    if 400 <= reply.status < 500 or reply.content_type != "text/event-stream":
                        return
                    await self._hand_on(reply, cursor, None)
                attempt = 0
            except (LinkDown, NoMessage, EventTooLarge) as error:
                _LOG.info("the stream of notifications broke off: %s", error)
                attempt = 0 if cursor.events > seen else attempt + 1
            await asyncio.sleep(cursor.wait_s(min(attempt, 5)))

    def _stop_listening(self) -> None:
        self._endpoint = ""
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None

    async def _leave(self) -> None:
        """Cancel all, which cuts their streams, and end the session."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session.id:
            with contextlib.suppress(LinkDown, TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    headers = self._session.headers_for(None)
                    async with self.link.ask("DELETE", headers):
                        pass

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()):
            _LOG.error("a defect", exc_info=defect)


def _without_tools(message: Message, invalid: Mapping[str, str]) -> Message:
    """What a client of HTTP does with tools whose headers are invalid (MCP 2026-07-28)."""
    for name, why in invalid.items():
        _LOG.warning("the tool %r is left out: %s", name, why)
    tools = [tool for tool in listed(message) if _name_of(tool) not in invalid]
    return with_result(message, {**message.value["result"], "tools": tools})


def _name_of(tool: Any) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else ""


async def _events(reply: ClientResponse, cursor: _Cursor) -> AsyncIterator[Event]:
    reader = EventReader(messages.MOST_BYTES)
    reader.last_id = cursor.id
    try:
        async for part in chunks(reply):
            for event in reader.feed(part):
                cursor.note(event)
                yield event
    finally:
        cursor.heed(reader.retry_ms)
