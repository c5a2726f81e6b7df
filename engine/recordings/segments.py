"""Segments: a source's rows packed behind each other in a file, so that a replay need not read small messages.

They belong to no one: deletable at any time, written again by the next reading that misses them. A file holds rows of
one section kind exactly as the loop reads them; beside it an index names the messages they came from and a checksum.
The index is written last, by renaming, so half a segment is none. Which segments a reading needs, their names say:
`<first>-<last>`, sequences; each is opened and compared with its checksum when the reading gets to it.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from events.facts import Place
from events.rows import ROW_DTYPES, Rows, SectionKind

SEGMENT_BYTES_MAX = 64 * 1024 * 1024
SEGMENT_SECONDS_MAX = 3600
SUFFIX = ".index"
OPEN = ".open."  # and the writer's pid and number: rows of a segment that is not closed
WRITE_BYTES = 262_144
MAPPED_MAX = 256  # segments kept open
UNKNOWN = -1  # `follows` of a segment whose message before was not seen
_NAME = re.compile(r"(\d{16})-(\d{16})\.index")

log = structlog.get_logger(__name__)
_numbers = itertools.count(1)


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a segment's rows."""

    source: str
    epoch: str
    kind: int
    version: int
    sequences: bytes  # <i8[messages]
    counts: bytes  # <i8[messages]: rows of each message
    follows: int  # sequence of the source's message before the first one; 0: none, -1: not known
    checksum: tuple[int, int]


