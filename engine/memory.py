"""Memory: what a process folded, kept beside the tape, so that the next start reads on behind it.

A memory is the state of one fold as of a sequence, under the code that folded it. Restored, and with all that lies
behind it folded, the state is what folding from the first message gives: nothing is known of it but what the tape says.
One that cannot be read, or of other code, is passed over; one of another epoch, beyond the tape's end, or of a message
that stands there no more is removed. Without any, all is folded.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from events import facts
from events.errors import OperatingError
from events.tape import Blobs, Tape

log = structlog.get_logger(__name__)

ROOT = "folds/"
KEPT = 2  # of one fold
CODE_DIGITS = 16  # of the code, in a name
READING = ("engine.memory", "engine.taking_part", "events.codec", "events.subjects")
MESSAGES_MIN = 10_000  # folded since the newest one before another is kept: so many more a start reads at most


class Kept(msgspec.Struct, frozen=True):
    """One memory."""

    epoch: str
    sequence: int  # of the last message folded
    mark: str  # hash of that message
    code: str
    state: msgspec.Raw


class Fold(NamedTuple):
    """What is remembered of a part."""

    name: str  # the same in all processes that fold the same
    code: str  # hash of what folds; see `code_of`
    state: Callable[[], bytes]  # as of the last message folded, as JSON; nothing else runs meanwhile
    restore: Callable[[bytes], None]
    knows: Callable[[], int] = lambda: 0  # sequence up to which it knows: what it appended itself before that is folded
    again: tuple[str, ...] = ()  # subjects that the state leaves out: they are read from the first message


def code_of(*modules: str) -> str:
    """Hash of the text of these modules and of all that says how facts are read."""
    paths = [Path(str(importlib.import_module(name).__file__)) for name in (*modules, *READING)]
    paths += sorted(Path(str(facts.__file__)).parent.glob("*.py"))
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Memory:
    """Of one part of one process."""

    def __init__(self, tape: Tape, blobs: Blobs, fold: Fold) -> None:
        self.fold = fold
        self._tape = tape
        self._blobs = blobs
        self._folded = 0  # messages since the newest that this process knows of

    def note(self) -> None:
        """One more message is folded."""
        self._folded += 1

    async def recall(self) -> int:
        """Restore the newest good one; its sequence, 0 where there is none. Raises OperatingError: of the tape."""
        for name in reversed(await self._names()):
            kept = await self._get(name)
            if kept is None:
                continue
            if not await self._stands(kept):
                await self._forget(name)
            elif kept.code == self.fold.code:
                await self._restore(kept, name)
                log.info("memory_recalled", fold=self.fold.name, sequence=kept.sequence)
                return kept.sequence
        return 0

    async def _names(self) -> list[str]:
        try:
            return await self._blobs.names(self._root)
        except OperatingError as error:
            log.warning("memories_not_read", fold=self.fold.name, error=str(error), code=error.code)
            return []

    async def _get(self, name: str) -> Kept | None:
        try:
            return _opened(await self._blobs.get(name))
        except OperatingError as error:
            log.warning("memory_not_read", name=name, error=str(error), code=error.code)
            return None

    async def _forget(self, name: str) -> None:
        """Remove what is of no use to anybody: newest by its name, it would stand before what is kept from now on."""
        log.warning("memory_removed", name=name, reason="it is of another tape")
        with contextlib.suppress(OperatingError):
            await self._blobs.delete(name)

    async def _restore(self, kept: Kept, name: str) -> None:
        try:
            self.fold.restore(bytes(kept.state))
        except Exception:  # half restored is nothing to go on with: the next start does without it
            await self._blobs.delete(name)
            raise

    async def _stands(self, kept: Kept) -> bool:
        """Whether it is of this tape."""
        info = await self._tape.info()
        if kept.epoch != info.epoch or kept.sequence > info.last:
            return False
        return await self._mark(kept.sequence) == kept.mark

    async def _mark(self, sequence: int) -> str:
        message = await self._tape.get(sequence)
        if message is None:
            return "none"
        text = b"%d %s " % (message.appended_ns, message.subject.encode())
        return hashlib.blake2b(text + message.body, digest_size=16).hexdigest()

    @property
    def due(self) -> bool:
        """Whether enough was folded since."""
        return self._folded >= MESSAGES_MIN

    def is_as_of(self, sequence: int) -> bool:
        """Whether the state is that of this sequence, and knows nothing behind it."""
        return self.fold.knows() <= sequence

    def take(self) -> bytes:
        """The state now, to be kept; the next one is due when as much is folded again."""
        self._folded = 0
        return self.fold.state()

    async def keep(self, sequence: int, state: bytes) -> None:
        """Keep a state as of the last message folded; one that cannot be kept is given up, until the next is due."""
        try:
            if not await self._is_news(sequence):
                return
            mark, epoch = await self._mark(sequence), (await self._tape.info()).epoch
            kept = Kept(epoch, sequence, mark, self.fold.code, msgspec.Raw(state))
            await self._blobs.put(f"{self._root}{sequence:020d}.{self._code}", msgspec.json.encode(kept))
            for old in (await self._blobs.names(self._root))[:-KEPT]:
                await self._blobs.delete(old)
            log.info("memory_kept", fold=self.fold.name, sequence=sequence, bytes=len(state))
        except OperatingError as error:
            log.warning("memory_not_kept", fold=self.fold.name, error=str(error), code=error.code)
        except Exception:  # a start takes longer without it, and nothing else
            log.exception("memory_not_kept", fold=self.fold.name)

    async def _is_news(self, sequence: int) -> bool:
        """Whether no other process has kept one of nearly as much; one behind those that are kept would go at once."""
        names = await self._blobs.names(self._root)
        if not names:
            return True
        newest, _, code = names[-1].removeprefix(self._root).partition(".")
        return sequence - int(newest) >= (MESSAGES_MIN if code == self._code else 1)

    @property
    def _root(self) -> str:
        return f"{ROOT}{self.fold.name}/"

    @property
    def _code(self) -> str:
        """What a name says of it, so that none is read to know whose it is."""
        return self.fold.code[:CODE_DIGITS]


def _opened(data: bytes | None) -> Kept | None:
    try:
        return None if data is None else msgspec.json.decode(data, type=Kept)
    except msgspec.MsgspecError:
        return None
