"""Candles of several sources as one series: each import is a source of its own, one file a month for instance.

A candle that one source covers whole is that source's, the first's in order where several do. At the ends of sources,
parts that follow each other in time make one candle; where they overlap, the one that covers more of it stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from api.services.market_sources import Reach
from events.rows import Rows
from projections.market_store import CANDLE_ROW


class Piece(NamedTuple):
    """What one source has: CANDLE_ROW[n], oldest first."""

    reach: Reach
    rows: Rows


def join(pieces: Sequence[Piece], length_ns: int) -> Rows:
    """One candle a start: CANDLE_ROW[n], oldest first. `pieces` in the order in which their sources come first."""
    settled = np.empty(0, np.int64)
    found = [np.empty(0, CANDLE_ROW)]
    for reach, rows in pieces:
        starts = rows["ts_open_ns"]
        whole = (starts >= reach.first_ns) & (starts + (length_ns - 1) <= reach.last_ns)
        new = whole & ~np.isin(starts, settled)
        found.append(rows[new])
        settled = np.concatenate([settled, starts[new]])
    rest: defaultdict[int, list[Piece]] = defaultdict(list)
    for reach, rows in pieces:
        for row in rows[~np.isin(rows["ts_open_ns"], settled)]:
            rest[int(row["ts_open_ns"])].append(Piece(reach, row))
    found += [_candle(parts, start, length_ns) for start, parts in rest.items()]
    rows = np.concatenate(found)
    return rows[np.argsort(rows["ts_open_ns"], kind="stable")]


def _candle(parts: list[Piece], start: int, length_ns: int) -> Rows:
    """One candle of those that several sources have of one start: CANDLE_ROW[1]."""
    taken: list[Piece] = []
    for part in sorted(parts, key=lambda one: -_covered(one.reach, start, length_ns)):  # stable: in order of sources
        if all(_apart(part.reach, one.reach) for one in taken):
            taken.append(part)
    taken.sort(key=lambda one: one.reach.first_ns)
    rows = np.array([one.rows for one in taken], CANDLE_ROW)
    made = rows[:1].copy()
    made["close"] = rows["close"][-1]
    made["high"], made["low"] = rows["high"].max(), rows["low"].min()
    for name in ("volume", "turnover", "trades"):
        made[name] = rows[name].sum()
    made["first_sequence"], made["last_sequence"] = rows["first_sequence"].min(), rows["last_sequence"].max()
    made["ts_last_ns"] = rows["ts_last_ns"].max()
    return made


def _covered(reach: Reach, start: int, length_ns: int) -> int:
    """How much of an interval a source spans, ns."""
    return min(reach.last_ns, start + length_ns - 1) - max(reach.first_ns, start)


def _apart(one: Reach, other: Reach) -> bool:
    return one.last_ns < other.first_ns or other.last_ns < one.first_ns
