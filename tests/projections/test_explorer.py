"""The database explorer: what the views tell, what is refused, and what is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import msgspec
import psutil
import pytest
import pytest_asyncio

from events.clock import SystemClock
from events.errors import InvalidInput, ReadModelUnavailable, TooMany
from projections.duckdb.read_model import DuckReadModel
from projections.duckdb.store import DuckStore
from projections.explorer import copies
from projections.explorer.copies import Copy, publish
from projections.explorer.explorer import Explorer
from projections.explorer.settings import ExplorerSettings
from projections.explorer.views import VIEWS, table
from projections.read_models.answers import Page, Scope
from projections.read_models.fills import fills
from projections.read_models.sessions import SessionFilter, sessions
from tests.projections.applying import apply_all, messages_of, opened
from tests.projections.hostile_queries import BOMBS, HOSTILE
from tests.projections.random_tapes import random_script

IN_MODULE = pytest.mark.asyncio(loop_scope="module")
ANSWERED_SECONDS = 2.5


async def ready(explorer: Explorer) -> Explorer:
    """An explorer with a copy and a warm child; on a busy machine that takes longer than a query may."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(ReadModelUnavailable):
                await explorer.ask("SELECT 1")
                return explorer


@dataclass
class Asked:
    """An explorer over the read model of a tape."""

    model: DuckReadModel
    explorer: Explorer
    folder: Path

    async def rows(self, text: str) -> list[list[object]]:
        """Rows of a statement."""
        found = await self.explorer.ask(text)
        return [msgspec.json.decode(row) for row in found.rows]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    """A read model with sessions of every kind, and its explorer."""
    folder = tmp_path_factory.mktemp("explorer")
    script = await random_script(5, 120)
    model = opened(folder / "read-model.duckdb")
    model.begin((await script.tape.info()).epoch)
    apply_all(model, await messages_of(script.tape, model.subjects))
    (folder / "read-model.explorer-left.duckdb").touch()  # by a process that was killed
    explorer = await ready(Explorer(model.store, SystemClock()))
    yield Asked(model, explorer, folder)
    await explorer.close()
    model.close()
    assert [name for name in os.listdir(folder) if "explorer" in name] == []


@IN_MODULE
async def test_every_view_is_there(asked: Asked) -> None:
    """Each has its columns, and as many rows as it says; times are ISO 8601 in UTC."""
    for view in VIEWS:
        found = await asked.explorer.ask(f"SELECT * FROM {view.name}", admin=True)
        assert [one["name"] for one in found.columns] == [name for name, _ in view.columns]
        assert found.sequence == asked.model.store.visible
        if view.private:
            with pytest.raises(InvalidInput, match="There is no view"):
                await asked.explorer.ask(f"SELECT * FROM {view.name}")
    assert all(str(time).endswith("Z") for (time,) in await asked.rows("SELECT started FROM sessions"))


@IN_MODULE
async def test_the_views_tell_what_queries_tell(asked: Asked) -> None:
    """Fills and sessions are those that the routes list."""
    with asked.model.store.read() as snapshot:
        listed = fills(snapshot, Scope(include_research=True), Page(limit=1_000)).rows
        known = sessions(snapshot, SessionFilter(include_research=True), Page(limit=1_000)).rows
    assert listed
    text = "SELECT session, ordinal, side, price, code FROM fills ORDER BY sequence, ordinal"
    assert await asked.rows(text) == [[one.session, one.ordinal, one.side, one.price, one.code] for one in listed]
    text = "SELECT session, state, username FROM sessions ORDER BY sequence"
    assert await asked.rows(text) == [[one.session, one.state, one.user] for one in known]


@IN_MODULE
async def test_whatever_a_select_may_do_it_does(asked: Asked) -> None:
    """Joins, WITH, windows, subqueries and functions of values work."""
    for text in (
        "WITH a AS (SELECT session, count(*) AS n FROM fills GROUP BY ALL) FROM a JOIN sessions USING (session)",
        "FROM fills SELECT session, sum(quantity) OVER (PARTITION BY session ORDER BY ordinal)",
        "SELECT max(price), min(time), now(), 1::HUGEINT << 100, 'nan'::DOUBLE, [1], {'a': 1.5::DECIMAL} FROM fills;",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT * FROM r, range(3)",
        "SELECT * FROM (VALUES (1, DATE '2025-01-01', INTERVAL 3 DAY)) -- a remark",
    ):
        assert len((await asked.explorer.ask(text)).rows) > 0