class Segment:
    """One segment, its rows mapped read-only."""

    def __init__(self, path: Path, index: Index) -> None:
        self.path = path
        self.index = index
        self.kind = SectionKind(index.kind)
        self.follows = index.follows
        self.sequences: NDArray[np.int64] = np.frombuffer(index.sequences, "<i8")
        self.counts: NDArray[np.int64] = np.frombuffer(index.counts, "<i8")
        self.ends = np.cumsum(self.counts)  # rows up to and with each message
        self.first = int(self.sequences[0])
        self.last = int(self.sequences[-1])
        self.rows: Rows = np.memmap(path, ROW_DTYPES[self.kind, index.version], mode="r").view(np.ndarray)

    def sound(self) -> bool:
        """Whether the rows are as they were written."""
        return len(self.rows) == int(self.ends[-1]) and checksum(self.rows) == self.index.checksum

    def rows_through(self, place: Place) -> int:
        """How many rows stand at or before a place."""
        at = int(np.searchsorted(self.sequences, place.sequence))
        before = int(self.ends[at - 1]) if at else 0
        if at < len(self.sequences) and int(self.sequences[at]) == place.sequence:
            return before + min(place.index + 1, int(self.counts[at]))
        return before

    @property
    def end(self) -> Place:
        """The place of its last row."""
        return Place(self.last, int(self.counts[-1]) - 1)

    def places(self, first: int, end: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """(sequence, rows) of the messages of rows `first` to `end`, and the first row's index in its message."""
        low = int(np.searchsorted(self.ends, first, side="right"))
        high = int(np.searchsorted(self.ends, end, side="left"))
        starts = self.ends[low : high + 1] - self.counts[low : high + 1]
        counts = np.minimum(self.ends[low : high + 1], end) - np.maximum(starts, first)
        pairs = zip(self.sequences[low : high + 1].tolist(), counts.tolist(), strict=True)
        return tuple(pairs), first - int(starts[0])


class SegmentWriter:
    """Writes the messages of one source behind each other and closes a segment whenever one is full.

    Rows go to the file as they come: an open segment costs no memory, and a killed writer leaves a file that the next
    one of its source removes.
    """

    def __init__(self, folder: Path, source: str, epoch: str, follows: int = 0) -> None:
        self._folder = folder / source
        self._source = source
        self._epoch = epoch
        self._follows = follows
        self._file: BinaryIO | None = None
        self._clear()

    def _clear(self) -> None:
        self._kind: SectionKind | None = None
        self._sequences: list[int] = []
        self._counts: list[int] = []
        self._sums = (0, 0)
        self._bytes = 0
        self._opened_ns = 0

    def add(self, sequence: int, kind: SectionKind, rows: Rows, appended_ns: int) -> Full | None:
        """The rows of the source's next message; gives the segment before, where that is full.

        Raises:
            OSError: the folder cannot be written; a replay without segments is slower, and as good.
        """
        old = self._opened_ns and appended_ns - self._opened_ns > SEGMENT_SECONDS_MAX * 1_000_000_000
        over = kind is not self._kind or old or self._bytes + rows.nbytes > SEGMENT_BYTES_MAX
        full = self.close() if self._file and over else None
        self._file = self._file or self._begun()
        self._kind = kind
        self._opened_ns = self._opened_ns or appended_ns
        self._file.write(np.ascontiguousarray(rows).data)
        self._sums = checksum(rows, self._sums)
        self._sequences.append(sequence)
        self._counts.append(len(rows))
        self._bytes += rows.nbytes
        return full

    def _begun(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        for left in self._folder.glob(f"{OPEN}*"):
            if not Path(f"/proc/{left.name.removeprefix(OPEN).partition('.')[0]}").exists():
                left.unlink(missing_ok=True)
        return (self._folder / f"{OPEN}{os.getpid()}.{next(_numbers)}").open("wb", WRITE_BYTES)

    def close(self) -> Full | None:
        """What was gathered, to be kept; the writer goes on behind it."""
        if self._file is None or self._kind is None:
            return None
        index = Index(
            source=self._source,
            epoch=self._epoch,
            kind=int(self._kind),
            version=1,
            sequences=np.array(self._sequences, "<i8").tobytes(),
            counts=np.array(self._counts, "<i8").tobytes(),
            follows=self._follows,
            checksum=self._sums,
        )
        name = f"{self._sequences[0]:016d}-{self._sequences[-1]:016d}"
        full = Full(self._folder / f"{name}{SUFFIX}", self._file, index)
        self._follows = self._sequences[-1]
        self._file = None
        self._clear()
        return full

    def drop(self) -> None:
        """Forget what was gathered."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None
        self._clear()


class Full:
    """A segment whose rows are all in its file, and which nobody finds yet."""

    def __init__(self, path: Path, file: BinaryIO, index: Index) -> None:
        self._path, self._file, self._index = path, file, index

    def keep(self) -> Path | None:
        """Put it in its place and give its index; None where the disk does not take it. Syncs: call it in a thread."""
        try:
            with self._file as file:
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(self._path.with_suffix(".rows"))
            _write(self._path, msgspec.msgpack.encode(self._index))
        except OSError as error:  # a replay without it is slower, and as good
            log.warning("segment_not_written", path=str(self._path), error=str(error))
            return None
        return self._path


class Found(msgspec.Struct, frozen=True):
    """A segment that a name tells of, unopened."""

    first: int  # sequences
    last: int
    path: Path  # of the index


class Segments:
    """All segments under one folder. Damaged ones, and those of another epoch, are as good as absent."""

    def __init__(self, folder: Path, epoch: str) -> None:
        self.folder = folder
        self.epoch = epoch
        self._sound: dict[Path, Segment] = {}

    def named(self, source: str, first: int, last: int) -> list[Found]:
        """Segments of a source whose names say that they hold messages between `first` and `last`, in order."""
        found = []
        for path in (self.folder / source).glob(f"*{SUFFIX}"):
            if (name := _NAME.fullmatch(path.name)) is not None:
                found.append(Found(int(name[1]), int(name[2]), path))
        wanted = [one for one in found if one.last >= first and one.first <= last]
        return sorted(wanted, key=lambda one: (one.first, -one.last))

    def writer(self, source: str, follows: int = 0) -> SegmentWriter:
        """A writer for the source's next messages."""
        return SegmentWriter(self.folder, source, self.epoch, follows)

    def open(self, found: Found) -> Segment | None:
        """The segment, compared with its checksum once; None where it is not good. Reads it: call it in a thread."""
        segment = self._sound.pop(found.path, None) or self._opened(found)
        if segment is not None:
            self._sound[found.path] = segment  # behind the others: the first was not used for longest
            while len(self._sound) > MAPPED_MAX:
                self._sound.pop(next(iter(self._sound)), None)
        return segment

    def _opened(self, found: Found) -> Segment | None:
        try:
            index = msgspec.msgpack.decode(found.path.read_bytes(), type=Index)
            segment = Segment(found.path.with_suffix(".rows"), index)
        except (OSError, ValueError, LookupError, msgspec.MsgspecError):
            return None
        mine = index.epoch == self.epoch and (segment.first, segment.last) == (found.first, found.last)
        return segment if mine and segment.sound() else None


def checksum(rows: Rows, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Fletcher's sums over 64-bit words, behind those of the rows before: notices flips, swaps and cuts."""
    words = np.ascontiguousarray(rows).view(np.uint8).reshape(-1).view("<u8")
    first, second = _compiled()(words, *before)
    return int(first), int(second)


def warm_up() -> None:
    """Load the machine code of `checksum`, for a thread beside whoever waits for rows."""
    _compiled()


@functools.cache
def _compiled() -> Callable[[NDArray[np.uint64], int, int], tuple[int, int]]:
    """`_fletcher` as machine code. Not at import: numba's types alone take 30 MB, and who reads no segment has none."""
    import numba

    arguments = "Array(uint64, 1, 'C', readonly=True), uint64, uint64"
    return cast(Any, numba.njit(f"UniTuple(uint64, 2)({arguments})", nogil=True, cache=True)(_fletcher))


def _fletcher(words: NDArray[np.uint64], first: int, second: int) -> tuple[int, int]:
    for word in words:
        first += word
        second += first
    return first, second


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
