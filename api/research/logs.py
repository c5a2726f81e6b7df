"""Contract 002: log files of this machine, lines of one by level and text, and lines as they are written."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import PathParameter, QueryParameter

from api.access import still_the_same
from api.house import House
from api.log_files import NAME_CHARACTERS_MAX, LogFile, LogLine, Wish
from api.platform.system import Token
from api.platform.task_events import sse
from api.reading.asking import TEXT_MAX
from api.reading.wording import instant_of
from api.research.envelope import DataPage, enveloped, pagination
from api.research.paging import PART, ROWS_MAX
from api.streams.hub import HEARTBEAT
from api.streams.response import EventStream
from projections.read_models.answers import PAGE_OFFSET_MAX, Page

LINES = 100

FileName = Annotated[str, PathParameter(description="name of a log file", max_length=NAME_CHARACTERS_MAX)]
Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None, QueryParameter(description="only of this level")
]


class FileItem(msgspec.Struct, frozen=True, rename="camel"):
    """A log file; `size` in bytes."""

    name: str
    size: int
    modified_at: str


class Files(msgspec.Struct, frozen=True):
    """Log files, the one written last first."""

    files: list[FileItem]


class Line(msgspec.Struct, frozen=True):
    """A line of a file, counted from 1. One that is no entry (a traceback) has the level ERROR."""

    number: int
    timestamp: str
    level: str
    logger: str
    message: str


class Lines(msgspec.Struct, frozen=True, rename="camel"):
    """Lines of a file; `totalLines` counts the whole file, `total` of the page those that match."""

    filename: str
    lines: list[Line]
    total_lines: int


@get("/api/v1/logs/files", dependencies=PART)
async def list_files(
    request: Request[Any, Any, Any], house: NamedDependency[House], part: NamedDependency[Page]
) -> Response[DataPage[Files]]:
    """Log files of the processes on this machine, the one written last first; `.log.1` is older than `.log`."""
    found = await house.log_folder.files()
    body = Files([_file(one) for one in found[part.offset : part.offset + part.limit]])
    return enveloped(request, body, sequence=None, of=pagination(part, len(found)))


def provide_wish(
    level: Level = None,
    search: Annotated[
        str | None, QueryParameter(description="only with this text, in either case", max_length=TEXT_MAX)
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=ROWS_MAX, description="lines of the page")] = LINES,
    offset: Annotated[int, QueryParameter(ge=0, le=PAGE_OFFSET_MAX, description="matching lines before it")] = 0,
) -> Wish:
    """The lines that are asked for."""
    return Wish(limit, offset, level, search)


@get("/api/v1/logs/files/{filename:str}", dependencies={"wish": Provide(provide_wish, sync_to_thread=False)})
async def lines_of_file(
    filename: FileName,
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    wish: NamedDependency[Wish],
) -> Response[DataPage[Lines]]:
    """Lines of a log file from its first on."""
    found = await house.log_folder.page(filename, wish)
    body = Lines(filename, [Line(*line) for line in found.lines], found.total)
    of = pagination(Page(limit=wish.limit, offset=wish.offset), found.matching)
    return enveloped(request, body, sequence=None, of=of)


@get("/api/v1/logs/stream", media_type="text/event-stream")
async def stream(request: Request[Any, Any, Any], house: NamedDependency[House], token: Token = None) -> EventStream:
    """Server-sent events `log`: every line that this machine's processes write from now on."""
    house.logs.check_room()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Tape-Epoch": house.reader.epoch}
    return EventStream(_events(house), headers, still_the_same(request, house))


async def _events(house: House) -> AsyncGenerator[bytes, None]:
    listener = house.logs.join()
    try:
        yield b": from here on\n\n"
        while not listener.over:
            line = await listener.next(house.settings.api.heartbeat_seconds)
            yield HEARTBEAT if line is None else sse("log", worded(line))
    finally:
        house.logs.leave(listener)


def worded(line: LogLine) -> dict[str, Any]:
    """A line as it is streamed."""
    return {"timestamp": line.timestamp, "level": line.level, "logger": line.logger, "message": line.message}


def _file(file: LogFile) -> FileItem:
    return FileItem(file.name, file.size, instant_of(file.modified_ns))


HANDLERS = [list_files, lines_of_file, stream]
