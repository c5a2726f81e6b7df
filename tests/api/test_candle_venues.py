"""Several venues of one symbol: a chart that asks again and again has one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from api.services.candle_venues import ranked
from engine.recordings.importing import Importer
from events.clock import SystemClock
from events.rows import MARKET_DTYPE, MarketKind, Rows
from projections.market_store import Interval
from projections.read_models.recordings import RecordingRow
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.test_two_venues import DAY_NS, WEEKS, VenueFeed, hourly_bars
from tests.api.worlds import World, world

MINUTE_NS = Interval.M1.ns
START_NS = 28_333_333 * MINUTE_NS
FIRST, SECOND = 1, 2


def trades(minutes: range, number: int, second: int = 0) -> Rows:
    """One trade a minute."""
    rows = np.zeros(len(minutes), MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = START_NS + np.array(minutes) * MINUTE_NS + second * 1_000_000_000
    rows["instrument"], rows["kind"], rows["price"], rows["quantity"] = number, MarketKind.TRADE, 100.0 * number, 1.0
    return rows


async def polled(made: World) -> set[str]:
    """Whose candles the newest, and those since the newest minute, are."""
    await made.caught_up()
    path = "/api/market/data?symbol=BTC_USDT&timeframe=1m"
    return {(await made.get(f"{path}{since}")).headers["Tape-Instrument"] for since in ("", "&start=2023-11-14")}


async def test_a_chart_that_polls_is_of_one_venue(tmp_path: Path) -> None:
    """Whoever traded last and has begun the newest candle, from the first one on."""
    async with world(tmp_path) as made:
        of = {}
        for number, venue in ((FIRST, "zeta"), (SECOND, "alpha")):
            of[number] = LiveSource(made.tape, ("BTC_USDT",), name=venue, venue=venue)
            await of[number].open()
            await of[number].give(trades(range(1), number, second=number))
        seen = set()
        for minute in range(1, 5):
            order = (FIRST, SECOND) if minute % 2 else (SECOND, FIRST)
            for at, number in enumerate(order):
                await of[number].give(trades(range(minute, minute + 1), number, second=10 * at))
                seen |= await polled(made)
        assert seen == {"BTC_USDT@zeta"}


async def test_a_chart_without_a_start_is_of_the_live_venue(tmp_path: Path) -> None:
    """A long history of another venue is there for the times of which the live one has nothing."""
    async with world(tmp_path) as made:
        await simulated_recording(made.tape)
        live = LiveSource(made.tape, ("BTC_USDT",), name="zeta", venue="zeta")
        await live.open()
        await live.give(trades(range(30, 32), 3))
        await made.caught_up()
        path = "/api/market/data?symbol=BTC_USDT&timeframe=1m"
        newest = await made.get(path)
        assert (newest.headers["Tape-Instrument"], len(newest.json())) == ("BTC_USDT@zeta", 2)
        past = await made.get(f"{path}&end=2023-11-14T22:40:00Z")
        assert past.headers["Tape-Instrument"] == "BTC_USDT@SIM"


async def test_what_is_live_is_shown_before_a_longer_history(tmp_path: Path) -> None:
    """The newest candles are of the source that runs, older ones of the import; an answer is of one venue."""
    async with world(tmp_path) as made:
        await Importer(made.tape, SystemClock()).run(VenueFeed("MT5", hourly_bars()), "1" * 32, "three weeks", "file")
        await made.caught_up()
        path, before = "/api/market/data?symbol=EURUSD&timeframe=1h", await made.last()
        assert (await made.get(path)).headers["Tape-Instrument"] == "EURUSD@MT5"
        source = LiveSource(made.tape, ("EURUSD",))
        await source.open()
        await source.give(trades(range(3), SECOND))
        await made.caught_up()
        for span, venue, count in (
            ("", "SIM", 1),
            ("&start=2023-10-20", "SIM", 1),  # a page over the end of one and the beginning of the other
            ("&start=2023-10-10&end=2023-10-12", "MT5", 48),
            (f"&as_of={before}", "MT5", WEEKS * 5 * 24),
        ):
            answer = await made.get(path + span)
            assert (answer.headers["Tape-Instrument"], len(answer.json())) == (f"EURUSD@{venue}", count), span


def recorded(number: int, days: range, rows: int, **changes: object) -> RecordingRow:
    """A complete recording of one instrument."""
    names = RecordingRow.__struct_fields__
    values: dict[str, Any] = dict.fromkeys(names, "") | dict.fromkeys((n for n in names if n.endswith("_ns")), 0)
    values |= {"instruments": [number], "state": "complete", "rows": rows}
    values |= {"first_event_ns": days.start * DAY_NS, "last_event_ns": days.stop * DAY_NS}
    return RecordingRow(**(values | changes))


DAILY, MINUTES = recorded(FIRST, range(3_650), 3_650), recorded(SECOND, range(3_000, 3_100), 144_000)
OPEN = recorded(SECOND, range(0), 0, state="open")


@pytest.mark.parametrize(
    ("first", "second", "interval", "wanted"),
    [
        ([MINUTES], [MINUTES], Interval.M1, FIRST),
        ([DAILY], [MINUTES], Interval.D1, FIRST),
        ([DAILY], [MINUTES], Interval.M1, SECOND),  # ten years of days have fewer minutes than a hundred days
        ([MINUTES] * 3, [recorded(SECOND, range(200), 288_000)], Interval.M1, SECOND),  # three times the same
        ([MINUTES], [OPEN], Interval.M1, SECOND),
        ([MINUTES], [msgspec.structs.replace(OPEN, content_id="an import")], Interval.M1, FIRST),
        ([], [DAILY], Interval.M1, SECOND),
    ],
)
def test_recordings_say_whose_candles_are_shown(
    first: list[RecordingRow], second: list[RecordingRow], interval: Interval, wanted: int
) -> None:
    """A source that runs is first, then the longest span that can have candles, then who was registered first."""
    assert ranked({SECOND: second, FIRST: first}, interval)[0] == wanted
