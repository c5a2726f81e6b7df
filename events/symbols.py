"""Symbols as others write them: `BTCUSDT`, `BTC/USDT` and `btc-usdt` are the `BTC_USDT` that is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

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


def spelled_of(text: str, instruments: Iterable[tuple[str, str]], own: Collection[str] = ()) -> str:
    """`spelled` among instruments (symbol, venue): of the venue that is named, where it has any; and first among `own`,
    the symbols of whom it is said to, unless another is called exactly so.

    Raises:
        InvalidInput: see `spelled`.
    """
    symbol, _, venue = text.partition("@")
    pairs = list(instruments)
    names = [name for name, at in pairs if not venue or at == venue] or [name for name, _ in pairs]
    mine = [name for name in names if name in own]
    return spelled(text, mine if symbol not in names and closest(symbol, mine) else names)
