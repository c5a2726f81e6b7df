"""Opening files: what container they are in (by content, not by name), and their text as blocks of whole lines."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from engine.feeds.errors import BadMapping, FeedLimit, Unreadable

BLOCK_BYTES = 4 * 1024 * 1024  # text read at a time
COUNT_BYTES = 128 * 1024
GZIP_BYTES = 1024 * 1024  # compressed bytes read at a time
SHOWN_BYTES = 100
LINE_BYTES_MAX = 16 * 1024 * 1024
HEAD_BYTES = 64 * 1024
HEAD_LINES = 20
MEMBERS_NAMED_MAX = 8

_BROKEN = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


class Container(StrEnum):
    """What a file's first bytes say it is."""

    TEXT = "text"
    GZIP = "gzip"
    XZ = "xz"
    ZIP = "zip"
    PARQUET = "parquet"
    ARROW = "arrow"


_MAGIC: tuple[tuple[bytes, Container], ...] = (
    (b"\x1f\x8b", Container.GZIP),
    (b"\xfd7zXZ\x00", Container.XZ),
    (b"PK\x03\x04", Container.ZIP),
    (b"PK\x05\x06", Container.ZIP),
    (b"PAR1", Container.PARQUET),
    (b"ARROW1", Container.ARROW),
)

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"FEA1", "Feather version 1; save it as version 2 (Arrow IPC)"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed; decompress it first"),
    (b"BZh", "bzip2-compressed; decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"\xff\xfe", "UTF-16 text; convert it to UTF-8 first"),
    (b"\xfe\xff", "UTF-16 text; convert it to UTF-8 first"),
)


class TextBlock(NamedTuple):
    """Whole lines of a text; `first_line` is the number of the first one, the file's first line being 1."""

    first_line: int
    data: bytes
    line_count: int


def lines_in(data: bytes) -> int:
    """Lines of a text, the last one with or without its end."""
    return count_of(data, 10) + (len(data) > 0 and data[-1] != 10)


def count_of(data: bytes, byte: int) -> int:
    """How often one byte occurs; piece by piece within the cache, four times as fast as bytes.count."""
    whole = np.frombuffer(data, np.uint8)
    return sum(
        int(np.count_nonzero(whole[start : start + COUNT_BYTES] == byte)) for start in range(0, len(whole), COUNT_BYTES)
    )


