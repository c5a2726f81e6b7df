"""Small markets and loops for tests: rows in one line each, a scripted lane, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine.loop.decision_loop import DecisionLoop, HandOrder
from engine.loop.module import Loop, plain_module
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies.strategy import Strategy
from events.facts import InstrumentTerms, SessionLimits
from events.rows import MARKET_DTYPE, Code, MarketFlag, MarketKind, OrderKind, OrderStatus, Rows, Side
from tests.engine.loop.kernels import SCRIPTED

SECOND = 1_000_000_000
ROOT = Path(__file__).resolve().parents[3]
START_NS = 1_700_000_000 * SECOND
STRATEGIES = {SCRIPTED.id: SCRIPTED}


def trade(price: float, quantity: float = 10.0, **fields: Any) -> dict[str, Any]:
    """A trade."""
    return {"kind": MarketKind.TRADE, "price": price, "quantity": quantity, **fields}


def bid(price: float, quantity: float = 10.0, **fields: Any) -> dict[str, Any]:
    """A best bid."""
    return {"kind": MarketKind.BID, "side": Side.BUY, "price": price, "quantity": quantity, **fields}


def ask(price: float, quantity: float = 10.0, **fields: Any) -> dict[str, Any]:
    """A best ask."""
    return {"kind": MarketKind.ASK, "side": Side.SELL, "price": price, "quantity": quantity, **fields}


def bar(open_: float, high: float, low: float, close: float, volume: float = 400.0) -> Rows:
    """BAR_DTYPE[1]."""
    from events.rows import BAR_DTYPE

    row = np.zeros(1, BAR_DTYPE)
    row["open"], row["high"], row["low"], row["close"], row["volume"] = open_, high, low, close, volume
    row["interval_ns"] = 60 * SECOND
    row["ts_event_ns"] = START_NS
    row["ts_received_ns"] = START_NS + 60 * SECOND
    return row


def market(rows: Iterable[dict[str, Any]], first: int = 0) -> Rows:
    """MARKET_DTYPE rows a second apart; `first` is the number of the first second."""
    listed = list(rows)
    out = np.zeros(len(listed), MARKET_DTYPE)
    for at, fields in enumerate(listed):
        out[at]["ts_event_ns"] = START_NS + (first + at) * SECOND
        out[at]["ts_received_ns"] = START_NS + (first + at) * SECOND
        for name, value in fields.items():
            out[at][name] = value
    return out


def terms(number: int = 0, **fields: float) -> InstrumentTerms:
    """An instrument with steps of 0.01 and 0.001 and no fees."""
    values: dict[str, Any] = {
        "number": number,
        "symbol": f"S{number}",
        "quote": "USDT",
        "price_step": 0.01,
        "quantity_step": 0.001,
        "notional_min": 0.0,
        "maker_fee_ratio": 0.0,
        "taker_fee_ratio": 0.0,
        **fields,
    }
    return InstrumentTerms(**values)


FREE = SessionLimits(
    cash=1_000_000.0, global_cap=1_000_000.0, order_notional=100.0, fill_ratio_max=0.0, equity_interval_ms=86_400_000
)


def limits(**fields: Any) -> SessionLimits:
    """Wide limits but for those named."""
    return msgspec.structs.replace(FREE, **fields)


def spec_of(*, given: SessionLimits = FREE, instrument: InstrumentTerms | None = None, **fields: Any) -> LoopSpec:
    """A session with one scripted lane on one instrument."""
    values: dict[str, Any] = {
        "instruments": (instrument or terms(),),
        "lanes": (LaneSpec(strategy="scripted", instrument=0),),
        "limits": given,
        **fields,
    }
    return LoopSpec(**values)


class Desk:
    """A loop that keeps all it has decided."""

    def __init__(
        self, spec: LoopSpec | None = None, strategies: dict[str, Strategy] | None = None, **given: Any
    ) -> None:
        self.loop = DecisionLoop(spec or spec_of(), strategies or STRATEGIES, **given)
        self._kinds: list[list[Rows]] = [[], [], [], [], []]
        self._second = 0

    def script(self, *lines: tuple[int, dict[str, Any]], lane: int = 0) -> Desk:
        """(call, fields of an intent): the lane's kernel says it on that call, the first call being 1."""
        state = self.loop._memory.kernels[0][lane]
        for place, (call, fields) in enumerate(lines):
            state["at"][place] = call
            for name, value in fields.items():
                state["script"][place][name] = value
        return self

    def rows(self, *rows: dict[str, Any]) -> Desk:
        """Read rows, a second apart from the last ones."""
        self.keep(self.loop.advance(market(rows, self._second)))
        self._second += len(rows)
        return self

    def bars(self, *bars: Rows) -> Desk:
        """Read bars, a minute apart."""
        for at, one in enumerate(bars):
            one["ts_event_ns"] += at * 60 * SECOND
            one["ts_received_ns"] += at * 60 * SECOND
            self.keep(self.loop.advance_bars(one))
        return self

    def order(self, side: Side, quantity: float, kind: OrderKind = OrderKind.MARKET, **fields: Any) -> Desk:
        """An order by hand on the first instrument."""
        lane = fields.pop("lane", self.loop.hand_lane(0))
        self.keep(self.loop.submit(HandOrder(lane=lane, side=side, quantity=quantity, kind=kind, **fields))[1])
        return self

    def keep(self, decisions: Any) -> None:
        """Keep what was decided."""
        for kept, rows in zip(self._kinds, decisions.kinds(), strict=True):
            kept.append(rows)

    def kind(self, at: int) -> Rows:
        """All rows of a kind."""
        return np.concatenate(self._kinds[at])

    @property
    def fills(self) -> list[tuple[int, float, float]]:
        """(input, price, signed quantity) of each fill."""
        return [
            (int(row["input"]), round(float(row["price"]), 9), round(float(row["quantity"] * row["side"]), 9))
            for row in self.kind(2)
        ]

    @property
    def orders(self) -> list[tuple[int, int, str, str]]:
        """(input, order, status, code) of each order row."""
        return [
            (int(row["input"]), int(row["order"]), OrderStatus(row["status"]).name, code_name(row["code"]))
            for row in self.kind(1)
        ]

    @property
    def denials(self) -> list[tuple[int, str, float]]:
        """(input, code, limit) of each denial."""
        return [(int(row["input"]), Code(row["code"]).name, float(row["limit"])) for row in self.kind(3)]

    @property
    def ends(self) -> list[tuple[int, str, str]]:
        """(order, status, code) of the last row of each order that has ended."""
        return [
            (order, status, code) for _, order, status, code in self.orders if status not in ("ACCEPTED", "TRIGGERED")
        ]


def code_name(code: int) -> str:
    """Name of a code, the number where it is a strategy's own."""
    return Code(code).name if code in set(Code) else str(code)


def plain_loop(strategies: Iterable[Strategy], intervals: bool = False) -> Loop:
    """The same loop as plain Python."""
    ordered = sorted(strategies, key=lambda strategy: strategy.id)
    module = plain_module(ordered, intervals)
    return Loop(tuple(strategy.id for strategy in ordered), "plain", module.advance, module.act)


OFF_BOOK = int(MarketFlag.OFF_BOOK)
NO_QUANTITY = int(MarketFlag.NO_QUANTITY)
