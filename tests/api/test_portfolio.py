"""The portfolio of sessions in several currencies, at prices that move on, of a symbol that two venues list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from api.services import portfolio_prices
from engine import catalogue
from engine.catalogue import InstrumentForm
from events.clock import from_iso
from events.errors import ReadModelUnavailable
from projections.market_store import Answer
from tests.api.recordings import LiveSource
from tests.api.worlds import World, world
from tests.documents.cases_003_executions import CASH, DAY_NS, ORDER, START_NS, SYMBOL, Desk, submit

pytestmark = pytest.mark.asyncio(loop_scope="module")

YEN = "USDJPY"
LATER_NS = START_NS + 300 * 1_000_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine and nothing else."""
    async with world(tmp_path_factory.mktemp("portfolio"), engine=True) as found:
        yield found


async def portfolio(made: World, query: str = "") -> dict[str, Any]:
    """The portfolio, with everything that is on the tape."""
    await made.caught_up()
    found: dict[str, Any] = (await made.get(f"/portfolio{query}")).json()
    return found


def adds_up(found: dict[str, Any]) -> bool:
    """Whether what is there is cash and positions, and the profit theirs."""
    signs = {"long": 1.0, "short": -1.0}
    held = sum(signs[one["side"]] * one["quantity"] * one["current_price"] for one in found["positions"])
    return bool(found["total_value"] == pytest.approx(found["cash"] + held))


async def test_the_portfolio_adds_up_between_two_marks(made: World) -> None:
    """A second after a mark the price has moved: value, both profits and positions are all of the new price."""
    desk = Desk(made, "desk_between")
    await desk.open()
    assert (await submit(made, ORDER)).status_code == 200
    (execution,) = await desk.filled(1)
    for at, price in enumerate((150.0, 160.0)):
        await desk.give([price], LATER_NS + at * 1_000_000_000)
    found = await portfolio(made)
    (held,) = found["positions"]
    assert held["current_price"] == 160.0
    assert adds_up(found)
    wanted = 2 * (160.0 - execution["price"]) - execution["fee"]
    assert (found["total_pnl"], found["daily_pnl"]) == (pytest.approx(wanted), pytest.approx(wanted))
    await LiveSource(made.tape, (SYMBOL,), "elsewhere", "ELSEWHERE").open()
    again = await portfolio(made)
    assert again == found, "another venue lists the symbol: the price is still that of the session's instrument"
    (row,) = (await made.get("/mcp/get_holdings")).json()["holdings"]
    assert (row["last_price"], row["currency"]) == (160.0, "USDT")
    await until_marked(desk, LATER_NS)
    await marked(made, desk.session, found)
    await desk.close()


