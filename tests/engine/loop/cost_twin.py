"""One lane's session by hand, in exact decimals: what dealing costs, what an entry risks, what the account may hold.

It knows the documented rules alone and shares nothing with the loop: entries and exits at the market, a stop loss, half
a spread where no quote is known, slippage, fees, a commission, sizes by risk, buying power, what a position may risk
and what a day may lose.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from events.facts import InstrumentTerms, SessionCosts, SessionLimits
from events.rows import MarketKind, SignalKind

ZERO = Decimal(0)
ROUND = Decimal("1e-9")  # share of the margin that is none
DAY_NS = 86_400 * 1_000_000_000


class Deal(NamedTuple):
    """A fill: input, price, signed quantity, fee."""

    input: int
    price: Decimal
    signed: Decimal
    fee: Decimal


class Pending(NamedTuple):
    """An order that waits for the next row; `reduces` where it only closes."""

    signed: Decimal
    reduces: bool


def exact(value: float) -> Decimal:
    """The decimal that a float is written as."""
    return Decimal(str(value))


class CostTwin:
    """Reads rows and says as the loop should: `deals`, `denials` (input, code), `cash`, `equity`."""

    def __init__(self, limits: SessionLimits, costs: SessionCosts, instrument: InstrumentTerms) -> None:
        self._limits = limits
        self._costs = costs
        self._price_step, self._quantity_step = exact(instrument.price_step), exact(instrument.quantity_step)
        self._fee_ratio = exact(instrument.taker_fee_ratio) if costs.instrument_fees else ZERO
        self._stop_ratio = exact(limits.stop_loss_ratio)
        self.cash = self.equity = exact(limits.cash)
        self.position = self.entry = self.last = ZERO
        self._bid = self._ask = ZERO
        self._entered = -1
        self._pending: Pending | None = None
        self._day, self._floor, self._over = -1, ZERO, False
        self.deals: list[Deal] = []
        self.denials: list[tuple[int, str]] = []

    def row(self, at: int, row: dict[str, Any], intent: dict[str, Any] | None) -> None:
        """One row, and what the strategy says on it."""
        self._begin_day(row["ts_event_ns"] // DAY_NS)
        is_trade = self._see(row)
        price = exact(row["price"]) if is_trade else ZERO
        if self._pending is not None and (self._taken(self._pending.signed, price) > 0):
            waiting, self._pending = self._pending, None
            self._fill(at, waiting.signed, self._taken(waiting.signed, price))
        if is_trade and self.position and self._entered != at:
            self._protect(at, price)
        if intent is not None:
            self._follow(at, intent)
        self.equity = self.cash + self.position * self.last
        if self._limits.daily_loss_ratio and not self._over and self.equity <= self._floor:
            self._end_day()

    def _begin_day(self, day: int) -> None:
        if day != self._day:
            self._day, self._over = day, False
            self._floor = self.equity * (1 - exact(self._limits.daily_loss_ratio))

    def _end_day(self) -> None:
        """Of an entry that waits only what closes a position is left."""
        self._over = True
        waiting = self._pending
        if waiting is not None and not waiting.reduces:
            self._pending = None
            if waiting.signed * self.position < 0:
                most = min(abs(self.position), abs(waiting.signed))
                self._pending = Pending(most if waiting.signed > 0 else -most, reduces=True)

    def _see(self, row: dict[str, Any]) -> bool:
        price = exact(row["price"])
        if row["kind"] == MarketKind.BID:
            self._bid = price
        elif row["kind"] == MarketKind.ASK:
            self._ask = price
        else:
            self.last = price
        return bool(row["kind"] == MarketKind.TRADE)

    # --- prices and costs -----------------------------------------------------------------------------------------

    def _quote(self, signed: Decimal) -> Decimal:
        """The quote on the other side, the worse one where they are crossed; 0 where none is known."""
        if signed > 0:
            return max(self._ask, self._bid) if self._ask else ZERO
        return min(self._bid, self._ask) if self._bid and self._ask else self._bid

    def _taken(self, signed: Decimal, price: Decimal) -> Decimal:
        """What an order gets on a row before costs; 0 where the row gives no price."""
        return self._quote(signed) or price

    def _fill(self, at: int, signed: Decimal, price: Decimal) -> None:
        away = exact(self._costs.slippage) + (ZERO if self._quote(signed) else exact(self._costs.spread) / 2)
        if away:
            steps = (price + (away if signed > 0 else -away)) / self._price_step
            price = steps.to_integral_value(ROUND_CEILING if signed > 0 else ROUND_FLOOR) * self._price_step
        fee = abs(signed) * (self._fee_ratio * price + exact(self._costs.commission))
        before, self.position = self.position, self.position + signed
        if before * self.position <= 0:
            self.entry, self._entered = price, at
        elif before * signed > 0:
            self.entry = (self.entry * abs(before) + price * abs(signed)) / abs(self.position)
        self.cash -= signed * price + fee
        self.deals.append(Deal(at, price, signed, fee))

    def _protect(self, at: int, price: Decimal) -> None:
        side = 1 if self.position > 0 else -1
        if self._stop_ratio and (price - self.entry * (1 - side * self._stop_ratio)) * side <= 0:
            got = self._quote(-self.position) or price
            self._fill(at, -self.position, min(got, price) if side > 0 else max(got, price))

    # --- what a strategy says -------------------------------------------------------------------------------------

    def _follow(self, at: int, intent: dict[str, Any]) -> None:
        assert self._pending is None, "a script leaves a row between two intents"
        if intent["kind"] == SignalKind.EXIT:
            if self.position:
                self._pending = Pending(-self.position, reduces=True)
            return
        side = 1 if intent["kind"] == SignalKind.ENTER_LONG else -1
        named = exact(intent.get("quantity", 0.0))
        if not named and self.position * side > 0:
            return
        closing = max(-self.position * side, ZERO)
        wanted = (named or self._carried(self._notional() / self.last, closing)) + closing
        quantity = (wanted / self._quantity_step).to_integral_value(ROUND_FLOOR) * self._quantity_step
        code = self._judge(quantity, closing)
        if not code:
            self._pending = Pending(quantity * side, reduces=False)
            return
        self.denials.append((at, code))
        if closing:
            self._pending = Pending(closing * side, reduces=True)

    def _notional(self) -> Decimal:
        """At its stop it loses the risked share of the equity that was there behind the row before."""
        if self._costs.risk_ratio and self._stop_ratio:
            return max(self.equity, ZERO) * exact(self._costs.risk_ratio) / self._stop_ratio
        return exact(self._limits.order_notional)

    def _carried(self, quantity: Decimal, closing: Decimal) -> Decimal:
        """A size by risk comes as far as buying power does, where there is any."""
        if not (self._costs.risk_ratio and self._stop_ratio and self._costs.leverage):
            return quantity
        room = exact(self._costs.leverage) * self.equity - (abs(self.position) - closing) * self.last
        return min(quantity, room / self.last) if room > 0 else quantity

    def _judge(self, quantity: Decimal, closing: Decimal) -> str:
        if quantity <= 0:
            return "BELOW_MINIMUM"
        if self._over and quantity > closing:
            return "DAILY_LOSS_REACHED"
        in_use = abs(self.position) * self.last - closing * self.last + (quantity - closing) * self.last
        risked = in_use * (self._stop_ratio or 1)
        if self._limits.position_risk_ratio and risked > exact(self._limits.position_risk_ratio) * max(
            self.equity, ZERO
        ):
            return "MAX_POSITION_EXCEEDED"
        most = exact(self._costs.leverage) * self.equity
        return "MARGIN_EXCEEDED" if self._costs.leverage and in_use > most + abs(most) * ROUND else ""
