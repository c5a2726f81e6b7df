"""Names of Binance's markets: which venue and type of asset a file, a word or a symbol stands for."""

from __future__ import annotations

import re

SPOT, USDM, COINM = "BINANCE", "BINANCE_USDM", "BINANCE_COINM"

_WORDS = {"spot": SPOT, "usdm": USDM, "um": USDM, "cm": COINM, "coinm": COINM, "delivery": COINM}
_COIN_SYMBOL = re.compile(r"[A-Z0-9]+USD_(PERP|\d{6})")


def venue_of(word: str) -> str:
    """Venue of a word such as `usdm`; other words stand for themselves."""
    return _WORDS.get(word.lower(), word.upper())


def venue_in_name(name: str) -> str:
    """Venue of a file name with such a word in it, or an empty string."""
    return next((_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS), "")


def venue_in_text(text: str) -> str:
    """Venue of raw messages: only futures chain their book updates by `pu`, only coin-margined ones name a pair."""
    if '"ps":' in text or '"pair":' in text:
        return COINM
    return USDM if '"pu":' in text or '"e":"bookTicker"' in text or '"X":' in text else SPOT


def asset_type_of(symbol: str, venue: str) -> str:
    """`crypto` for spot, else `future` for a symbol with a day and `perpetual` for the others."""
    if venue == SPOT:
        return "crypto"
    return "future" if re.search(r"_\d{6}$", symbol) else "perpetual"


def is_coin_symbol(symbol: str) -> bool:
    """Whether a symbol is of a coin-margined contract."""
    return _COIN_SYMBOL.fullmatch(symbol) is not None
