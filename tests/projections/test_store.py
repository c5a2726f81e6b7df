"""The file of a process: its slot, its readers, its limits."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import duckdb
import pytest

from events.errors import InvalidInput, LimitReached, ReadModelUnavailable, Unknown
from events.tape import Message
from projections.batch import Checkpoint
from projections.duckdb.read_model import DuckReadModel
from projections.duckdb.reads import Reads
from projections.duckdb.slots import claim
from projections.duckdb.store import DuckSettings, DuckStore, Snapshot
from projections.read_models import equity, instruments, orders, positions, sessions
from projections.read_models.answers import PAGE_OFFSET_MAX, PAGE_ROWS_MAX, Page, Scope, bounded
from tests.conftest import ROOT
from tests.projections.applying import apply_all, built, messages_of, opened
from tests.projections.random_tapes import random_script

SLOW = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(100000) b"


def test_two_processes_take_two_slots(tmp_path: Path) -> None:
    """The lowest free file; a released one is taken again."""
    first, second = claim(tmp_path), claim(tmp_path)
    assert [first.path.name, second.path.name] == ["slot-0.duckdb", "slot-1.duckdb"]
    first.release()
    assert claim(tmp_path).number == 0


def test_slots_are_bounded(tmp_path: Path) -> None:
    """A process too many is refused with the setting's name."""
    held = [claim(tmp_path, 2), claim(tmp_path, 2)]
    with pytest.raises(LimitReached, match="slots_max"):
        claim(tmp_path, 2)
    assert len(held) == 2


def test_a_killed_process_leaves_its_slot(tmp_path: Path) -> None:
    """The lock ends with the process, however it ends."""
    code = f"from pathlib import Path; from projections.duckdb.slots import claim; claim(Path({str(tmp_path)!r}));"
    code += "print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert claim(tmp_path).number == 1
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert claim(tmp_path).number == 0


@pytest.fixture
async def model(tmp_path: Path) -> DuckReadModel:
    """A read model with something in it."""
    script = await random_script(8, 30)
    return built(tmp_path / "a.duckdb", await messages_of(script.tape, DuckReadModel.subjects))


async def test_an_answer_says_as_of_which_sequence_of_which_tape(model: DuckReadModel) -> None:
    """`Tape-Sequence` and `Tape-Epoch` come with every answer."""
    reads = Reads(model.store)
    now = await reads.run(sessions.sessions, None, page=Page(limit=1))
    assert (now.sequence, now.epoch, len(now.value.rows)) == (model.checkpoint().sequence, "epoch", 1)
    then = await reads.run(sessions.sessions, 0)
    assert (then.sequence, then.value.rows, then.value.total) == (0, [], 0)
    reads.close()
    model.close()


async def test_a_query_that_takes_too_long_is_ended(model: DuckReadModel) -> None:
    """It is interrupted, the asker gets an error, and the reader is free again."""
    store = model.store
    store.settings = DuckSettings(reader_seconds_max=0.3, readers_max=2)
    reads = Reads(store)
    with pytest.raises(ReadModelUnavailable, match="longer than"):
        await reads.run(lambda at: at.one(SLOW), None)
    async with asyncio.timeout(5):
        answer = await reads.run(lambda at: at.count("SELECT 7"), None)
    assert answer.value == 7
    reads.close()
    model.close()


