"""Hot answers: the bytes of a read, kept for as long as nothing was applied that could change them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from projections.duckdb.store import DuckStore

ENTRIES_MAX = 1_024
BYTES_MAX = 33_554_432
BODY_BYTES_MAX = 1_048_576  # a larger answer is not kept

HotKey = tuple[bytes, bytes]  # raw path and query string


class HotAnswer(NamedTuple):
    """An answer as of `sequence`; `fixed` where the request named that sequence."""

    body: bytes
    sequence: int
    epoch: str
    fixed: bool


class HotAnswers:
    """Answers of this process by request, the least recently used forgotten first.

    An answer made as of S holds as of any later sequence as long as no event behind S was applied.
    """

    def __init__(self, store: DuckStore, ready: Callable[[], bool]) -> None:
        self._store = store
        self._ready = ready
        self._answers: OrderedDict[HotKey, HotAnswer] = OrderedDict()
        self._bytes = 0

    def find(self, key: HotKey) -> HotAnswer | None:
        """The kept answer, with the sequence as of which it holds now; None where there is none."""
        answer = self._answers.get(key)
        if answer is None or not self._ready():
            return None
        visible = self._store.visible  # before the checkpoint: what is applied meanwhile is behind `visible`
        checkpoint = self._store.checkpoint
        if answer.epoch != checkpoint.epoch or not (answer.fixed or checkpoint.sequence <= answer.sequence):
            self._forget(key)
            return None
        self._answers.move_to_end(key)
        return answer if answer.fixed or visible <= answer.sequence else answer._replace(sequence=visible)

    def keep(self, key: HotKey, answer: HotAnswer) -> None:
        """Remember an answer."""
        if len(answer.body) > BODY_BYTES_MAX:
            return
        self._forget(key)
        self._answers[key] = answer
        self._bytes += len(answer.body)
        while len(self._answers) > ENTRIES_MAX or self._bytes > BYTES_MAX:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: HotKey) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self._bytes -= len(answer.body)
