"""How a file is read: the format and its options. Frozen, and part of an import's id."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from engine.feeds import zones
from engine.feeds.errors import BadMapping
from events.misfits import misfit
from events.rows import MarketKind

TEXT_MAX = 64  # characters of an option

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INTERVAL = re.compile(r"([1-9]\d{0,5})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
NS = 1_000_000_000


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Format and options of one file. An empty option means: what the file, its name or the format's default says.

    `zone` is an IANA name, `UTC`, `UTC-05`, `UTC+05:30`, or one of them shifted by whole hours
    (`America/New_York+7h`). `interval` is a bar's length (`1m`, `4h`, `1d`). `price_side` picks bid, ask or mid where a
    bar has both. `volume` says what the volume column counts: `base`, `quote` (divided by the close) or `ticks`.
    `kinds` keeps rows of these kinds only. `bad_rows` decides over rows that are no market data.
    """

    format: str = ""
    symbol: str = ""
    venue: str = ""
    asset_type: str = ""
    quote: str = ""
    zone: str = ""
    date: str = ""
    interval: str = ""
    price_side: Literal["", "bid", "ask", "mid"] = ""
    volume: Literal["", "base", "quote", "ticks"] = ""
    member: str = ""
    kinds: tuple[str, ...] = ()
    bad_rows: Literal["refuse", "skip"] = "refuse"

    def text(self) -> str:
        """As JSON, fields in order of name, defaults left out: what the id of an import is made of."""
        return msgspec.json.encode(self, order="sorted").decode()


ALWAYS = frozenset({"format", "symbol", "venue", "asset_type", "quote", "member", "kinds", "bad_rows"})
"""Options that every format knows."""


def mapping_of(options: dict[str, object]) -> Mapping:
    """A checked mapping of loose options (a request body, command-line options).

    Raises:
        BadMapping: unknown option, wrong type, malformed value.
    """
    try:
        mapping = msgspec.convert(options, Mapping)
    except msgspec.ValidationError as error:
        known = ", ".join(Mapping.__struct_fields__)
        told = misfit(error, Mapping, options).sentence("it")
        raise BadMapping(f"The mapping is wrong: {told}", field="mapping", hint=f"Options: {known}.") from None
    return checked(mapping)


def checked(mapping: Mapping) -> Mapping:
    """The mapping itself, if every value is well formed.

    Raises:
        BadMapping: names the option and what is due.
    """
    for name in Mapping.__struct_fields__:
        value = getattr(mapping, name)
        if isinstance(value, str) and (len(value) > TEXT_MAX or not value.isprintable()):
            raise BadMapping(f"Option {name} has over {TEXT_MAX} characters or unprintable ones.", field=name)
    if mapping.date and not _DATE.fullmatch(mapping.date):
        raise BadMapping(f"Option date is {mapping.date!r}; a day as YYYY-MM-DD is due.", field="date")
    if mapping.interval:
        interval_ns(mapping.interval)
    if mapping.zone:
        zones.zone_of(mapping.zone)
    kinds_of(mapping.kinds)
    return mapping


def interval_ns(text: str) -> int:
    """Nanoseconds of `30s`, `1m`, `4h`, `1d`. Raises BadMapping."""
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise BadMapping(f"Option interval is {text!r}; a length as 30s, 1m, 4h or 1d is due.", field="interval")
    return int(match[1]) * _SECONDS[match[2]] * NS


def kinds_of(names: tuple[str, ...]) -> frozenset[MarketKind]:
    """Kinds of these lower-case names; none: all. Raises BadMapping."""
    known = {kind.name.lower(): kind for kind in MarketKind}
    for name in names:
        if name not in known:
            raise BadMapping(f"Option kinds has {name!r}.", field="kinds", hint=f"Known: {', '.join(known)}.")
    return frozenset(known[name] for name in names)