@IN_MODULE
async def test_answers_are_bounded(asked: Asked) -> None:
    """An answer has a most of rows and of bytes, and says that there is more."""
    found = await asked.explorer.ask("SELECT * FROM range(1000000)")
    assert (len(found.rows), found.truncated) == (asked.explorer.settings.rows_max, True)
    found = await asked.explorer.ask("SELECT repeat('x', 100000) FROM range(100)")
    assert (len(found.rows), found.truncated) == (10, True)
    with pytest.raises(InvalidInput, match="text_max"):
        await asked.explorer.ask("SELECT 1 " + " " * 20_000)


@IN_MODULE
async def test_hostile_statements_find_nothing(asked: Asked) -> None:
    """Each is refused in time; nothing is changed, nothing outside the views is told."""
    assert len(set(HOSTILE)) >= 116
    before = await asked.explorer.ask("SELECT count(*) FROM fills")
    there = {path.name for path in asked.folder.iterdir()}
    for text in HOSTILE:
        began = time.perf_counter()
        with pytest.raises(InvalidInput) as refused:
            await asked.explorer.ask(text)
        assert time.perf_counter() - began < ANSWERED_SECONDS, text[:80]
        assert str(asked.folder) not in str(refused.value)
        assert "root:" not in str(refused.value)
    assert await asked.explorer.ask("SELECT count(*) FROM fills") == before
    assert {path.name for path in asked.folder.iterdir()} == there


@IN_MODULE
async def test_only_so_many_wait(asked: Asked) -> None:
    """Above the limits a query is told to come again, soon."""
    explorer = Explorer(asked.model.store, SystemClock(), ExplorerSettings(children_max=1, waiting_max=2))
    try:
        await ready(explorer)
        long = asyncio.create_task(explorer.ask(BOMBS[1]))
        waits = asyncio.create_task(explorer.ask("SELECT 1"))
        await asyncio.sleep(0.1)
        with pytest.raises(TooMany, match="waiting_max"):
            await explorer.ask("SELECT 1")
        found = await asyncio.gather(long, waits, return_exceptions=True)
        assert isinstance(found[0], InvalidInput)
        assert isinstance(found[1], TooMany | ReadModelUnavailable), "told to come again"
    finally:
        await explorer.close()


@IN_MODULE
async def test_a_copy_is_made_anew(asked: Asked, tmp_path: Path) -> None:
    """What is applied is seen at once by whoever names its sequence."""
    script = await random_script(3, 40)
    model = opened(tmp_path / "growing.duckdb")
    model.begin((await script.tape.info()).epoch)
    messages = await messages_of(script.tape, model.subjects)
    half = len(messages) // 2
    apply_all(model, messages[:half])
    explorer = Explorer(model.store, SystemClock())
    try:
        first = await (await ready(explorer)).ask("SELECT 1")
        apply_all(model, messages[half:])
        assert model.store.visible > first.sequence
        later = await _at_least(explorer, model.store.visible)
        assert later == model.store.visible
    finally:
        await explorer.close()
        model.close()
    with pytest.raises(ReadModelUnavailable):
        await Explorer(model.store, SystemClock()).ask("SELECT 1")


def _rows_of(copy: Copy) -> dict[str, list[tuple]]:
    with duckdb.connect(str(copy.path), read_only=True) as connection:
        return {view.name: sorted(connection.execute(f"FROM {view.name}").fetchall(), key=str) for view in VIEWS}


