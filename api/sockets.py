"""The WebSocket `/ws`: broadcasts to every client (contract 000), ping and pong (contract 002)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency

from api.access import caller_of, check_access
from api.errors import status_of
from api.house import House
from api.streams.broadcast import Listener
from events.clock import iso
from events.errors import LimitReached, TapedeckError

MESSAGE_BYTES_MAX = 16_384
SEND_SECONDS_MAX = 10.0

# close codes: RFC 6455's, and 4000 + HTTP status for ours
POLICY, TOO_BIG, TRY_LATER = 1008, 1009, 1013

_encode = msgspec.json.Encoder().encode


class Sent(msgspec.Struct):
    """What a client sends. Further fields belong to the type."""

    type: str


class Close(Exception):
    """End a socket with a code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@websocket("/ws", opt={"public": True})
async def broadcasts(socket: WebSocket[Any, Any, Any], house: NamedDependency[House]) -> None:
    """Every client is sent what happens to sessions. On loopback a token is optional; elsewhere `?token=`."""
    await socket.accept()
    try:
        check_access(caller_of(socket), None, house)
        listener = house.broadcast.join()
    except TapedeckError as error:
        code = TRY_LATER if isinstance(error, LimitReached) else 4000 + status_of(error)
        await socket.close(code, error.code)
        return
    tasks = [asyncio.create_task(work) for work in (_hear(socket, listener, house), _tell(socket, listener))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await _close(socket, [task.exception() for task in done])
    finally:
        house.broadcast.leave(listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close(socket: WebSocket[Any, Any, Any], ends: list[BaseException | None]) -> None:
    for end in ends:
        if isinstance(end, Close):
            await asyncio.wait_for(socket.close(end.code, end.reason), SEND_SECONDS_MAX)
            return


async def _hear(socket: WebSocket[Any, Any, Any], listener: Listener, house: House) -> None:
    """Read what the client sends, bounded in size and rate, until it leaves."""
    loop = asyncio.get_running_loop()
    since, count, most = loop.time(), 0, house.settings.limits.socket_messages_per_second
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data: Any = message.get("text") or message.get("bytes") or b""
        if len(data) > MESSAGE_BYTES_MAX:
            raise Close(TOO_BIG, f"a message has at most {MESSAGE_BYTES_MAX} bytes")
        if loop.time() - since >= 1.0:
            since, count = loop.time(), 0
        count += 1
        if count > most:
            raise Close(POLICY, f"at most {most} messages a second")
        listener.offer(_answer(data, iso(house.clock.now_ns())))


def _answer(data: str | bytes, now: str) -> bytes:
    try:
        kind = msgspec.json.decode(data, type=Sent).type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _error("INVALID_INPUT", 'a message is a JSON object with a "type"', now)
    if kind == "ping":
        return _encode({"type": "pong", "timestamp": now})
    return _error("UNKNOWN_TYPE", f"{kind[:40]!r} is not known here; there is ping", now)


def _error(code: str, message: str, now: str) -> bytes:
    return _encode({"type": "error", "error_code": code, "error_message": message, "timestamp": now})


async def _tell(socket: WebSocket[Any, Any, Any], listener: Listener) -> None:
    """Send what is queued; a client that does not keep up is let go."""
    while True:
        data = await listener.next()
        if data is None:
            raise Close(TRY_LATER, "too slow")
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):  # `wait_for` swallows a cancel that meets its end
                await socket.send_data(data.decode(), mode="text")
        except TimeoutError:
            raise Close(TRY_LATER, "too slow") from None


HANDLERS = [broadcasts]
