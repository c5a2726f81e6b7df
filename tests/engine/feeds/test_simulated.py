"""The simulated market: the same bytes from one recipe, in bulk or sliced, in this process or another; its pumps."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feeds.errors import BadMapping
from engine.feeds.feed import in_order
from engine.feeds.hashing import ContentHash, content_hash
from engine.feeds.simulated import (
    DURATION_S_MAX,
    NS,
    SimulatedFeed,
    SimulatedInstrument,
    SimulatedMarket,
    SimulatedPump,
    checked,
    six_hours,
)
from engine.feeds.simulated_path import STATES_APART
from engine.loop.rounding import in_steps
from events.rows import MarketKind, Rows, Side

ROOT = Path(__file__).resolve().parents[3]

SMALL = SimulatedMarket(
    seed=11,
    duration_s=1_500,
    quotes=True,
    instruments=(
        SimulatedInstrument(symbol="AAAUSDT", price=10.0, trades_per_second=5.0),
        SimulatedInstrument(symbol="BBBUSDT", price=0.5, price_step=0.0001, trades_per_second=3.0),
    ),
    pumps=(SimulatedPump(symbol="BBBUSDT", start_s=700.0, magnitude_ratio=0.5, rise_s=60.0, dump_s=300.0),),
)
GOLDEN = "35c72c0599859ffa2d51cb1a267200062cb76f9e5976cfbcce07ff92d747a2e1"


def rows_of(market: SimulatedMarket) -> Rows:
    """All rows, instruments numbered from 1."""
    return np.concatenate(list(SimulatedFeed(market).chunks(in_order())))


def test_recipe_gives_these_very_bytes() -> None:
    """The rows of a recipe never change; a new way of making them would need a new recipe."""
    assert content_hash(SimulatedFeed(SMALL).chunks(in_order())) == GOLDEN


def test_another_process_makes_the_same_bytes() -> None:
    """A fresh process with another hash seed makes the same rows from the recipe as JSON."""
    program = (
        "import sys, msgspec\n"
        "from engine.feeds.simulated import SimulatedFeed, SimulatedMarket\n"
        "from engine.feeds.feed import in_order\n"
        "from engine.feeds.hashing import content_hash\n"
        "market = msgspec.json.decode(sys.argv[1], type=SimulatedMarket)\n"
        "print(content_hash(SimulatedFeed(market).chunks(in_order())))\n"
    )
    recipe = msgspec.json.encode(SMALL).decode()
    answer = subprocess.run(
        [sys.executable, "-c", program, recipe],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )
    assert answer.stdout.strip() == content_hash(SimulatedFeed(SMALL).chunks(in_order()))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, SMALL.duration_s * NS), max_size=12))
def test_any_slicing_gives_the_same_rows(borders: list[int]) -> None:
    """Cut in time anywhere, the slices behind each other are the bulk."""
    feed = SimulatedFeed(SMALL)
    whole = ContentHash()
    moments = [SMALL.start_ns, *(SMALL.start_ns + border for border in sorted(borders)), SMALL.end_ns + NS]
    for first, end in pairwise(moments):
        rows = feed.rows_between(first, end, in_order())
        assert ((rows["ts_event_ns"] >= first) & (rows["ts_event_ns"] < end)).all()
        whole.add(rows)
    assert whole.hexdigest() == content_hash(SimulatedFeed(SMALL).chunks(in_order()))


def test_slices_may_be_asked_for_in_any_order() -> None:
    """The last minute first, then the first one: the same rows."""
    feed = SimulatedFeed(SMALL)
    last = feed.rows_between(SMALL.end_ns - 60 * NS, SMALL.end_ns, in_order()).tobytes()
    first = feed.rows_between(0, SMALL.start_ns + 60 * NS, in_order()).tobytes()
    bulk = rows_of(SMALL).tobytes()
    assert bulk.startswith(first)
    assert bulk.endswith(last)
    assert first
    assert last
    assert len(feed.rows_between(SMALL.end_ns, SMALL.end_ns + NS, in_order())) == 0


def test_a_market_goes_on_behind_a_month() -> None:
    """A market of a hundred years has rows in its second month, the same in any order of asking, and stays small."""
    day_ns = 86_400 * NS
    market = msgspec.structs.replace(
        SMALL, start_ns=0, duration_s=DURATION_S_MAX, pumps=(), instruments=SMALL.instruments[:1]
    )
    feed = SimulatedFeed(market)
    late = feed.rows_between(32 * day_ns, 32 * day_ns + 700 * NS, in_order()).tobytes()
    early = feed.rows_between(day_ns, day_ns + 700 * NS, in_order()).tobytes()
    assert late != early
    assert feed.rows_between(32 * day_ns, 32 * day_ns + 700 * NS, in_order()).tobytes() == late
    assert SimulatedFeed(market).rows_between(day_ns, day_ns + 700 * NS, in_order()).tobytes() == early
    assert len(feed._paths._kept) <= 33 * 86_400 // (market.block_s * STATES_APART) + 1


def test_rows_are_a_market() -> None:
    """In order, on their grids, received after the event, ids without a gap, trades at the quotes before them."""
    rows = rows_of(SMALL)
    assert (np.diff(rows["ts_event_ns"]) >= 0).all()
    assert (rows["ts_received_ns"] - rows["ts_event_ns"] == 1_000_000).all()
    assert (rows["ts_event_ns"] >= SMALL.start_ns).all()
    assert (rows["ts_event_ns"] < SMALL.end_ns).all()
    for number, one in enumerate(SMALL.instruments, start=1):
        mine = rows[rows["instrument"] == number]
        trades = mine[mine["kind"] == MarketKind.TRADE]
        assert trades["id"].tolist() == list(range(1, len(trades) + 1))
        for values, step in ((mine["price"], one.price_step), (mine["quantity"], one.quantity_step)):
            assert np.abs(values / step - np.rint(values / step)).max() < 1e-6
            assert values.min() > 0
        bid = ask = 0.0
        for row in mine:
            if row["kind"] == MarketKind.BID:
                bid = row["price"]
            elif row["kind"] == MarketKind.ASK:
                ask = row["price"]
                assert bid < ask
            else:
                assert row["price"] == (ask if row["side"] == Side.BUY else bid)


def test_trades_come_as_often_as_the_recipe_says() -> None:
    """Over an hour without pumps the rate is near the recipe's, and some trades share their millisecond."""
    market = msgspec.structs.replace(SMALL, duration_s=7_200, quotes=False, pumps=())
    rows = rows_of(market)
    expected = 7_200 * 8.0
    assert 0.6 * expected < len(rows) < 1.6 * expected
    joined = float((np.diff(rows["ts_event_ns"][rows["instrument"] == 1]) == 0).mean())
    assert 0.2 < joined < 0.35


