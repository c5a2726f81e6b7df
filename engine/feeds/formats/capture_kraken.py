"""Kraken's websocket messages (version 1) as rows: book snapshots and changes, trades.

A message is `[channel, {...}, ("more" {...},) name, pair]`. Each level carries its own time; the newest one of a
message is the message's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.feeds.formats.messages import BUY, SELL, Gatherer, Level
from engine.feeds.intake import Intake

SIDES = {"b": BUY, "s": SELL}
NS = 1_000_000_000


class KrakenMessages:
    """Turns one message after the other into rows."""

    def __init__(self, intake: Intake, gatherer: Gatherer) -> None:
        self._intake = intake
        self._to = gatherer

    def take(self, message: bytes) -> None:
        """One message. Raises msgspec.DecodeError, LookupError, ValueError where it is not as documented."""
        data = msgspec.json.decode(message)
        if not isinstance(data, list):
            self._to.skip(str(data.get("event", "other")))
            return
        name, pair = str(data[-2]).split("-")[0], str(data[-1])
        if name == "book":
            self._see(pair)
            self._book(data[1:-2])
        elif name == "trade":
            self._see(pair)
            for price, quantity, time, side, *_ in data[1]:
                self._to.now.event_ns = _ns(time)
                self._to.trade((float(price), float(quantity)), 0, SIDES[side])
        else:
            self._to.skip(name)

    def _see(self, pair: str) -> None:
        self._to.now.instrument = self._intake.instrument(pair, "KRAKEN")

    def _book(self, parts: list[dict[str, Any]]) -> None:
        sides: dict[str, list[list[str]]] = {}
        for part in parts:
            for key in ("as", "bs", "a", "b"):
                sides.setdefault(key, []).extend(part.get(key, ()))
        times = [_ns(level[2]) for levels in sides.values() for level in levels]
        if not times:
            self._to.skip("empty book")
            return
        self._to.now.event_ns = max(times)
        if sides["as"] or sides["bs"]:
            self._to.snapshot(_levels(sides["bs"]), _levels(sides["as"]), 0)
        else:
            self._to.levels(_levels(sides["b"]), _levels(sides["a"]), 0)


def _levels(texts: list[list[str]]) -> list[Level]:
    return [(float(level[0]), float(level[1])) for level in texts]


def _ns(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    return int(whole) * NS + int(fraction[:9].ljust(9, "0"))
