"""Imports onto a tape: once, whole, resumable; and recorded markets onto a real one, with the counts of their files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from engine.feeds.file_feed import FileFeed
from engine.recordings import shelf
from engine.recordings.importing import Importer
from engine.recordings.reading import RecordingReader, Window
from engine.recordings.shelf import RecordingState
from engine.sources.run import settle
from events import codec, frames, subjects
from events.clock import SystemClock
from events.errors import Conflict, FenceLost, OutcomeUnknown
from events.facts import RecordingProgressed
from events.jetstream.tape import JetStreamTape
from events.memory_tape import MemoryTape
from events.tape import Limits, Tape
from tests.engine.recordings.test_recorder import Untold
from tests.engine.sessions.memory_house import ArrayFeed, until, walk
from tests.fixtures.nats import admin_link, nats_server, real_tape  # noqa: F401

CONTENT = "ab" * 16
ROWS = 9_000
SMALL = Limits(frame_bytes_max=48 * 97)
# file, rows that INDEX.md counts; None: what its survey counts
MARKETS: tuple[tuple[str, int | None], ...] = (
    ("spy_trade_ticks/20131007_trade.zip", 250_601),
    ("es_futures_ticks/tick_data.csv.gz", None),
    ("binance_raw_ws/spot_btcusdt_20240808.gz", None),
    ("l2_l3_books/bitstamp_l3_orders_20150501.csv.xz", None),
)


async def rows_on(tape: Tape, source: str) -> np.ndarray:
    """Every row of a source, as it stands on the tape, with ordinals that follow each other."""
    parts = []
    async for message in tape.read(1, subjects=(subjects.market(source),)):
        for section in frames.decode(message.body, message.sequence):
            assert section.ordinal == sum(len(part) for part in parts)
            parts.append(section.rows)
    return np.concatenate(parts)


async def test_importing_again_appends_nothing() -> None:
    """The same content is the same recording, whoever imports it and however often."""
    tape = MemoryTape(limits=SMALL)
    first = await Importer(tape, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "once")  # type: ignore[arg-type]
    last = (await tape.info()).last
    again = await Importer(tape, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "twice")  # type: ignore[arg-type]
    assert (first.appended, again.appended, again.rows) == (ROWS, 0, ROWS)
    assert again.recording.id == first.recording.id
    assert (await tape.info()).last == last


async def test_an_import_tells_its_rows_while_it_runs() -> None:
    """As many as are on the tape, ever more of them; at its own pace none of so short a one are."""
    tape, quick = MemoryTape(limits=SMALL), MemoryTape(limits=SMALL)
    await Importer(tape, SystemClock(), progress_seconds=0.0).run(ArrayFeed(walk(ROWS)), CONTENT, "told")  # type: ignore[arg-type]
    await Importer(quick, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "quick")  # type: ignore[arg-type]
    wanted = (subjects.RECORDING_PROGRESS,)
    told = [codec.decode(one.body, one.sequence) async for one in tape.read(1, subjects=wanted)]
    rows = [one.rows for one in told if isinstance(one, RecordingProgressed)]
    assert rows == sorted(set(rows))
    assert len(rows) > 1
    assert rows[-1] == ROWS
    assert [one async for one in quick.read(1, subjects=wanted)] == []


async def test_an_import_goes_on_where_its_progress_cannot_be_told() -> None:
    """What tells how far it is may be lost on the way: the rows are on the tape, and the import ends with all."""
    tape = Untold(OutcomeUnknown("sent, and nothing came back"))
    done = await Importer(tape, SystemClock(), progress_seconds=0.0).run(ArrayFeed(walk(ROWS)), CONTENT, "untold")  # type: ignore[arg-type]
    assert tape.tries > 1
    assert (done.rows, done.recording.state) == (ROWS, RecordingState.COMPLETE)


@pytest.mark.parametrize("seed", range(8))
async def test_a_killed_import_is_resumed(seed: int) -> None:
    """Killed anywhere, and again, an import goes on behind its last frame: every row once, in order."""
    tape, chance = MemoryTape(limits=SMALL), np.random.Generator(np.random.Philox(seed))
    for _ in range(3):
        work = asyncio.create_task(
            Importer(tape, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "killed")  # type: ignore[arg-type]
        )
        await asyncio.sleep(float(chance.random()) * 0.02)
        work.cancel()
        await asyncio.wait([work])
    done = await Importer(tape, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "resumed")  # type: ignore[arg-type]
    found = await rows_on(tape, done.recording.opened.source)
    assert found["price"].tobytes() == walk(ROWS)["price"].tobytes()
    assert done.rows == ROWS
    known = await shelf.load(tape)
    assert [one.state for one in known.recordings.values()] == [RecordingState.COMPLETE]


async def test_two_imports_of_one_content_at_once() -> None:
    """Of two processes that import the same file one is refused, or finds it done; the rows stand there once."""
    tape = MemoryTape(limits=SMALL)
    imports = [
        Importer(tape.share(), SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "both")  # type: ignore[arg-type]
        for _ in range(2)
    ]
    ended = await asyncio.gather(*imports, return_exceptions=True)
    assert all(not isinstance(one, BaseException) or isinstance(one, FenceLost | Conflict) for one in ended), ended
    done = await Importer(tape, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "after")  # type: ignore[arg-type]
    assert len(await rows_on(tape, done.recording.opened.source)) == ROWS


async def test_other_rows_under_one_content_are_refused() -> None:
    """A feed that gives fewer rows than stand on the tape already does not complete their recording."""
    tape = MemoryTape(limits=SMALL)

    class Broken(ArrayFeed):
        def chunks(self, number):  # type: ignore[no-untyped-def]
            yield next(iter(super().chunks(number)))
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await Importer(tape, SystemClock()).run(Broken(walk(ROWS)), CONTENT, "broken")  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="holds other rows"):
        await Importer(tape, SystemClock()).run(ArrayFeed(walk(500)), CONTENT, "short")  # type: ignore[arg-type]


async def test_an_import_is_not_settled_as_a_source() -> None:
    """What ends the recordings of killed sources leaves a killed import to be resumed."""
    tape = MemoryTape(limits=SMALL)
    work = asyncio.create_task(
        Importer(tape, SystemClock()).run(ArrayFeed(walk(ROWS)), CONTENT, "killed")  # type: ignore[arg-type]
    )

    async def opened() -> bool:
        return bool((await shelf.load(tape)).recordings)

    await until(opened)
    work.cancel()
    await asyncio.wait([work])
    (recording,) = (await shelf.load(tape)).recordings.values()
    assert await settle(tape, SystemClock(), recording.opened.source) == []


@pytest.mark.parametrize(("name", "counted"), MARKETS)
async def test_recorded_markets_on_a_real_tape(
    name: str,
    counted: int | None,
    shared_data: Path,
    real_tape: JetStreamTape,  # noqa: F811
) -> None:
    """A recorded file stands on the tape of a real server row by row, and importing it again changes nothing."""
    feed = FileFeed(shared_data / name)
    told = feed.survey()
    assert told.rows == (counted or told.rows)
    importer = Importer(real_tape, SystemClock())
    done = await importer.run(feed, feed.import_id(), name)
    last = (await real_tape.info()).last
    again = await importer.run(FileFeed(shared_data / name), feed.import_id(), name)
    assert (done.rows, done.appended, again.appended) == (told.rows, told.rows, 0)
    assert (await real_tape.info()).last == last
    whole = done.recording.whole()
    window = Window(done.recording.opened.source, whole.first, whole.last)
    read = [one.rows async for one in RecordingReader(real_tape).read(window)]
    expected = np.concatenate(list(feed.chunks(lambda form: told.instruments.index(form) + 1)))
    assert np.concatenate(read).tobytes() == expected.tobytes()