def test_volatility_comes_in_clusters_and_instruments_move_together() -> None:
    """Absolute returns of neighbouring minutes are correlated; returns of two instruments are too."""
    market = msgspec.structs.replace(SMALL, duration_s=86_400, quotes=False, pumps=(), correlation=0.6)
    rows = rows_of(market)
    minutes = []
    for number in (1, 2):
        mine = rows[rows["instrument"] == number]
        last = np.searchsorted(mine["ts_event_ns"], market.start_ns + np.arange(60, 86_400, 60) * NS) - 1
        minutes.append(np.diff(np.log(mine["price"][last])))
    assert np.corrcoef(minutes[0], minutes[1])[0, 1] > 0.3
    size = np.abs(minutes[1])
    assert np.corrcoef(size[:-1], size[1:])[0, 1] > 0.1
    daily = minutes[1].std() * np.sqrt(1_440)
    assert 0.02 < daily < 0.08


def test_pump_does_what_its_script_says() -> None:
    """Price and trades surge at the start, peak by the magnitude when the rise ends, and fall back; buyers press."""
    market = msgspec.structs.replace(SMALL, quotes=False)
    calm = rows_of(msgspec.structs.replace(market, pumps=()))
    rows = rows_of(market)
    pump = market.pumps[0]
    start = market.start_ns + round(pump.start_s * NS)

    def part(of: Rows, first_s: float, end_s: float) -> Rows:
        mine = of[of["instrument"] == 2]
        first, end = np.searchsorted(mine["ts_event_ns"], [start + first_s * NS, start + end_s * NS])
        return mine[first:end]

    peak = float(part(rows, 55, 65)["price"].max()) / float(np.median(part(calm, 55, 65)["price"]))
    assert peak == pytest.approx(1.5, rel=0.05)
    after = float(np.median(part(rows, 400, 600)["price"]) / np.median(part(calm, 400, 600)["price"]))
    assert after == pytest.approx(1.5**pump.retained_ratio, rel=0.05)
    assert len(part(rows, 0, 60)) > 8 * len(part(calm, 0, 60))
    assert float((part(rows, 0, 60)["side"] == Side.BUY).mean()) > 0.75
    assert float((part(rows, 70, 300)["side"] == Side.BUY).mean()) < 0.35
    first_block = SMALL.block_s - pump.start_s  # the block before the one that the pump begins in
    assert part(rows, -600, first_block).tobytes() == part(calm, -600, first_block).tobytes()


