"""A backtest that traded nothing says why, and what dealing costs is told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from api.services.nothing_traded import ADVICE
from engine.feeds.asset_types import usual_fee_ratio
from events.rows import Code
from tests.api.worlds import World, world
from tests.documents.cases_001_backtests import over, queue_one

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST_DENIAL, LAST_DENIAL = Code.BUDGET_EXCEEDED, Code.DAILY_LOSS_REACHED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine."""
    async with world(tmp_path_factory.mktemp("nothing"), engine=True) as found:
        yield found


async def test_a_run_whose_orders_were_all_denied_says_so_with_the_code(made: World) -> None:
    """Where each order is smaller than the quantity step, result and list name it: the strategy did find something."""
    name = await queue_one(made, initial_capital=0.01)
    await over(made, name)
    await made.caught_up()
    detail = (await made.get(f"/api/backtests/{name}")).json()
    row = next(one for one in (await made.get("/api/backtests/")).json() if one["id"] == name)
    told = ""
    for body in (detail, row):
        assert list(body["denials"]) == ["BELOW_MINIMUM"]
        told = f"no order was filled, {body['denials']['BELOW_MINIMUM']} denied BELOW_MINIMUM (an order is smaller"
        for figure in ("win_rate", "sharpe_ratio", "avg_win"):
            assert told in body["reasons"][figure]
        assert (body["currency"], body["fees_paid"]) == ("USDT", 0.0)
    assert detail["fees"] == {"maker": 0.001, "taker": 0.001}
    there = (await made.get(f"/api/v1/backtest/results/{name}")).json()["data"]
    assert told in there["reasons"]["winRate"]


async def test_a_run_that_traded_has_its_fees_and_no_such_reason(made: World) -> None:
    """Fees paid are those of the trades; a figure that is not defined for another reason says that one alone."""
    name = await queue_one(made)
    body = await over(made, name)
    assert body["fees_paid"] > 0.0
    assert not any("denied" in reason for reason in body["reasons"].values())


async def test_a_pair_of_currencies_pays_less_than_coins_unless_told(made: World) -> None:
    """An instrument that is created without fees has those that are usual of what it is."""
    for symbol, kind, fee in (("EURUSD", "forex", 0.00003), ("AAPL", "equity", 0.00003), ("ABC_USDT", "crypto", 0.001)):
        answer = await made.post("/api/instruments", {"symbol": symbol, "exchange": "DESK", "type": kind}, "admin")
        assert answer.status_code < 300, answer.text
        found = (await made.get(f"/api/instruments/{answer.json()['id']}")).json()
        assert (found["maker_fee_ratio"], found["taker_fee_ratio"]) == (fee, fee)
    assert usual_fee_ratio("future", "BTC") == 0.001
    assert usual_fee_ratio("future", "") == 0.00003


async def test_every_denial_has_its_advice() -> None:
    """Whatever denied all orders of a run, the words for it are there."""
    assert {code for code in Code if FIRST_DENIAL <= code <= LAST_DENIAL} == set(ADVICE)
