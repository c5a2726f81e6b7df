"""Inputs of a session, in their one order: rows of its source and its own commands.

On a tail both come from one reading of the tape, so a command acts at its own sequence. On a recording rows are read
by reference, and a command acts where the runner meets it; its answer says where that was, and a later reading of the
same session acts there again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from engine.recordings.reading import RecordingReader, RowsInput, Window, rows_of_message
from events import codec, subjects
from events.facts import Command, Place
from events.tape import Message, Tail, Tape

QUEUE_MESSAGES_MAX = 512
QUEUE_BYTES_MAX = 8_388_608  # of a tail's messages that wait to be decided; one more may come


class CommandInput(msgspec.Struct, frozen=True):
    """A command to this session."""

    sequence: int
    command: Command


Input = RowsInput | CommandInput


class Inputs(Protocol):
    """Where a session reads."""

    def read(self) -> AsyncIterator[Input]:
        """Inputs in order; ends with the data."""
        ...

    def waiting(self) -> bool:
        """Whether more is at hand at once, without waiting."""
        ...

    async def close(self) -> None:
        """Let go of the tape."""
        ...


class TailInputs:
    """The tail of a source and the session's commands, in the order of the tape."""

    def __init__(self, tape: Tape, source: str, session: str, after: Place, commands_after: int) -> None:
        self._tape = tape
        self._subjects = (subjects.market(source), subjects.session_commands(session))
        self._after = after
        self._commands_after = commands_after
        self._queue: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MESSAGES_MAX)
        self._bytes = 0  # of the messages in the queue
        self._room = asyncio.Event()
        self._closed = False
        self._tail: Tail | None = None
        self._arrived = asyncio.Event()  # a message, or the end of the tail
        self._ending: asyncio.Future[None] | None = None

    async def read(self) -> AsyncIterator[Input]:
        """See `Inputs.read`."""
        place = self._after.sequence
        if self._commands_after < place:  # commands that wait from before it; the rows there were read
            wanted = self._subjects[1:]
            async for message in self._tape.read(self._commands_after + 1, subjects=wanted, end=place):
                yield _command_input(message)
        self._tail = await self._tape.tail(max(1, place), self._put, subjects=self._subjects)
        self._ending = asyncio.ensure_future(self._tail.ended())
        self._ending.add_done_callback(lambda _: self._arrived.set())
        behind = max(self._commands_after, place)
        while True:
            message = await self._next()
            self._bytes -= len(message.body)
            self._room.set()
            if codec.is_frame(message.body):
                for one in rows_of_message(message, self._after):
                    yield msgspec.structs.replace(one, appended_ns=message.appended_ns)
            elif message.sequence > behind:
                yield _command_input(message)

    async def _put(self, message: Message) -> None:
        while not self._closed and (self._bytes > QUEUE_BYTES_MAX or self._queue.full()):
            self._room.clear()
            await self._room.wait()
        if not self._closed:
            self._bytes += len(message.body)
            self._queue.put_nowait(message)
            self._arrived.set()

    async def _next(self) -> Message:
        assert self._ending is not None, "the tail is read"
        while self._queue.empty():
            if self._ending.done():
                self._ending.result()  # raises what ended the tail
                raise asyncio.CancelledError
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.get_nowait()

    def waiting(self) -> bool:
        """See `Inputs.waiting`."""
        return not self._queue.empty()

    async def close(self) -> None:
        """See `Inputs.close`."""
        self._closed = True
        self._room.set()  # a tail that waits for room would hold up its own end
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.wait({self._ending})
        if self._tail is not None:
            await self._tail.close()


class RecordingInputs:
    """A recording's rows, and the commands that arrive while they are read.

    Commands come as soon as they are seen, between two stretches of rows.
    """

    def __init__(self, tape: Tape, reader: RecordingReader, window: Window, session: str, commands_after: int) -> None:
        self._tape = tape
        self._reader = reader
        self._window = window
        self._session = session
        self._commands_after = commands_after
        self._commands: asyncio.Queue[Message] = asyncio.Queue(QUEUE_MESSAGES_MAX)
        self._tail: Tail | None = None

    async def read(self) -> AsyncIterator[Input]:
        """See `Inputs.read`."""
        wanted = (subjects.session_commands(self._session),)
        self._tail = await self._tape.tail(self._commands_after + 1, self._commands.put, subjects=wanted)
        async for rows in self._reader.read(self._window):
            for command in self.commands():
                yield command
            yield rows
        for command in self.commands():
            yield command

    def commands(self) -> list[CommandInput]:
        """Commands that have arrived, each once; the runner also asks while it waits for its pace."""
        if self._tail is not None and self._tail.failed is not None:
            raise self._tail.failed  # else no command would be heard any more
        found = []
        while not self._commands.empty():
            found.append(_command_input(self._commands.get_nowait()))
        return found

    def waiting(self) -> bool:
        """See `Inputs.waiting`."""
        return True

    async def close(self) -> None:
        """See `Inputs.close`."""
        if self._tail is not None:
            await self._tail.close()


def _command_input(message: Message) -> CommandInput:
    command = codec.decode(message.body, message.sequence)
    assert isinstance(command, Command), "only commands are on a session's command subject"
    return CommandInput(message.sequence, command)
