"""Broadcasts over the WebSocket `/ws`: what contracts 000 and 004 send to every client.

Each client has a bounded queue; one that does not keep up is dropped, not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import structlog

from api.lasting import forgiving
from api.streams.job_messages import job_messages
from api.streams.jobs import JobEvent, JobFeed, JobListener
from api.streams.session_messages import SessionWording
from api.streams.signals import SignalWording
from events import codec, subjects
from events.clock import iso
from events.errors import LimitReached, TapedeckError
from events.facts import Fact
from events.facts.configuration import ConfigurationChanged
from events.facts.house import SystemModeSet
from events.tape import Message, Tail, Tape
from projections.read_models.signals import Typical

log = structlog.get_logger(__name__)

FOLDED = (*subjects.SESSION_FACTS, "tape.session.*.decision", subjects.CONFIGURATION, subjects.HOUSE)
SUBSCRIBED_MAX = 64  # channels of one client
FOLLOWED_SECONDS = 5.0  # how often it is looked whether anybody is subscribed
STATUS_SECONDS = 5.0  # how often components are looked at while somebody listens
_encode = msgspec.json.Encoder().encode


class Seen(NamedTuple):
    """How the components are: of all, each, and contract 003's status."""

    word: str
    components: dict[str, str]
    status: Any
    at_ns: int
    details: dict[str, str]  # of each, in a sentence


LEVELS = {"ok": "info", "warn": "warning"}
Look = Callable[[], Awaitable[Seen]]
Subscription = tuple[str, str]  # channel, job


class Listener:
    """One client: its queue, and whether it fell behind."""

    def __init__(self, queue_max: int) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(queue_max + 1)
        self._queue_max = queue_max
        self.behind = False
        self.why = "too slow"  # it ended
        self.subscribed: set[Subscription] = set()
        self.told: dict[Subscription, int] = {}  # sequence of what it was told of last
        self.owner: str | None = None  # whose jobs it may hear of; None: everybody's
        self.monitors = False  # it is sent contract 003's events, and no other
        self.greeted = False  # it was sent the first status

    def offer(self, data: bytes) -> None:
        """Queue a message; one that does not fit is the end of this client."""
        if self.behind:
            return
        if self._queue.qsize() >= self._queue_max:
            self.behind = True
            self._queue.put_nowait(None)
        else:
            self._queue.put_nowait(data)

    def end(self, why: str) -> None:
        """Nothing follows; the client may come back."""
        if not self.behind:
            self.behind, self.why = True, why
            self._queue.put_nowait(None)

    async def next(self) -> bytes | None:
        """The next message; None where the client fell behind, or nothing follows."""
        return None if self.behind else await self._queue.get()


