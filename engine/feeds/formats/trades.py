"""What formats of trades share: sides, symbols and ids of a column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.feeds.errors import BadRows
from engine.feeds.intake import Intake
from engine.feeds.report import FindingCode, Lines
from engine.feeds.tables import Table
from events.rows import Side

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
BUYER_IS_MAKER = {"true": Side.SELL, "false": Side.BUY}


def mapped(column: pl.Series, words: Mapping[str, int], table: Table, intake: Intake) -> NDArray[np.int8]:
    """Numbers of a column of words, upper or lower case.

    Raises:
        BadRows: another word, and the mapping does not skip bad rows; else it is counted and stands as 0.
    """
    found, known = _matched(column, words)
    if not known.all():
        found, known = _matched(column.str.to_lowercase(), words)
    if not known.all():
        lines = table.lines[~known]
        shown = column.filter(~known)[0]
        detail = f"column {column.name} is {str(shown)[:40]!r}, one of {', '.join(words)} is due"
        if not intake.skips:
            raise BadRows(f"{intake.source.name}, row {lines[0]}: {detail}.", field="file")
        intake.notes.add(FindingCode.UNPARSABLE, lines, detail=f"{detail}; kept without it")
    return found


def _matched(column: pl.Series, words: Mapping[str, int]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    found, known = np.zeros(len(column), np.int8), np.zeros(len(column), np.bool_)
    for word, number in words.items():
        same = (column == word).fill_null(False).to_numpy()
        found[same] = number
        known |= same
    return found, known


def per_symbol(
    column: pl.Series, intake: Intake, venue: str, asset_type: str = "crypto", quote: str = ""
) -> NDArray[np.int32] | int:
    """Local instrument numbers of a column of symbols; the option symbol renames a file of one symbol."""
    if (column == column[0]).all():
        return intake.instrument(intake.symbol(column[0]), venue, asset_type, quote)
    names = column.unique(maintain_order=True).to_list()
    numbers = {name: intake.instrument(name, venue, asset_type, quote) for name in names}
    return column.replace_strict(numbers, return_dtype=pl.Int32).to_numpy()


class DenseIds:
    """Notes ids that are missing between two trades of one instrument."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._last: dict[int, int] = {}

    def see(self, ids: NDArray[np.int64], lines: Lines, instrument: int = 0) -> None:
        """Ids of more trades of one instrument."""
        if len(ids):
            steps = np.diff(ids, prepend=self._last.get(instrument, int(ids[0]) - 1))
            self._intake.notes.add(FindingCode.ID_GAPS, lines[steps > 1])
            self._last[instrument] = int(ids[-1])