@IN_MODULE
async def test_a_copy_from_the_one_before_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the tape moved on between copies, each has the rows that a whole one has; the oldest go."""
    script = await random_script(7, 120)
    model = opened(tmp_path / "growing.duckdb")
    model.begin((await script.tape.info()).epoch)
    messages = await messages_of(script.tape, model.subjects)
    copy: Copy | None = None
    for number, at in enumerate(range(0, len(messages), 1 + len(messages) // 6)):
        apply_all(model, messages[at : at + 1 + len(messages) // 6])
        copy = publish(model.store, tmp_path / f"part-{number}", copy)
        whole = publish(model.store, tmp_path / f"whole-{number}")
        assert (copy.sequence, _rows_of(copy)) == (whole.sequence, _rows_of(whole))
    fills = _rows_of(whole)["fills"]
    assert len(fills) > 10
    assert any(row for row in _rows_of(whole)["orders"])
    monkeypatch.setattr(copies, "ROWS_MAX", 5)
    monkeypatch.setattr(copies, "ROWS_SLACK", 0)
    kept = _rows_of(publish(model.store, tmp_path / "kept", copy))["fills"]
    assert 5 <= len(kept) < len(fills)
    assert set(kept) <= set(fills)
    (tmp_path / "damaged").write_bytes(b"no database")
    damaged = msgspec.structs.replace(whole, path=tmp_path / "damaged")
    monkeypatch.undo()
    assert _rows_of(publish(model.store, tmp_path / "again", damaged)) == _rows_of(whole)
    model.close()


@IN_MODULE
async def test_a_close_leaves_no_process(asked: Asked) -> None:
    """A query that runs is answered first; then its child is ended, and nobody is answered any more."""
    explorer = await ready(Explorer(asked.model.store, SystemClock()))
    before = _children()
    asking = asyncio.create_task(explorer.ask("SELECT count(*) FROM range(20000000)"))
    await asyncio.sleep(0)
    await explorer.close()
    assert [msgspec.json.decode(row) for row in (await asking).rows] == [[20_000_000]]
    assert _children() < before
    with pytest.raises(ReadModelUnavailable, match="closed"):
        await explorer.ask("SELECT 1")


def _children() -> set[int]:
    """Pids of the processes that answer queries."""
    found = psutil.Process().children()
    return {one.pid for one in found if one.is_running() and any(word.endswith("child.py") for word in one.cmdline())}


@IN_MODULE
async def test_a_copy_goes_on_behind_one_that_was_cut_off(asked: Asked, tmp_path: Path) -> None:
    """What is left attached of it keeps no later copy from being made."""
    with asked.model.store.read() as snapshot:
        snapshot.rows(f"ATTACH '{tmp_path / 'cut-off'}' AS explorer_copy")
        snapshot.rows(f"ATTACH '{tmp_path / 'cut-off-too'}' AS copy_of_read_model")
    assert publish(asked.model.store, tmp_path / "copy").sequence == asked.model.store.visible
    assert asked.model.store.copy_to(tmp_path / "whole") == asked.model.checkpoint()


@IN_MODULE
async def test_a_first_copy_that_takes_long_is_not_waited_for(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its text refuses is refused at once; a query is told in time to come again, and then it is answered."""
    slow = threading.Event()

    def slowly(store: DuckStore, path: Path, before: Copy | None = None) -> Copy:
        slow.wait(60)
        return publish(store, path, before)

    monkeypatch.setattr("projections.explorer.explorer.publish", slowly)
    explorer = Explorer(asked.model.store, SystemClock())
    try:
        with contextlib.suppress(ReadModelUnavailable):  # the checking child starts
            await explorer.ask("SELECT 1")
        for text in (HOSTILE[0], HOSTILE[-1], "SELECT 1; SELECT 2", "SELECT FROM WHERE", "FROM jobs"):
            began = time.perf_counter()
            with pytest.raises(InvalidInput):
                await explorer.ask(text)
            assert time.perf_counter() - began < 1.0, text[:80]
        began = time.perf_counter()
        with pytest.raises(ReadModelUnavailable, match="being made"):
            await explorer.ask(BOMBS[0])
        assert time.perf_counter() - began < ANSWERED_SECONDS
        asked.model.store.seen(asked.model.store.visible + 1)
        slow.set()
        await ready(explorer)
    finally:
        slow.set()
        await explorer.close()


async def _at_least(explorer: Explorer, sequence: int) -> int:
    """The sequence of an answer that shows at least another; a copy may take longer than a query may."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(ReadModelUnavailable):
                return (await explorer.ask("SELECT 1", least=sequence)).sequence


def test_the_page_has_the_views() -> None:
    """`docs/read-models.md` names each view with its columns as they are."""
    page = Path(__file__).parents[2] / "docs" / "read-models.md"
    assert table() in page.read_text(encoding="utf-8"), "put the output of `python -m projections.explorer.views` there"