async def test_waiting_queries_are_bounded(model: DuckReadModel) -> None:
    """One more than `readers_max + waiting_max` is refused at once."""
    model.store.settings = DuckSettings(readers_max=1, waiting_max=1, reader_seconds_max=5)
    reads = Reads(model.store)
    go = threading.Event()

    def wait(at: Snapshot) -> bool:
        return go.wait(5)

    running = [asyncio.create_task(reads.run(wait, None)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(ReadModelUnavailable) as error:
        await reads.run(wait, None)
    assert error.value.code == "TOO_MANY_QUERIES"
    go.set()
    assert [(await one).value for one in running] == [True, True]
    reads.close()
    model.close()


def test_readers_are_bounded(tmp_path: Path) -> None:
    """A reader too many waits for one to be free, and not for ever."""
    store = DuckStore(tmp_path / "a.duckdb", [], DuckSettings(readers_max=1, reader_seconds_max=0.05))
    store.open()
    with store.read(), pytest.raises(ReadModelUnavailable, match="busy"), store.read():
        pass
    with store.read() as snapshot:
        assert snapshot.sequence == 0
    with store.read(), pytest.raises(ReadModelUnavailable, match="does not end"):
        store.discard()
    store.close()
    with pytest.raises(ReadModelUnavailable), store.read():
        pass


def test_a_close_waits_for_a_write(tmp_path: Path) -> None:
    """What a thread is writing is committed whole; what comes behind it finds the file closed."""
    store, begun = DuckStore(tmp_path / "a.duckdb", []), threading.Event()
    store.open()

    def write() -> None:
        with store.transaction() as writer:
            begun.set()
            writer.execute("SELECT count(*) FROM range(30000000) a, range(10) b")  # no call of DuckDB is cut off
            store.move_checkpoint(writer, Checkpoint("epoch", 7), 0)

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        assert begun.wait(10)
        store.close()
        assert writing.exception(10) is None
        with pytest.raises(ReadModelUnavailable, match="closed"):
            threads.submit(write).result()
    with pytest.raises(ReadModelUnavailable, match="closed"):
        store.open()
    again = DuckStore(store.path, [])
    again.open()
    assert again.checkpoint == Checkpoint("epoch", 7)
    again.close()


def test_a_close_ends_what_is_read(tmp_path: Path) -> None:
    """A query of another thread is no reason to wait; one that cannot be ended is waited for, and not for ever."""
    store = DuckStore(tmp_path / "a.duckdb", [], DuckSettings(close_seconds_max=0.1, readers_max=2))
    store.open()
    begun, go = threading.Event(), threading.Event()

    def read(statement: str) -> None:
        with store.read() as snapshot:
            begun.set()
            snapshot.one(statement)
            go.wait(10)

    def write() -> None:
        with store.transaction():
            begun.set()
            go.wait(10)

    with ThreadPoolExecutor(1) as threads:
        for call in (partial(read, "SELECT 1"), write):
            begun.clear()
            going = threads.submit(call)
            assert begun.wait(10)
            with pytest.raises(ReadModelUnavailable, match="does not end"):
                store.close()
            go.set()
            going.result(10)
            go.clear()
        begun.clear()
        store.settings = DuckSettings(readers_max=2)
        going = threads.submit(read, SLOW)
        assert begun.wait(10)
        store.close()
        assert isinstance(going.exception(10), duckdb.InterruptException)


def test_times_and_places_are_whole(tmp_path: Path) -> None:
    """No table keeps them as a double, which has not all nanoseconds; counts neither."""
    whole = re.compile(r".*(_ns|ordinal|sequence\w*|_order|fills|trades|side)$")
    kept = {
        (table.name, name): kind
        for table in DuckReadModel(tmp_path / "a.duckdb").store.tables
        for name, kind in table.columns
        if whole.match(name)
    }
    assert kept["positions", "last_ns"] == "BIGINT"
    assert [key for key, kind in kept.items() if kind == "DOUBLE"] == []


def test_memory_is_bounded(tmp_path: Path) -> None:
    """The setting reaches DuckDB."""
    store = DuckStore(tmp_path / "a.duckdb", [], DuckSettings(memory_limit_mb=77, threads=1))
    store.open()
    with store.read() as snapshot:
        assert snapshot.one("SELECT current_setting('threads')") == (1,)
        (limit,) = snapshot.one("SELECT current_setting('memory_limit')") or ("",)
    assert limit == "73.4 MiB"
    store.close()


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": PAGE_ROWS_MAX + 1}, {"offset": -1}])
def test_pages_are_bounded(page: dict[str, int]) -> None:
    """A page over its maximum names the field."""
    with pytest.raises(InvalidInput) as error:
        Page(**page)
    assert error.value.field in page
    with pytest.raises(InvalidInput):
        Page(offset=PAGE_OFFSET_MAX + 1)


def test_exports_are_bounded() -> None:
    """A whole session over the limit is refused."""
    with pytest.raises(LimitReached, match="EXPORT_ROWS_MAX"):
        bounded(10**9, "fills")


async def test_pages_cover_a_list_once(model: DuckReadModel) -> None:
    """Following `next` gives every row once, forward and backward."""
    scope = Scope(include_research=True)
    with model.store.read() as snapshot:
        whole = orders.orders(snapshot, scope, Page(limit=PAGE_ROWS_MAX))
        assert whole.total == len(whole.rows) > 5
        assert whole.next is None
        for newest_first in (False, True):
            found, offset = [], 0
            while offset is not None:
                part = orders.orders(snapshot, scope, Page(limit=3, offset=offset, newest_first=newest_first))
                found += part.rows
                offset = part.next
            assert found == (whole.rows[::-1] if newest_first else whole.rows)
    model.close()


async def test_unknown_things_are_named(model: DuckReadModel) -> None:
    """Every query of one thing says which one there is not."""
    with model.store.read() as snapshot:
        for query in (
            lambda: sessions.session(snapshot, "nobody"),
            lambda: orders.orders(snapshot, Scope(session="nobody")),
            lambda: equity.equity(snapshot, "nobody"),
            lambda: orders.order_history(snapshot, "s0", 99_999),
        ):
            with pytest.raises(Unknown):
                query()
        with pytest.raises(Unknown):
            instruments.instrument(snapshot, 99)
        with pytest.raises(InvalidInput, match="must be one of"):
            orders.orders(snapshot, statuses=("lost",))
        with pytest.raises(InvalidInput):
            equity.equity_curve(snapshot, "s0", 0)
        assert positions.positions(snapshot, Scope(symbol="'; DROP TABLE sessions; --")).rows == []
    model.close()


_APPLY_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from projections.duckdb.read_model import DuckReadModel
from tests.projections.applying import apply_all, messages_of, opened
from tests.projections.random_tapes import random_script

async def main():
    script = await random_script(8, 200)
    messages = await messages_of(script.tape, DuckReadModel.subjects)
    model = opened(Path(sys.argv[1]))
    model.begin("epoch")
    for end in range(2, len(messages), 2):
        apply_all(model, messages[:end])
        print(end, flush=True)

asyncio.run(main())
"""


async def _messages(seed: int, steps: int) -> list[Message]:
    script = await random_script(seed, steps)
    return await messages_of(script.tape, DuckReadModel.subjects)


@pytest.mark.faults
def test_a_killed_process_has_whole_batches(tmp_path: Path) -> None:
    """Killed while it applies, the file opens at the last commit, and going on gives what an unharmed one has."""
    messages = asyncio.run(_messages(8, 200))
    path = tmp_path / "killed.duckdb"
    command = [sys.executable, "-c", _APPLY_FOR_EVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        confirmed = [int(child.stdout.readline()) for _ in range(12)][-1]
        child.kill()
        child.wait()
    model = opened(path)
    assert model.checkpoint().sequence >= messages[confirmed - 1].sequence
    apply_all(model, messages, [25])
    unharmed = built(tmp_path / "unharmed.duckdb", messages)
    assert model.store.content_hash() == unharmed.store.content_hash()
    model.close()
    unharmed.close()
