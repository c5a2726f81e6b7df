"""Broadcasts over the WebSocket `/ws`: what contracts 000 and 004 send to every client.

Each client has a bounded queue; one that does not keep up is dropped, not waited for.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import structlog

from events import codec, subjects
from events.clock import iso
from events.errors import LimitReached, Undecodable
from events.facts import Fact, SessionEnded, SessionFailed, SessionStarted
from events.facts.configuration import ConfigurationChanged
from events.tape import Message, Tail, Tape

log = structlog.get_logger(__name__)

FOLDED = ("tape.session.*.fact", "tape.research.*.fact", subjects.CONFIGURATION)
_encode = msgspec.json.Encoder().encode


class Listener:
    """One client: its queue, and whether it fell behind."""

    def __init__(self, queue_max: int) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(queue_max + 1)
        self._queue_max = queue_max
        self.behind = False

    def offer(self, data: bytes) -> None:
        """Queue a message; one that does not fit is the end of this client."""
        if self.behind:
            return
        if self._queue.qsize() >= self._queue_max:
            self.behind = True
            self._queue.put_nowait(None)
        else:
            self._queue.put_nowait(data)

    def end(self) -> None:
        """Nothing follows."""
        if not self.behind:
            self.behind = True
            self._queue.put_nowait(None)

    async def next(self) -> bytes | None:
        """The next message; None where the client fell behind, or nothing follows."""
        return None if self.behind else await self._queue.get()


class Broadcast:
    """Turns facts of life cycles and of the configuration into messages for all WebSocket clients of this process."""

    def __init__(self, tape: Tape, clients_max: int, queue_max: int) -> None:
        self._tape = tape
        self._clients_max = clients_max
        self._queue_max = queue_max
        self._listeners: set[Listener] = set()
        self.tail: Tail | None = None

    async def start(self) -> None:
        """Follow the tape from its end on."""
        info = await self._tape.info()
        self.tail = await self._tape.tail(info.last + 1, self._note, subjects=FOLDED)

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._listeners)

    def release(self) -> None:
        """End every socket, so that the server can stop."""
        for listener in self._listeners:
            listener.end()

    def join(self) -> Listener:
        """A new client. Raises LimitReached."""
        if len(self._listeners) >= self._clients_max:
            raise LimitReached(f"{len(self._listeners)} clients are connected; stream_clients_max is reached.")
        listener = Listener(self._queue_max)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """A client is gone."""
        self._listeners.discard(listener)

    async def _note(self, message: Message) -> None:
        if not self._listeners:
            return
        try:
            fact = codec.decode(message.body, message.sequence)
        except Undecodable as error:
            log.warning("broadcast_undecodable", sequence=message.sequence, error=str(error))
            return
        worded = _word(fact) if isinstance(fact, Fact) else None
        if worded is None:
            return
        kind, data = worded
        body = {"type": kind, "data": {**data, "sequence": message.sequence}, "timestamp": iso(message.appended_ns)}
        encoded = _encode(body)
        for listener in list(self._listeners):
            listener.offer(encoded)


def _word(fact: Fact) -> tuple[str, dict[str, Any]] | None:
    match fact:
        case SessionStarted(spec=spec):
            symbols = [one.symbol for one in spec.instruments]
            return "session_started", {"session_id": spec.session, "session_type": spec.mode, "symbols": symbols}
        case SessionEnded():
            return "session_stopped", {"session_id": fact.session, "reason": fact.reason, "equity": fact.equity}
        case SessionFailed():
            return "session_failed", {"session_id": fact.session, "code": fact.code, "message": fact.message}
        case ConfigurationChanged():
            values = {one.key: one.value for one in fact.values}
            who = {"user": fact.user, "origin": fact.origin}
            return "config_updated", {"changed": list(values), "values": values, **who}
        case _:
            return None
