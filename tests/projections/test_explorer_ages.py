"""How old the explorer's answers are while the tape moves, by a clock that moves when it is told."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from events.clock import NS_PER_SECOND, ManualClock
from events.errors import ReadModelUnavailable
from projections.duckdb.store import DuckStore
from projections.explorer.copies import Copy, publish
from projections.explorer.explorer import Explorer, Found
from tests.projections.applying import opened

pytestmark = pytest.mark.asyncio

OLD_S = 10.0
WAITED_SECONDS = 30  # of the machine's time, where a test has failed


class Moving:
    """An explorer whose copies take `takes` seconds of a clock, over a tape that moves with the clock."""

    def __init__(self, store: DuckStore) -> None:
        self.clock = ManualClock()
        self.explorer = Explorer(store, self.clock)
        self.takes = 0.0
        self.made = 0
        self._store = store
        self._moved = threading.Condition()
        self._due_ns = 0
        self._waits = False  # a copy is as of its beginning, and not due yet
        self._since = {store.visible: 0}  # when the tape had a sequence

    def publish(self, store: DuckStore, path: Path, before: Copy | None = None) -> Copy:
        """A copy that is there `takes` seconds after it was begun; runs in a thread."""
        with self._moved:
            made = publish(store, path, before)
            self.made += 1
            self._due_ns = self.clock.monotonic_ns() + round(self.takes * NS_PER_SECOND)
            self._waits = True
            self._moved.wait_for(lambda: self.clock.monotonic_ns() >= self._due_ns, WAITED_SECONDS)
            self._waits = False
        return made

    async def _settled(self) -> None:
        """What is due has taken its place, and what was begun since is as of its beginning."""
        while (copying := self.explorer._copying) is not None:
            if self._waits and self._due_ns > self.clock.monotonic_ns():
                return
            await asyncio.wait([copying], timeout=0.01)

    async def move(self, seconds: float, *, tape: bool = True) -> None:
        """Let time go by, what is due take its place when it is, and the tape move before."""
        if tape:
            self._store.seen(self._store.visible + 1)
            self._since[self._store.visible] = self.clock.monotonic_ns()
        ends = self.clock.monotonic_ns() + round(seconds * NS_PER_SECOND)
        await self._settled()
        while (now := self.clock.monotonic_ns()) < ends:
            until = min(ends, self._due_ns) if self._waits else ends
            with self._moved:
                self.clock.advance((until - now) / NS_PER_SECOND)
                self._moved.notify_all()
            await self._settled()

    async def told(self) -> float:
        """The age that an answer says; never less than how long the tape has had more than it shows."""
        found: Found = await self.explorer.ask("SELECT 1")
        moved_on = self._since.get(found.sequence + 1)
        assert found.age_s >= (0 if moved_on is None else (self.clock.monotonic_ns() - moved_on) / NS_PER_SECOND)
        return found.age_s

    async def told_at_last(self) -> float:
        """The same, where a first copy is made and a child starts, on a busy machine."""
        async with asyncio.timeout(WAITED_SECONDS):
            while True:
                with contextlib.suppress(ReadModelUnavailable):
                    return await self.told()


@pytest_asyncio.fixture
async def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Moving]:
    """An explorer with a copy."""
    model = opened(tmp_path / "read-model.duckdb")
    model.begin("epoch")
    made = Moving(model.store)
    monkeypatch.setattr("projections.explorer.explorer.publish", made.publish)
    assert await made.told_at_last() == 0.0
    yield made
    made.takes = 0.0
    await made.move(10 * OLD_S)
    await made.explorer.close()
    model.close()


@pytest.mark.parametrize(("takes", "pause"), [(0.5, 1.0), (3.9, 3.0)])
async def test_no_answer_is_old_while_somebody_asks(moving: Moving, takes: float, pause: float) -> None:
    """Each is at most 10 s old, from when the making of its copy began, and none waits for a copy."""
    moving.takes = takes
    await moving.move(5.0)
    ages = [await moving.told()]
    await moving.move(takes)  # the first that takes so long is there
    for _ in range(10):
        await moving.move(pause)
        ages.append(await moving.told())
    assert max(ages) <= OLD_S
    assert moving.made <= 3 + 10 * pause / max(takes, 4.0 - pause), "no more than are needed"


async def test_an_answer_says_that_it_is_older_where_copies_take_long(moving: Moving) -> None:
    """Copies that take 12 s are made one behind the other, and every answer says how old it is."""
    moving.takes = 12.0
    ages = []
    for _ in range(10):
        await moving.move(5.0)
        with contextlib.suppress(ReadModelUnavailable):  # until the first of them is there
            ages.append(await moving.told())
    assert len(ages) >= 8
    assert OLD_S < max(ages) <= 2 * moving.takes


@pytest.mark.parametrize("takes", [0.5, 12.0])
async def test_after_a_rest_nothing_old_is_told(moving: Moving, takes: float) -> None:
    """The first answer after a rest is of a new copy, or there is none yet; the tape that stood still has no age."""
    moving.takes = takes
    for _ in range(3):
        await moving.move(takes / 2)
        with contextlib.suppress(ReadModelUnavailable):
            await moving.told()
    await moving.move(11.0)
    with pytest.raises(ReadModelUnavailable, match="being made"):
        await moving.told()
    moving.takes = 0.0
    await moving.move(60.0)
    assert await moving.told_at_last() == 0.0
    await moving.move(600.0, tape=False)
    assert await moving.told() == 0.0
