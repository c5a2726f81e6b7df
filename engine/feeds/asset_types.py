"""What a symbol is by its form: currencies, crypto, shares, indices."""

from __future__ import annotations

import re

from engine.feeds.symbols import pair_of

FIAT = frozenset((
    "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "TRY", "ZAR",
    "MXN", "SGD", "HKD", "CNH", "CNY", "ILS", "THB", "RUB",
))  # fmt: skip
METALS = frozenset(("XAU", "XAG", "XPT", "XPD"))  # quoted like currencies
INDICES = frozenset((
    "SPX", "SPX500", "US500", "NDX", "NAS100", "US100", "USTEC", "DJI", "US30", "RUT", "US2000", "VIX", "DAX", "GER30",
    "GER40", "DE40", "FTSE", "UK100", "CAC", "FRA40", "FR40", "STOXX50", "EU50", "EUSTX50", "N225", "JPN225", "JP225",
    "HSI", "HK50", "AUS200", "ES35", "IBEX35", "IT40", "CHINA50", "NIFTY50",
))  # fmt: skip

_PERPETUAL = re.compile(r".*[_-](PERP|SWAP)")
_SHARE = re.compile(r"[A-Z]{1,5}([.-][A-Z]{1,2})?")


def asset_type_of(symbol: str) -> str:
    """`EURUSD` is forex, `BTC_USDT` crypto, `AAPL` equity, `US500` index, `ETH-PERP` perpetual; empty where the form
    does not say.
    """
    text = symbol.upper()
    if text.startswith("^") or text.partition(".")[0] in INDICES:
        return "index"
    if _PERPETUAL.fullmatch(text):
        return "perpetual"
    letters = re.sub(r"[/_-]", "", text)
    if len(letters) == 6 and {letters[:3], letters[3:]} <= FIAT | METALS:
        return "forex"
    if pair_of(text).quote:
        return "crypto"
    return "equity" if _SHARE.fullmatch(text) else ""
