"""Symbols as others write them: `BTCUSDT`, `BTC/USDT` and `btc-usdt` are the `BTC_USDT` that is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from events.errors import InvalidInput

SHOWN_MAX = 8  # symbols that an error names
SHOWN_CHARACTERS = 64  # of what was asked for


def letters_of(symbol: str) -> str:
    """A symbol in capitals without what parts it: BTCUSDT of `BTC_USDT` and `btc/usdt`."""
    return re.sub(r"[^A-Za-z0-9]", "", symbol).upper()


# from the closest on: two names are one where they are equal so
CLOSENESS: tuple[Callable[[str], str], ...] = (str, str.upper, letters_of)


def closest(text: str, known: Iterable[str], far: int = len(CLOSENESS)) -> list[str]:
    """Symbols that one may mean: itself, else those that differ in case alone, else those of the same letters.

    `far` is how many of these three count.
    """
    names = sorted(set(known))
    for same in CLOSENESS[:far]:
        found = [one for one in names if same(one) and same(one) == same(text)]
        if found:
            return found
    return []


def spelled(text: str, known: Iterable[str], field: str = "symbol", far: int = len(CLOSENESS)) -> str:
    """SYMBOL or SYMBOL@VENUE as it is known: the `closest` one, as written where there is none.

    Raises:
        InvalidInput: several known ones are as close; the message names them.
    """
    symbol, parted, venue = text.partition("@")
    found = closest(symbol, known, far)
    if len(found) > 1:
        listed = ", ".join(found[:SHOWN_MAX])
        raise InvalidInput(f"{symbol[:SHOWN_CHARACTERS]} may be any of {listed}: name one of them.", field=field)
    return f"{found[0]}{parted}{venue}" if found else text


def own_of(text: str, own: Iterable[str]) -> str:
    """SYMBOL or SYMBOL@VENUE as one of a session's own symbols where just one may be meant, whoever else has such
    letters; else as it is written."""
    symbol, parted, venue = text.partition("@")
    found = closest(symbol, own)
    return f"{found[0]}{parted}{venue}" if len(found) == 1 else text