def test_six_hours_have_three_pumps_on_three_of_five() -> None:
    """The recipe of the demonstration is within its bounds and is what its name says."""
    market = checked(six_hours())
    assert market.duration_s == 6 * 3_600
    assert len(market.instruments) == 5
    assert len({pump.symbol for pump in market.pumps}) == 3
    assert SimulatedFeed(market).survey().rows is None


WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"duration_s": 0}, "duration_s"),
    ({"duration_s": 10**10}, "duration_s"),
    ({"seed": -1}, "seed"),
    ({"instruments": ()}, "instruments"),
    ({"instruments": SMALL.instruments * 2}, "one symbol"),
    ({"correlation": 1.5}, "correlation"),
    ({"burst_ratio": 1.0}, "burst_ratio"),
    ({"venue": "a b"}, "venue"),
    ({"pumps": (SimulatedPump(symbol="NONE", start_s=1.0),)}, "of no instrument"),
    ({"pumps": (SimulatedPump(symbol="AAAUSDT", start_s=1e9),)}, "behind the end"),
    ({"pumps": (SimulatedPump(symbol="AAAUSDT", start_s=1.0, magnitude_ratio=float("nan")),)}, "magnitude_ratio"),
    ({"instruments": (SimulatedInstrument(symbol="A", price=0.05),)}, "under ten price steps"),
    (
        {"instruments": tuple(SimulatedInstrument(symbol=f"S{at}", trades_per_second=2e3) for at in range(3))},
        "5000",
    ),
)


@pytest.mark.parametrize(("changes", "says"), WRONG, ids=[says for _, says in WRONG])
def test_recipe_out_of_bounds_is_refused(changes: dict[str, object], says: str) -> None:
    """Every bound of the recipe is checked before a row is made."""
    with pytest.raises(BadMapping, match=says):
        SimulatedFeed(msgspec.structs.replace(SMALL, **changes))


def test_recipe_refuses_unknown_fields() -> None:
    """A recipe with a field that does not exist is refused."""
    data = msgspec.to_builtins(SMALL) | {"sed": 1}
    with pytest.raises(msgspec.ValidationError, match="sed"):
        msgspec.convert(data, SimulatedMarket)


def test_seed_changes_everything_and_nothing_else_does() -> None:
    """Two seeds differ, the same seed does not, and the description is the recipe."""
    assert rows_of(SMALL).tobytes() == rows_of(SMALL).tobytes()
    assert rows_of(SMALL).tobytes() != rows_of(msgspec.structs.replace(SMALL, seed=12)).tobytes()
    assert SimulatedFeed(SMALL).import_id() == SimulatedFeed(SMALL).import_id()
    assert SimulatedFeed(SMALL).import_id() != SimulatedFeed(msgspec.structs.replace(SMALL, seed=12)).import_id()
    told = SimulatedFeed(SMALL).survey()
    assert msgspec.json.decode(told.mapping, type=SimulatedMarket) == SMALL
    assert [(form.base, form.quote) for form in told.instruments] == [("AAA", "USDT"), ("BBB", "USDT")]


def test_whole_steps_give_the_nearest_decimal() -> None:
    """Three steps of 0.1 are 0.3 itself."""
    assert in_steps(np.array([3.0, 7.0]), 0.1).tolist() == [0.3, 0.7]
    assert in_steps(np.array([3.0]), 0.25).tolist() == [0.75]
    assert in_steps(np.array([3.0]), 5.0).tolist() == [15.0]
    assert in_steps(np.array([7.0]), 0.00001).tolist() == [0.00007]