class Broadcast:
    """Turns facts of life cycles and of the configuration into messages for all WebSocket clients of this process."""

    def __init__(self, tape: Tape, typical: Typical, clients_max: int, queue_max: int) -> None:
        self._tape = tape
        self._clients_max = clients_max
        self._queue_max = queue_max
        self._listeners: set[Listener] = set()
        self._signals = SignalWording(tape, typical)
        self._sessions = SessionWording(tape)
        self._following: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._components: dict[str, str] = {}  # in words, as they were told last
        self.tail: Tail | None = None

    async def start(self) -> None:
        """Follow the tape from its end on."""
        info = await self._tape.info()
        self.tail = await self._tape.tail(info.last + 1, forgiving("broadcast", self._note), subjects=FOLDED)

    async def close(self) -> None:
        """Stop following."""
        for task in (self._following, self._watching):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self.tail is not None:
            await self.tail.close()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._listeners)

    def release(self) -> None:
        """End every socket, so that the server can stop."""
        for listener in self._listeners:
            listener.end("the server stops")

    def join(self, *, monitors: bool = False) -> Listener:
        """A new client; of `/api/ws/monitor` where it `monitors`. Raises LimitReached."""
        if len(self._listeners) >= self._clients_max:
            raise LimitReached(f"{len(self._listeners)} clients are connected; stream_clients_max is reached.")
        listener = Listener(self._queue_max)
        listener.monitors = monitors
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """A client is gone."""
        self._listeners.discard(listener)

    def tell(self, kind: str, data: dict[str, Any], at_ns: int) -> None:
        """Send a message to every client of `/ws`; it is encoded once."""
        wanted = [one for one in self._listeners if not one.monitors]
        if wanted:
            self._give(_encode({"type": kind, "data": data, "timestamp": iso(at_ns)}), wanted)

    def tell_monitors(self, kind: str, payload: Any, among: Iterable[Listener] | None = None) -> None:
        """Send an event of contract 003 to clients of `/api/ws/monitor`, all where none are given; encoded once."""
        wanted = self._monitors() if among is None else among
        if wanted:
            self._give(_encode({"type": kind, "payload": payload}), wanted)

    def greet(self, listener: Listener, seen: Seen) -> None:
        """Send a new client of `/api/ws/monitor` the first status; the looks that begin from now on follow."""
        self.tell_monitors("system_status", seen.status, (listener,))
        listener.greeted = True

    def _monitors(self) -> list[Listener]:
        return [one for one in self._listeners if one.monitors]

    def watch(self, ask: Look, seen: Seen | None = None) -> None:
        """Look at the components every few seconds while anybody is connected, and tell what is to be told.

        What was `seen` just now is the first look where none is made yet.
        """
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(ask, seen))

    async def _watch(self, ask: Look, seen: Seen | None) -> None:
        if seen is not None:
            self.told_status(seen)
            await asyncio.sleep(STATUS_SECONDS)
        while self._listeners:
            greeted = [one for one in self._monitors() if one.greeted]  # who is greeted meanwhile has a newer status
            try:
                seen = await ask()
            except TapedeckError as error:
                log.warning("broadcast_failed", error=str(error))
            except Exception:  # whatever it is, there is a next look
                log.exception("components_not_seen")
            else:
                self.told_status(seen)
                self.tell_monitors("system_status", seen.status, greeted)
            await asyncio.sleep(STATUS_SECONDS)

    def told_status(self, seen: Seen) -> None:
        """Tell how the components are where that is another than it was; each that changed is an alert as well."""
        before, self._components = self._components, seen.components
        if not before or seen.components == before:  # what was so when the first came is no news
            return
        self.tell("system_status", {"status": seen.word, "components": seen.components}, seen.at_ns)
        for name, word in seen.components.items():
            if word != before.get(name, "ok"):
                data = {
                    "component": name,
                    "status": word,
                    "before": before.get(name),
                    "level": LEVELS.get(word, "error"),
                    "details": seen.details.get(name, ""),
                }
                self.tell("health_alert", data, seen.at_ns)

    def _give(self, encoded: bytes, listeners: Iterable[Listener]) -> None:
        for listener in list(listeners):
            listener.offer(encoded)

    async def _note(self, message: Message) -> None:
        if not self._listeners:
            return
        for kind, data in await self._worded(message):
            if kind == "signal":
                self.tell_monitors(kind, data)
            self.tell(kind, {**data, "sequence": message.sequence}, message.appended_ns)

    async def _worded(self, message: Message) -> list[tuple[str, dict[str, Any]]]:
        if codec.is_frame(message.body):
            return [("signal", msgspec.to_builtins(signal)) for signal in await self._signals.of(message)]
        fact = codec.decode(message.body, message.sequence)
        if not isinstance(fact, Fact):
            return []
        worded = _word(fact) or await self._sessions.of(fact)
        return [worded] if worded else []

    # --- jobs, for whoever subscribed -----------------------------------------------------------------------------

    def subscribe(self, listener: Listener, subscription: Subscription, jobs: JobFeed) -> None:
        """Send a client what happens to a job from now on. Raises LimitReached."""
        if len(listener.subscribed | {subscription}) > SUBSCRIBED_MAX:
            raise LimitReached(f"A socket has at most {SUBSCRIBED_MAX} subscriptions.")
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow(jobs, jobs.join()))
        listener.subscribed.add(subscription)
        listener.told.pop(subscription, None)

    async def _follow(self, jobs: JobFeed, feed: JobListener) -> None:
        """Word each event of a job once for all who subscribed to it, while anybody has subscribed to any."""
        try:
            while not feed.over and any(one.subscribed for one in self._listeners):
                event = await feed.next(FOLLOWED_SECONDS)
                if event is not None:
                    self.job_told(event)
        except Exception:
            log.exception("job_event_untold")
            feed.end()
        finally:
            jobs.leave(feed)
        if feed.over:  # events were missed: who subscribed is told so, comes back and is told how its jobs are
            for one in self._listeners:
                if one.subscribed:
                    one.end("events of jobs were missed; subscribe again")

    def job_told(self, event: JobEvent, only: Listener | None = None, on: str = "") -> None:
        """Send what an event of a job is on each channel, to all who subscribed to it, or to one of them on one."""
        among = self._listeners if only is None else {only}
        for channel, kind, data in job_messages(event):
            subscription = (channel, event.job.job)
            wanted = [
                one
                for one in among
                if on in ("", channel)
                and subscription in one.subscribed
                and one.owner in (None, event.job.user)
                and one.told.get(subscription, 0) < event.sequence  # an end may be looked up and heard as well
            ]
            for one in wanted:
                one.told[subscription] = event.sequence
            if wanted:
                at = iso(event.at_ns)
                self._give(_encode({"type": kind, "data": data, "timestamp": at}), wanted)


def _word(fact: Fact) -> tuple[str, dict[str, Any]] | None:
    match fact:
        case ConfigurationChanged():
            values = {one.key: one.value for one in fact.values}
            who = {"user": fact.user, "origin": fact.origin}
            return "config_updated", {"changed": list(values), "values": values, **who}
        case SystemModeSet():
            return "system_status", {"mode": fact.mode, "user": fact.user}
        case _:
            return None