async def marked(made: World, session: str, newer: dict[str, Any]) -> None:
    """Without the market store all is as of the session's newest mark, and says so."""

    async def away(*_: object) -> None:
        raise ReadModelUnavailable("It is being started.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.house.market, "prices", away)
        found = await portfolio(made)
        (row,) = (await made.get("/mcp/get_holdings")).json()["holdings"]
    (held,) = found["positions"]
    assert (held["current_price"], row["last_price"]) == (150.0, 150.0)
    assert held["price_time"] < newer["positions"][0]["price_time"]
    assert held["reason"] == row["reason"] == "The market store gave no answer: It is being started."
    assert adds_up(found)
    assert found["total_value"] == (await made.get(f"/api/sessions/{session}")).json()["session"]["equity"]


async def test_currencies_are_not_added_up(made: World) -> None:
    """Yen and dollars are told apart: in the portfolio, its history and the holdings, each total of one currency."""
    form = InstrumentForm(symbol=YEN, venue="SIM", asset_type="forex", base="USD", quote="JPY")
    await catalogue.register(made.tape, [form])
    dollars, yen = Desk(made, "desk_dollars", "EF_USDT"), Desk(made, "desk_yen", YEN)
    for desk in (dollars, yen):
        await desk.open()
        assert (await submit(made, ORDER | {"symbol": desk.symbol})).status_code == 200
        await desk.filled(1)
    found = await portfolio(made)
    assert (found["currency"], [one["currency"] for one in found["others"]]) == ("USDT", ["JPY"])
    for one in (found, *found["others"]):
        assert adds_up(one)
        assert one["total_value"] == pytest.approx(CASH, rel=0.01)
        assert len(one["positions"]) == 1
    turned = await portfolio(made, "?currency=JPY")
    assert {name: turned[name] for name in found["others"][0]} == found["others"][0]
    for query, currency in (("", "USDT"), ("?currency=JPY", "JPY")):
        (day,) = (await made.get(f"/portfolio/history{query}")).json()
        assert (day["currency"], day["value"]) == (currency, pytest.approx(CASH, rel=0.01))
    await catalogue.register(made.tape, [InstrumentForm(symbol="SPX", venue="SIM", asset_type="index", quote="EUR")])
    nothing = await portfolio(made, "?currency=EUR")
    assert (nothing["total_value"], nothing["positions"], len(nothing["others"])) == (0.0, [], 2)
    assert (await made.get("/portfolio/history?currency=EUR")).json() == []
    for wrong in ("", "eur", "XYZ"):
        for path in ("/portfolio", "/portfolio/history"):
            refused = await made.get(f"{path}?currency={wrong}")
            assert (refused.status_code, refused.json()["field"]) == (400, "currency"), refused.text
            assert "EUR, JPY, USDT" in refused.json()["message"]
    held = (await made.get("/mcp/get_holdings")).json()
    assert [one["currency"] for one in held["holdings"]] == ["USDT", "JPY"]
    assert {one["currency"] for one in held["totals"]} == {"USDT", "JPY"}
    assert (held["currency"], held["total_value"]) == ("USDT", pytest.approx(200.0))
    for desk in (dollars, yen):
        await desk.close()


async def test_days_keep_their_value_when_a_session_stops(made: World) -> None:
    """A session counts on the days on which it ran; what goes on with its account counts instead of it, not beside."""
    one, two, next_one = (Desk(made, f"desk_day_{name}", f"{name}_USDT") for name in ("GH", "IJ", "KL"))
    for desk in (one, two):
        await desk.open()
        assert (await submit(made, ORDER | {"symbol": desk.symbol})).status_code == 200
        await desk.filled(1)
    await on_day(0, (one, 110.0), (two, 120.0))
    await on_day(1, (one, 130.0), (two, 140.0))
    both = await history(made)
    worth = [await equity(made, desk) for desk in (one, two)]
    assert both[-1] == pytest.approx(sum(worth))
    await one.close()
    assert await history(made) == both
    await on_day(2, (two, 150.0))
    assert await history(made) == pytest.approx([*both, await equity(made, two)]), "after its end it counts no more"
    then = await made.last()
    await two.close()
    kept = await history(made)
    assert kept[:2] == both
    await next_one.open(LATER_NS + 2 * DAY_NS)
    await on_day(2, (next_one, 100.0))
    assert await history(made) == pytest.approx([*both, CASH]), "the account went on with the next session"
    await next_one.close()
    assert await history(made) == pytest.approx([*both, CASH])
    assert await history(made, f"&as_of={then}") == kept


async def test_prices_of_several_instruments_stay_while_the_store_is_behind_a_mark(made: World) -> None:
    """Right behind each mark and each fill the prices stay the market's, or the fill's, the sum adds up, and no reason
    is told that is not so."""
    desk = Desk(made, "desk_pair", "MN_USDT", "OP_USDT")
    await desk.open()
    await desk.give([100.0], START_NS, 1)
    for symbol in desk.symbols:
        assert (await submit(made, ORDER | {"symbol": symbol})).status_code == 200
    await desk.filled(1)
    await desk.give([100.0], LATER_NS - 1_000_000_000, 1)
    await desk.filled(2)
    for which, price in enumerate((150.0, 160.0)):
        await desk.give([price], LATER_NS, which)
    fresh = await portfolio(made)
    assert [one["current_price"] for one in fresh["positions"]] == [150.0, 160.0]
    old = await made.house.market.prices(desk.name)

    async def behind(*_: object) -> Answer:
        return old

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.house.market, "prices", behind)
        at_ns = LATER_NS + 60 * 1_000_000_000
        await desk.give([170.0], at_ns)
        await until_marked(desk, at_ns)
        found = await portfolio(made)
        assert found["positions"] == fresh["positions"]
        assert adds_up(found)
        assert (await submit(made, ORDER | {"symbol": desk.symbol})).status_code == 200
        await desk.give([170.0], at_ns + 2 * 1_000_000_000)
        await until_marked(desk, at_ns + 2 * 1_000_000_000)
        found = await portfolio(made)
        filled, other = found["positions"]
        assert (filled["quantity"], filled["current_price"] >= 170.0, filled["reason"]) == (4.0, True, None)
        assert filled["price_time"] > other["price_time"]
        assert other == fresh["positions"][1]
        assert adds_up(found)
        patch.setattr(portfolio_prices, "BEHIND_EVENTS_MAX", 0)
        found = await portfolio(made)
        assert all("no price of this one as new as" in one["reason"] for one in found["positions"])
        assert found["total_value"] == await equity(made, desk), "far behind the mark knows better"
    await desk.close()


async def on_day(day: int, *given: tuple[Desk, float]) -> None:
    """Trades of some days later, once their sessions were marked at them."""
    at_ns = START_NS + day * DAY_NS + 7_200 * 1_000_000_000
    for desk, price in given:
        await desk.give([price] * 3, at_ns)
    for desk, _ in given:
        await until_marked(desk, at_ns)


async def until_marked(desk: Desk, at_ns: int) -> None:
    """Wait until a session's newest mark is of this event time or later."""
    async with asyncio.timeout(30):
        while True:
            await desk.made.caught_up()
            (row,) = (await desk.made.get(f"/api/sessions/{desk.session}/equity?limit=1&order=newest")).json()["rows"]
            if from_iso(row["time"]) >= at_ns:
                return
            await asyncio.sleep(0.02)


async def history(made: World, query: str = "") -> list[float]:
    """The values of the days, with everything that is on the tape."""
    await made.caught_up()
    return [one["value"] for one in (await made.get(f"/portfolio/history?currency=USDT{query}")).json()]


async def equity(made: World, desk: Desk) -> float:
    """What a session says of itself."""
    found: float = (await made.get(f"/api/sessions/{desk.session}")).json()["session"]["equity"]
    return found
