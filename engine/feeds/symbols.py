"""What symbols and file names say: base and quote currency, and the instrument of a file that only its name gives."""

from __future__ import annotations

import re
from typing import NamedTuple

QUOTES = (
    "USDT",
    "USDC",
    "BUSD",
    "TUSD",
    "FDUSD",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "CHF",
    "AUD",
    "CAD",
    "BTC",
    "XBT",
    "ETH",
    "BNB",
)

_ENDS = "|".join(sorted(QUOTES, key=len, reverse=True))
_GLUED = re.compile(rf"(?P<base>[A-Z0-9]{{2,12}}?)(?P<quote>{_ENDS})")
_PARTED = re.compile(r"(?P<base>[A-Za-z0-9]{1,12})[/_-](?P<quote>[A-Za-z0-9]{2,8})([._:-].*)?")
_IN_NAME = re.compile(rf"(?<![A-Za-z0-9])(?P<base>[A-Z0-9]{{2,10}})(?P<sep>[_-])(?P<quote>{_ENDS}|PERP)(?![A-Za-z0-9])")
_TOKEN = re.compile(rf"[A-Z]{{2,10}}?({_ENDS})(_PERP)?")


class Pair(NamedTuple):
    """Currencies of a symbol; empty where it does not say."""

    base: str
    quote: str


def pair_of(symbol: str, asset_type: str = "crypto") -> Pair:
    """Base and quote of `AST/BTC`, `BTC-USD`, `BTCUSDT`, `EURUSD`, `BTCUSD_PERP`; an equity is its own base in USD."""
    if asset_type == "equity":
        return Pair(symbol, "USD")
    glued = symbol.upper().split("_")[0].split(".")[0]
    if asset_type == "forex" and re.fullmatch(r"[A-Z]{6}", glued):
        return Pair(glued[:3], glued[3:])
    whole = _GLUED.fullmatch(glued)
    if whole:
        return Pair(whole["base"], whole["quote"])
    parted = _PARTED.fullmatch(symbol)
    if parted and parted["quote"].upper() != "PERP":
        return Pair(parted["base"].upper(), parted["quote"].upper())
    return Pair("", "")


def symbol_in_name(name: str) -> str:
    """The pair that a file name holds (`XRP/ETH` of `freqtrade_XRP_ETH-trades.feather`), or an empty string."""
    parted = _IN_NAME.search(name)
    if parted:
        if parted["quote"] == "PERP":
            return f"{parted['base']}-PERP"
        return f"{parted['base']}/{parted['quote']}"
    for token in re.split(r"[^A-Za-z0-9]+", name):
        if _TOKEN.fullmatch(token.upper()):
            return token.upper()
    return ""
