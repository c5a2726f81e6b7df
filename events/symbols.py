"""Symbols as others write them: `BTCUSDT`, `BTC/USDT` and `btc-usdt` are the `BTC_USDT` that is known."""

from __future__ import annotations

import re
from collections.abc import Iterable

from events.errors import InvalidInput

SHOWN_MAX = 8  # symbols that an error names
SHOWN_CHARACTERS = 64  # of what was asked for


def letters_of(symbol: str) -> str:
    """A symbol in capitals without what parts it: BTCUSDT of `BTC_USDT` and `btc/usdt`."""
    return re.sub(r"[^A-Za-z0-9]", "", symbol).upper()


def spelled(text: str, known: Iterable[str], field: str = "symbol") -> str:
    """SYMBOL or SYMBOL@VENUE as it is known: itself, else the only known one of the same letters, else as written.

    Raises:
        InvalidInput: several known ones have these letters, and none is written so; the message names them.
    """
    symbol, parted, venue = text.partition("@")
    letters, alike = letters_of(symbol), set(known)
    if symbol in alike or not letters:
        return text
    alike = {one for one in alike if letters_of(one) == letters}
    if len(alike) > 1:
        listed = ", ".join(sorted(alike)[:SHOWN_MAX])
        raise InvalidInput(f"{symbol[:SHOWN_CHARACTERS]} may be any of {listed}: name one of them.", field=field)
    return f"{alike.pop()}{parted}{venue}" if alike else text
