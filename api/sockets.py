"""The WebSockets: `/ws` with broadcasts (000, 004) and subscriptions to jobs (002), `/api/ws/monitor` (003)."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Any

import msgspec
import structlog
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect

from api.access import beyond_loopback, caller_of, check_access, find_caller
from api.errors import status_of
from api.house import House
from api.monitoring.components import status_of as status_of_components
from api.services.components import Registry, worst
from api.services.jobs import owner_of
from api.streams.broadcast import Listener, Seen
from api.streams.job_messages import CHANNELS
from api.streams.response import GUARD_SECONDS
from events.clock import iso
from events.errors import LimitReached, TapedeckError, TooMany

MESSAGE_BYTES_MAX = 16_384
SEND_SECONDS_MAX = 10.0
JOB_ID_MAX = 128

# close codes: RFC 6455's, and 4000 + HTTP status for ours
POLICY, TOO_BIG, FAILED, TRY_LATER = 1008, 1009, 1011, 1013

log = structlog.get_logger(__name__)

_encode = msgspec.json.Encoder().encode


class Sent(msgspec.Struct):
    """What a client sends. Further fields belong to the type."""

    type: str
    channel: str = ""
    jobId: str = ""  # noqa: N815 - the contract's name


class Close(Exception):
    """End a socket with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@websocket("/ws", opt={"public": True})
async def broadcasts(
    socket: WebSocket[Any, Any, Any], house: NamedDependency[House], registry: NamedDependency[Registry]
) -> None:
    """Every client is sent broadcasts, and what it subscribed to. On loopback a token is optional; else `?token=`."""
    await _serve(socket, house, registry, monitors=False)


@websocket("/api/ws/monitor", opt={"public": True})
async def monitor(
    socket: WebSocket[Any, Any, Any], house: NamedDependency[House], registry: NamedDependency[Registry]
) -> None:
    """Every client is sent `system_status` at once and every few seconds, and each signal of a session."""
    await _serve(socket, house, registry, monitors=True)


async def _serve(socket: WebSocket[Any, Any, Any], house: House, registry: Registry, *, monitors: bool) -> None:
    await socket.accept()
    try:
        caller = caller_of(socket)
        check_access(caller, None, house)
        listener = house.broadcast.join(monitors=monitors)
    except TapedeckError as error:
        code = TRY_LATER if isinstance(error, LimitReached) else 4000 + status_of(error)
        await socket.close(code, error.code)
        return
    if beyond_loopback(house) and caller.identity is not None:
        listener.owner = owner_of(caller.identity)
    tasks: list[asyncio.Task[None]] = []
    try:
        look = partial(seen, house, registry)
        first = await look() if monitors else None
        if first is not None:
            house.broadcast.greet(listener, first)
        house.broadcast.watch(look, first)
        works = (_hear(socket, listener, house), _tell(socket, listener), _guard(socket, house))
        tasks += [asyncio.create_task(work) for work in works]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await _close(socket, [task.exception() for task in done])
    except TapedeckError as error:  # the first look
        await _close(socket, [Close(TRY_LATER, error.code)])
    finally:
        house.broadcast.leave(listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def seen(house: House, registry: Registry) -> Seen:
    """How the components are now."""
    parts = await registry.parts()
    words: dict[str, str] = {part.id: part.status for part in parts}
    details = {part.id: part.details for part in parts}
    return Seen(worst(parts), words, await status_of_components(house, registry), house.clock.now_ns(), details)


async def _close(socket: WebSocket[Any, Any, Any], ends: list[BaseException | None]) -> None:
    """Close for the first reason there is; a client that left needs none."""
    for end in ends:
        if isinstance(end, WebSocketDisconnect) or end is None:
            continue
        if not isinstance(end, Close):
            log.error("socket_failed", path=socket.scope["path"], exc_info=end)
            end = Close(FAILED, "internal error")
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await socket.close(end.code, end.reason)
        return


async def _guard(socket: WebSocket[Any, Any, Any], house: House) -> None:
    """Look now and then whether the client may still listen: its token expires, its user is changed or removed."""
    while True:
        await asyncio.sleep(GUARD_SECONDS)
        try:
            check_access(find_caller(socket.scope, socket.headers, house), None, house)
        except TapedeckError as error:
            raise Close(4000 + status_of(error), error.code) from None


async def _hear(socket: WebSocket[Any, Any, Any], listener: Listener, house: House) -> None:
    """Read what the client sends, bounded in size and, for all its sockets together, in rate, until it leaves."""
    limit, key = house.limits.message, caller_of(socket).key
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data: Any = message.get("text") or message.get("bytes") or b""
        if len(data) > MESSAGE_BYTES_MAX:
            raise Close(TOO_BIG, f"a message has at most {MESSAGE_BYTES_MAX} bytes")
        try:
            await house.counters.use(limit, key)
        except TooMany:
            raise Close(POLICY, f"at most {limit.count} messages a second") from None
        answer = await _answer(data, listener, house)
        if answer is not None:
            listener.offer(answer)


async def _answer(data: str | bytes, listener: Listener, house: House) -> bytes | None:
    """The answer to a message; None where the contract has none: a subscription is answered by what follows."""
    now = iso(house.clock.now_ns())
    try:
        sent = msgspec.json.decode(data, type=Sent)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _error("INVALID_INPUT", 'a message is a JSON object with a "type"', now)
    if sent.type == "ping":
        return _encode({"type": "pong", "timestamp": now})
    if listener.monitors or sent.type not in ("subscribe", "unsubscribe"):
        known = "ping" if listener.monitors else "ping, subscribe and unsubscribe"
        return _error("UNKNOWN_TYPE", f"{sent.type[:40]!r} is not known here; there is {known}", now)
    if sent.channel not in CHANNELS:
        return _error("INVALID_INPUT", f"channel is one of {', '.join(CHANNELS)}", now)
    if not 0 < len(sent.jobId) <= JOB_ID_MAX:
        return _error("INVALID_INPUT", f"jobId is the id of a job, at most {JOB_ID_MAX} characters", now)
    try:
        await _subscribed(sent, listener, house)
    except TapedeckError as error:
        return _error(error.code, error.message, now)
    return None


async def _subscribed(sent: Sent, listener: Listener, house: House) -> None:
    """Carry out a subscription or its end. A job that is over already is told of at once. Raises LimitReached."""
    subscription = (sent.channel, sent.jobId)
    if sent.type == "unsubscribe":
        listener.subscribed.discard(subscription)
        listener.told.pop(subscription, None)
        return
    house.broadcast.subscribe(listener, subscription, house.jobs)
    event = await house.jobs.ended(sent.jobId)
    if event is not None:
        house.broadcast.job_told(event, listener, sent.channel)


def _error(code: str, message: str, now: str) -> bytes:
    return _encode({"type": "error", "error_code": code, "error_message": message, "timestamp": now})


async def _tell(socket: WebSocket[Any, Any, Any], listener: Listener) -> None:
    """Send what is queued; a client that does not keep up is let go."""
    while True:
        data = await listener.next()
        if data is None:
            raise Close(TRY_LATER, listener.why)
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):  # `wait_for` swallows a cancel that meets its end
                await socket.send_data(data.decode(), mode="text")
        except TimeoutError:
            raise Close(TRY_LATER, "too slow") from None


HANDLERS = [broadcasts, monitor]