class SourceFile:
    """One file of market data, opened by content."""

    def __init__(self, path: Path, member: str = "") -> None:
        self.path = path
        self.name = path.name
        self.container = container_of(path)
        self.member = _member(path, member) if self.container is Container.ZIP else ""

    @property
    def binary(self) -> bool:
        """Whether it holds records with typed columns instead of lines."""
        return self.container in (Container.PARQUET, Container.ARROW)

    def blocks(self, size: int = BLOCK_BYTES) -> Iterator[TextBlock]:
        """The text in blocks of whole lines, each about `size` bytes.

        Raises:
            Unreadable: cut off, damaged, or not UTF-8 text.
            FeedLimit: a line of over `LINE_BYTES_MAX` bytes.
        """
        ready, rest, line = b"", b"", 1
        with self._open() as stream:
            for data in self._reads(stream, size):
                cut = data.rfind(b"\n") + 1
                if cut == 0:
                    rest += data
                    self._check_line(rest, line)
                    continue
                if ready:
                    block = self._block(ready, line)
                    line += block.line_count
                    yield block
                ready, rest = b"".join((rest, memoryview(data)[:cut])), data[cut:]
        yield self._block(ready + rest if rest else ready, line)

    def _block(self, data: bytes, line: int) -> TextBlock:
        return TextBlock(line, self._text(data, line), lines_in(data))

    def head_lines(self) -> list[str]:
        """The first lines, at most `HEAD_LINES`, without their ends; a line cut by `HEAD_BYTES` stays cut."""
        with self._open() as stream:
            data = next(self._reads(stream, HEAD_BYTES), b"")
        self._refuse_binary(data)
        return [line.decode("utf-8", "replace") for line in data.splitlines()[:HEAD_LINES]]

    def shown(self, number: int) -> str:
        """The beginning of one line in quotes, for error messages; of a record file, its number."""
        if self.binary:
            return f"record {number}"
        block = next(block for block in self.blocks() if number < block.first_line + block.line_count)
        line = block.data.split(b"\n")[number - block.first_line].rstrip(b"\r")
        return repr(line[:SHOWN_BYTES].decode("utf-8", "replace"))

    def _open(self) -> BinaryIO:
        try:
            match self.container:
                case Container.GZIP:
                    return cast(BinaryIO, GzipReader(self.path))
                case Container.XZ:
                    return cast(BinaryIO, lzma.open(self.path))
                case Container.ZIP:
                    return cast(BinaryIO, zipfile.ZipFile(self.path).open(self.member))
                case _:
                    return self.path.open("rb")
        except _BROKEN as error:
            raise self._broken(error) from error

    def _reads(self, stream: BinaryIO, size: int) -> Iterator[bytes]:
        first = True
        while True:
            try:
                data = stream.read(size)
            except _BROKEN as error:
                raise self._broken(error) from error
            if not data:
                break
            data = data.removeprefix(b"\xef\xbb\xbf") if first else data
            if data:
                yield data
                first = False
        if first:
            raise Unreadable(f"{self.name} is empty.", field="file")

    def _text(self, data: bytes, line: int) -> bytes:
        if data.isascii():
            if b"\0" in data:
                self._refuse_binary(data)
            return data
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            at = line + data.count(b"\n", 0, error.start)
            byte = data[error.start]
            raise Unreadable(
                f"{self.name} is not UTF-8 text: line {at} has byte 0x{byte:02x}.",
                field="file",
                hint="Convert it first, for example from latin-1.",
            ) from None
        return data

    def _refuse_binary(self, data: bytes) -> None:
        if b"\0" in data:
            raise Unreadable(
                f"{self.name} is neither UTF-8 text nor a container that is known: it has zero bytes.",
                field="file",
                hint="CSV, CSV.gz, CSV.xz, zip, Parquet and feather are read; UTF-16 text has to be converted.",
            )

    def _check_line(self, data: bytes, line: int) -> None:
        if len(data) > LINE_BYTES_MAX:
            raise FeedLimit(f"Line {line} of {self.name} has over {LINE_BYTES_MAX} bytes.", field="file")

    def _broken(self, error: BaseException) -> Unreadable:
        what = str(error) or type(error).__name__
        hint = "The file is cut off or damaged; fetch it again." if self.container is not Container.TEXT else ""
        return Unreadable(f"{self.name} cannot be read as {self.container}: {what}.", field="file", hint=hint)


class GzipReader:
    """The bytes of a gzip file, several members behind each other too. The standard reader works in 8 KB steps."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._member = zlib.decompressobj(31)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end.

        Raises:
            EOFError: the file is cut off.
            zlib.error: it is damaged.
        """
        while True:
            if self._member.eof:
                self._rest = (self._member.unused_data or self._file.read(GZIP_BYTES)).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._member = zlib.decompressobj(31)
            packed = self._rest or self._file.read(GZIP_BYTES)
            if not packed:
                raise EOFError("it ends before its end marker")
            data = self._member.decompress(packed, size)
            self._rest = self._member.unconsumed_tail
            if data:
                return data

    def __enter__(self) -> GzipReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def container_of(path: Path) -> Container:
    """The container by the file's first bytes.

    Raises:
        Unreadable: no such file, no file, empty, or a container that is not read.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(8)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}.", field="file") from error
    if not magic:
        raise Unreadable(f"{path.name} is empty.", field="file")
    for start, what in _REFUSED:
        if magic.startswith(start):
            raise Unreadable(f"{path.name} is {what}.", field="file")
    return next((container for start, container in _MAGIC if magic.startswith(start)), Container.TEXT)


def _member(path: Path, wanted: str) -> str:
    """The one data file of a zip, or the one that was asked for."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
    except _BROKEN as error:
        raise Unreadable(f"{path.name} is a damaged zip: {error}.", field="file") from error
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if wanted:
        if wanted not in names:
            raise BadMapping(f"{path.name} has no member {wanted!r}.", field="member", hint=_named(names))
        return wanted
    if len(names) != 1:
        raise BadMapping(
            f"{path.name} holds {len(names)} files; name one with the option member.",
            field="member",
            hint=_named(names),
        )
    return names[0]


def _named(names: list[str]) -> str:
    more = " ..." if len(names) > MEMBERS_NAMED_MAX else ""
    return f"Members: {', '.join(names[:MEMBERS_NAMED_MAX])}{more}"
