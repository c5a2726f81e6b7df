"""The market side of the tape: frames and decisions to the market store that all processes share.

The store has no transactions: rows first, the checkpoint when all of them are committed. A batch that was cut short
is written again and changes nothing, because a row is keyed by its place on the tape.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import structlog

from events import subjects
from events.rows import SectionKind
from projections.batch import Batch, Checkpoint, Decided, Event, check_follows
from projections.market_columns import left_out
from projections.market_store import DecisionFrame, MarketFrame, MarketStore

log = structlog.get_logger(__name__)

MARKET_KINDS = (SectionKind.MARKET, SectionKind.BAR)


class MarketProjection:
    """A `Projection` of market frames and decisions to a `MarketStore`; its only writer."""

    name = "market"
    subjects: tuple[str, ...] = (subjects.MARKET, "tape.session.*.decision", "tape.research.*.decision")

    def __init__(self, store: MarketStore) -> None:
        self.store = store
        self.left_out = 0  # rows since the start with an event time that no market store keeps
        self._checkpoint: Checkpoint | None = None

    def checkpoint(self) -> Checkpoint:
        """See `Projection`."""
        if self._checkpoint is None:
            self._checkpoint = self.store.checkpoint()
        return self._checkpoint

    def begin(self, epoch: str) -> None:
        """See `Projection`. What is left of another tape is dropped with the missing checkpoint."""
        self.store.reset()
        self._move(Checkpoint(epoch))

    def apply(self, batch: Batch) -> None:
        """See `Projection`."""
        check_follows(self.name, self.checkpoint().sequence, batch)
        market = [frame for event in batch.events for frame in _market(event)]
        decided = _decided(batch)
        if market:
            self.store.write_market(market)
        if decided:
            self.store.write_decisions(decided)
        self._move(batch.checkpoint)
        self._note_left_out([*left_out(market), *left_out(decided)])

    def _note_left_out(self, found: list[tuple[int, int]]) -> None:
        """Such rows are legal on the tape: they are told, and nothing stops."""
        if found:
            rows = sum(count for _, count in found)
            self.left_out += rows
            log.warning("rows_left_out", reason="event time not within 1970 to 2261", sequence=found[0][0], rows=rows)

    def _move(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = None  # unknown until the store has said yes
        self.store.set_checkpoint(checkpoint)
        self._checkpoint = checkpoint

    def seen(self, sequence: int) -> None:
        """See `Projection`."""
        self.store.set_seen(sequence)

    def reset(self) -> None:
        """See `Projection`."""
        self._checkpoint = None
        self.left_out = 0
        self.store.reset()


def _market(event: Event) -> Iterator[MarketFrame]:
    if not isinstance(event.body, tuple):
        return
    source = event.subject.rsplit(".", 1)[1]
    for section in event.body:
        if section.kind in MARKET_KINDS:
            yield MarketFrame(source, event.sequence, section.rows)


def _decided(batch: Batch) -> list[DecisionFrame]:
    """Its decisions, in the order of the tape."""
    chosen = [(event.body, event.sequence) for event in batch.events if isinstance(event.body, Decided)]
    stack = batch.decisions.of(np.array([decided.frame for decided, _ in chosen], "<i8"))
    found = []
    for kind, layer in stack.layers.items():
        for frame, rows, ordinal in zip(layer.frame.tolist(), layer.parts(), layer.ordinal.tolist(), strict=True):
            decided, sequence = chosen[frame]
            found.append(DecisionFrame(decided.session, sequence, kind, rows, ordinal))
    return sorted(found, key=lambda one: one.sequence)
