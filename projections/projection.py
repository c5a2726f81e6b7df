"""The protocol of a projection: what applies events to tables and remembers how far."""

from __future__ import annotations

from typing import Protocol

from projections.batch import Batch, Checkpoint


class Projection(Protocol):
    """Applies events of some subjects to tables. Its methods block; the runner calls them one at a time.

    All of it can be thrown away and rebuilt from the tape; two rebuilds give the same content.
    """

    name: str
    subjects: tuple[str, ...]
    left_out: int  # rows since the start that its store cannot hold: legal on the tape, so nothing stops

    def checkpoint(self) -> Checkpoint:
        """How far it has applied; the empty checkpoint where it has nothing."""
        ...

    def begin(self, epoch: str) -> None:
        """Belong to this tape from now on; called while nothing is applied."""
        ...

    def apply(self, batch: Batch) -> None:
        """Apply all events, then store the batch's checkpoint; where there is a transaction, in the same one.

        Whatever is raised, nothing or a repeatable part is applied and the checkpoint has not moved.

        Raises:
            TapeGap: the batch does not start at the checkpoint, or events of a session are missing.
            ReadModelUnavailable: the store does not answer; the same batch may be tried again.
        """
        ...

    def seen(self, sequence: int) -> None:
        """No event of its subjects lies behind the checkpoint up to this sequence: reads may say they are so new."""
        ...

    def reset(self) -> None:
        """Throw everything away, the checkpoint too."""
        ...
