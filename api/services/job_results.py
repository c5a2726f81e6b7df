"""What a job was asked for and came to, as its kind has it; what this version cannot read is said with its sequence."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import structlog

from events.errors import Undecodable
from projections.read_models.jobs import JobRow

log = structlog.get_logger(__name__)

T = TypeVar("T")


def asked_of(row: JobRow, shape: type[T]) -> T:
    """The body of a job. Raises Undecodable."""
    return read(row.body, shape, f"What job {row.job} was asked for", row.sequence)


def result_of(row: JobRow, shape: type[T]) -> T:
    """The result of a job that has one. Raises Undecodable."""
    assert row.result is not None, "asked of those alone that have one"
    return read(row.result, shape, f"The result of job {row.job}", row.changed_at)


def read(body: msgspec.Raw, shape: type[T], what: str, sequence: int) -> T:
    """JSON of a fact as a struct. Raises Undecodable."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.MsgspecError as error:
        raise Undecodable(
            f"{what}, at sequence {sequence}, cannot be read by this version: {error}.", sequence=sequence
        ) from None


def unreadable(row: JobRow, error: Undecodable) -> str:
    """The words of a row of a list that cannot be read; the log has them too."""
    log.warning("job_unreadable", job=row.job, kind=row.kind, sequence=error.sequence, error=str(error))
    return error.message
