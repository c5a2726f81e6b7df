"""One try each against the server: what is known after it (see `events.retry`)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from events.clock import Clock
from events.errors import OperatingError, TapedeckError, TapeUnavailable, TooLarge
from events.jetstream import streams, wire
from events.jetstream.link import Link
from events.jetstream.streams import ApiError, ApiRefused, api
from events.retry import NoAnswer, NotSent, Stale, Stored
from events.tape import Append, Limits, Message

WRONG_LAST_SEQUENCE = (10071, 10164)
WRONG_LAST_ID = 10070
DUPLICATE_IN_BATCH = 10201
TOO_LARGE = (10054, 10199)
STORE_FULL = (10023, 10077)
PASSING = (10008, 10009, 10014, 10074, 10118)  # JetStream is starting, has no leader, is short of something
_NUMBER = re.compile(r"(\d+)\s*\Z")


class _Ack(msgspec.Struct):
    seq: int = 0
    duplicate: bool = False
    error: ApiError | None = None


_ACK = msgspec.json.Decoder(_Ack)


class JetStreamLog:
    """Single tries of appending and of reading back, the latter from the stream's leader."""

    def __init__(self, link: Link, stream: str, limits: Limits, clock: Clock, duplicate_seconds: float) -> None:
        self.limits = limits
        self.clock = clock
        self.stream = stream
        self.duplicate_seconds = duplicate_seconds
        self._link = link

    async def store(self, message: Append, *, behind: str | None = None) -> Stored:
        """See `retry.Log.store`. With `behind`: only directly behind the message with that id."""
        await self._ready()
        headers = wire.headers_of(message)
        if behind is not None:
            headers[wire.EXPECTED_LAST_ID] = behind
        return await self._send(message.subject, message.body, headers)

    async def store_batch(self, messages: list[Append]) -> Stored:
        """See `retry.Log.store_batch`. The first message is answered at once, so that a refusal stops the rest."""
        await self._ready()
        batch = self.clock.new_id()
        for number, message in enumerate(messages, start=1):
            headers = wire.headers_of(message)
            headers |= {wire.BATCH_ID: batch, wire.BATCH_SEQUENCE: str(number)}
            if number == len(messages):
                headers[wire.BATCH_COMMIT] = "1"
                return await self._send(message.subject, message.body, headers)
            await self._part(message, headers, asks=number == 1)
        raise AssertionError("a batch has at least one message")

    async def _part(self, message: Append, headers: dict[str, str], *, asks: bool) -> None:
        """One message of a batch before its last. Where it is lost, the commit is refused as a whole."""
        if not asks:
            await self._link.send(message.subject, message.body, headers=headers)
            return
        try:
            answer = await self._link.request(message.subject, message.body, self.limits.append_seconds_max, headers)
        except NoAnswer as silence:
            raise NotSent(f"the batch did not begin: {silence}") from None
        if answer.data and (error := _ACK.decode(answer.data).error) is not None:
            raise _refusal(error, message.subject)

    async def _send(self, subject: str, body: bytes, headers: dict[str, str]) -> Stored:
        answer = await self._link.request(subject, body, self.limits.append_seconds_max, headers)
        ack = _ACK.decode(answer.data)
        if ack.error is not None:
            raise _refusal(ack.error, subject)
        return Stored(ack.seq, ack.duplicate)

    async def _ready(self) -> None:
        if self._link.closed:
            raise TapeUnavailable("The connection to the NATS server is closed.", hint="Start this process again.")
        if not self._link.connected and not await self._link.ready(self.limits.append_seconds_max):
            raise NotSent("there is no connection to the NATS server")

    # --- reading back ---------------------------------------------------------------------------------------------

    async def first_behind(self, subject: str, sequence: int) -> Message | None:
        """The first message of the filter behind a sequence."""
        return await self._get({"seq": sequence + 1, "next_by_subj": subject})

    async def newest(self, subject: str) -> Message | None:
        """The last message of the filter."""
        return await self._get({"last_by_subj": subject})

    async def exact(self, sequence: int) -> Message | None:
        """The message at a sequence."""
        return await self._get({"seq": sequence})

    async def subjects(self, subject: str) -> list[str]:
        """Subjects of the filter that have a message. Raises TapeMissing, TapeUnavailable."""
        return sorted((await streams.info(self._link, self.stream, subjects=subject)).state.subjects)

    async def _get(self, question: dict[str, Any]) -> Message | None:
        await self._ready()
        try:
            answer = await api(self._link, f"STREAM.MSG.GET.{self.stream}", question, self.limits.append_seconds_max)
        except ApiRefused as refused:
            if refused.error.err_code == streams.NO_MESSAGE:
                return None
            raise NoAnswer(str(refused)) from None
        return wire.message_of(answer)


def _refusal(error: ApiError, subject: str) -> Exception:
    """What an error of the server says about an append."""
    if error.err_code in WRONG_LAST_SEQUENCE:
        found = _NUMBER.search(error.description)
        return Stale(int(found[1]) if found else None)
    if error.err_code in (DUPLICATE_IN_BATCH, WRONG_LAST_ID):
        return Stale(None)
    if error.err_code in PASSING or (error.code == 503 and error.err_code not in STORE_FULL):
        return NotSent(f"{error.description} ({error.err_code})")
    return _final(error, subject)


def _final(error: ApiError, subject: str) -> TapedeckError:
    text = f"The server refuses an append to {subject}: {error.description} ({error.code}/{error.err_code})."
    if error.err_code in TOO_LARGE:
        return TooLarge(text, field="body")
    if error.err_code in STORE_FULL:
        return TapeUnavailable(
            text, code="TAPE_FULL", hint="Make room on the disk of the tape's server, then go on: nothing was lost."
        )
    return OperatingError(text, code="TAPE_REFUSED_APPEND")
