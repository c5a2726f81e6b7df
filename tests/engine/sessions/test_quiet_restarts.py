"""A restart while nothing comes: what was read is read again at once, the next row comes when it was due before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.sessions.pace import Pace
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from events.clock import SystemClock
from events.facts import CancelOrder, CommandAccepted, SessionSpec
from events.rows import Rows
from tests.engine.sessions.memory_house import MemoryHouse, until, walk

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
READ, YEARS = 600, 10
SECOND_NS = 1_000_000_000
YEAR_NS = 365 * 86_400 * SECOND_NS
NO_SNAPSHOT = RunnerSettings(leave_seconds_max=0)


def rows() -> Rows:
    """A minute of trades, then one a year: a paced session stands still."""
    made = walk(READ + YEARS, instruments=1)
    for name in ("ts_event_ns", "ts_received_ns"):
        made[name][READ:] += YEAR_NS * np.arange(1, YEARS + 1)
    return made


async def quiet_session(house: MemoryHouse) -> SessionSpec:
    """A paced paper session."""
    imported = await house.record(rows())
    wish = SessionWish(mode="paper", recording=imported.recording.id, strategies=EMA, acceleration=100.0)
    return await house.start_session(wish)


async def cancelled(house: MemoryHouse, session: str, key: str) -> int:
    """Before which input a command was answered that changes nothing."""
    answer = await house.send(CancelOrder(key=key, user="ann", session=session, order=0))
    assert isinstance(answer, CommandAccepted)
    assert answer.effective_input is not None
    return answer.effective_input


async def stood_still(house: MemoryHouse, session: str) -> None:
    """Wait until the session has read the minute."""
    looks = iter(range(10_000))

    async def there() -> bool:
        return await cancelled(house, session, f"look-{next(looks)}") == READ

    await until(there)


async def test_a_command_is_answered_after_a_restart_without_another_row(tmp_path: Path) -> None:
    """In a quiet market a restarted session answers commands, though one of before acted behind its last row."""
    house = MemoryHouse(tmp_path)
    await house.start()
    async with house.host("first", NO_SNAPSHOT):
        spec = await quiet_session(house)
        await stood_still(house, spec.session)
    async with house.host("second", NO_SNAPSHOT):
        assert await cancelled(house, spec.session, "again") == READ
    async with house.host("third"):
        assert await cancelled(house, spec.session, "with-a-snapshot-behind") == READ
    async with house.host("fourth"):
        assert await cancelled(house, spec.session, "from-the-snapshot") == READ


async def test_rows_of_an_earlier_run_are_read_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catching up does not wait for the pace of the market: rows decided before are not paced a second time."""
    waited: list[int] = []
    wait = Pace.wait

    async def noted(pace: Pace, next_ns: int) -> None:
        waited.append(next_ns)
        await wait(pace, next_ns)

    house = MemoryHouse(tmp_path)
    await house.start()
    async with house.host("first", NO_SNAPSHOT):
        spec = await quiet_session(house)
        await stood_still(house, spec.session)
    monkeypatch.setattr(Pace, "wait", noted)
    async with house.host("second", NO_SNAPSHOT):
        await cancelled(house, spec.session, "again")
    assert waited
    assert min(waited) > rows()["ts_event_ns"][READ - 1]


class Stopwatch(SystemClock):
    """A clock that is put on by hand."""

    gone_ns = 0

    def monotonic_ns(self) -> int:
        return self.gone_ns

    def now_ns(self) -> int:
        return YEAR_NS + self.gone_ns


@pytest.mark.parametrize(("away_seconds", "waits_seconds"), [(0, 30), (20, 10), (500, 0)])
def test_the_first_row_keeps_its_distance(away_seconds: int, waits_seconds: int) -> None:
    """A row a minute behind the last comes half a minute later at twice the pace; a long pause is not made up for."""
    clock = Stopwatch()
    before = Pace(clock, 2.0)
    before.gave(0)
    clock.gone_ns += away_seconds * SECOND_NS
    pace, times = Pace(clock, 2.0), np.array([60, 62, 70], np.int64) * SECOND_NS
    pace.last = before.last
    for seconds, due in ((waits_seconds, 1), (1, 2), (3, 2), (1, 3)):
        if seconds:
            clock.gone_ns += seconds * SECOND_NS - 1
            assert pace.due(times) == due - (seconds != 3)
            clock.gone_ns += 1
        assert pace.due(times) == due
