"""What led to a signal, over bars of two instruments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from api.reading.signals import Signal
from api.streams.signals import SignalWording
from engine import catalogue
from engine.loop.bars import ROWS_PER_BAR
from engine.sessions import cutting
from engine.sessions import runner as runners
from events import frames, subjects
from events.families import SessionFamily
from events.frames import Section
from events.rows import BAR_DTYPE, Rows, SectionKind
from events.tape import Append
from tests.api.recordings import LiveSource
from tests.api.worlds import World, until_state, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR_NS = 3_600 * 1_000_000_000
START_NS = 1_700_000_000_000_000_000 // HOUR_NS * HOUR_NS
SYMBOLS, BASES = ("AAAUSD", "BBBUSD"), (1.0, 100.0)
BARS = 300
EMA = {"strategy": "ema_cross", "params": {"fast": 3, "slow": 9}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine and nothing else."""
    async with world(tmp_path_factory.mktemp("causes"), engine=True) as found:
        yield found


def bars(numbers: list[int]) -> Rows:
    """Hourly bars of two instruments in turn, whose prices swing apart from each other."""
    at = np.arange(BARS)
    rows = np.zeros(2 * BARS, BAR_DTYPE)
    for place, (number, base) in enumerate(zip(numbers, BASES, strict=True)):
        part = rows[place::2]
        part["ts_event_ns"] = START_NS + at * HOUR_NS
        part["ts_received_ns"] = part["ts_event_ns"] + HOUR_NS
        part["open"] = base * (1 + 0.1 * np.sin(at / 7.0 + place))
        part["close"], part["high"], part["low"] = (part["open"] * by for by in (1.001, 1.002, 0.999))
        part["volume"], part["interval_ns"], part["instrument"] = 1e9, HOUR_NS, number
    return rows


async def test_a_signal_over_bars_names_a_bar_of_its_instrument(made: World) -> None:
    """Over bars of two symbols each signal's cause is the bar of its own symbol in which it was said."""
    source = LiveSource(made.tape, SYMBOLS, "two-bars")
    await source.open()
    known = await catalogue.load(made.tape)
    await made.caught_up()
    answer = await made.post("/api/sessions", {"mode": "paper", "source": "two-bars", "strategies": [EMA]})
    session = answer.json()["session"]
    await until_state(made, session, "running")
    rows = bars([known.find(symbol).number for symbol in SYMBOLS])
    for at in range(0, len(rows), 75):  # in the middle of an hour's pair, too
        body = frames.encode([Section(SectionKind.BAR, rows[at : at + 75])])
        await made.tape.append(Append(subjects.market("two-bars"), body, f"two-bars:{at}"))
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")
    await made.caught_up()
    found = (await made.get("/api/signals?limit=500")).json()["signals"]
    assert {one["symbol"] for one in found} == set(SYMBOLS)
    for one in found:
        cause = (await made.get(f"/api/signals/{one['id']}")).json()["cause"]
        assert (cause["kind"], cause["symbol"]) == ("bar", one["symbol"])
        message = await made.tape.get(cause["sequence"])
        assert message is not None
        bar = frames.decode(message.body)[0].rows[cause["index"]]
        assert one["meta"]["price"] in {bar["open"], bar["high"], bar["low"], bar["close"]}
        assert bar["low"] <= one["meta"]["price"] <= bar["high"]


@pytest.mark.parametrize("timeframe", ["1h", ""])
async def test_a_signal_over_bars_of_one_symbol_names_the_bar_it_was_said_in(
    made: World, timeframe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a long step is cut inside a bar: on bars of a timeframe the price is that of the signal."""
    monkeypatch.setattr(runners, "cut", partial(cutting.cut, bytes_max=600))
    monkeypatch.setattr(SessionFamily, "joins", lambda *_: False)
    name = f"one-{timeframe}-bars"
    source = LiveSource(made.tape, ("CCCUSD",), name)
    await source.open()
    number = (await catalogue.load(made.tape)).find("CCCUSD").number
    await made.caught_up()
    wish = {**EMA, "timeframe": timeframe} if timeframe else EMA
    answer = await made.post("/api/sessions", {"mode": "paper", "source": name, "strategies": [wish]})
    session = answer.json()["session"]
    await until_state(made, session, "running")
    rows = bars([number, number])[::2]
    for at in range(0, len(rows), 75):
        body = frames.encode([Section(SectionKind.BAR, rows[at : at + 75])])
        await made.tape.append(Append(subjects.market(name), body, f"{name}:{at}"))
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")
    await made.caught_up()
    found = (await made.get("/api/signals?limit=500&symbol=CCCUSD")).json()["signals"]
    found = [one for one in found if one["meta"]["session"] == session]
    assert len(found) > 10
    for one in found:
        cause = (await made.get(f"/api/signals/{one['id']}")).json()["cause"]
        message = await made.tape.get(cause["sequence"])
        assert message is not None
        bar = frames.decode(message.body)[0].rows[cause["index"]]
        assert (bar["ts_event_ns"] - START_NS) // HOUR_NS == one["meta"]["input"] // ROWS_PER_BAR
        assert not timeframe or cause["price"] == one["meta"]["price"]


async def test_sockets_and_routes_word_a_signal_alike(made: World) -> None:
    """What a socket is sent of a signal is what its route says, field by field."""
    wording, told = SignalWording(made.tape, made.house.lookups.registry.typical_strengths), []
    async for message in made.tape.read(1, subjects=("tape.session.*.decision", "tape.research.*.decision")):
        told += await wording.of(message)
    assert len(told) > 3
    for one in told[:: max(1, len(told) // 10)]:
        there = (await made.get(f"/api/signals/{one.id}")).json()
        assert msgspec.to_builtins(one) == {name: there[name] for name in Signal.__struct_fields__}
