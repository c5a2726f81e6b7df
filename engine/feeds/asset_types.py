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

# Fees of an instrument of which nobody said them, shares of the notional of a side. Crypto: what spot exchanges take of
# a small account. Elsewhere the spread is most of what dealing costs; a broker's commission is some 3 of 100,000.
CRYPTO_FEE_RATIO = 0.001
OTHER_FEE_RATIO = 0.00003

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


def usual_fee_ratio(asset_type: str, base: str) -> float:
    """The fee, maker and taker alike, of an instrument that is registered without one; futures of coins have a base."""
    coins = asset_type in ("crypto", "perpetual") or (asset_type == "future" and base)
    return CRYPTO_FEE_RATIO if coins else OTHER_FEE_RATIO
