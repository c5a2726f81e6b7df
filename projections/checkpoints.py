"""A checkpoint against the tape it came from: refuse another tape, a shorter one, and one that grew anew."""

from __future__ import annotations

from events.errors import TapeForeign, TapeShorter
from events.tape import Message, Tape, TapeInfo
from projections.batch import Checkpoint, digest_of

_REBUILD = "Check the tape first (`tapedeck doctor`); if it is the right one, rebuild the read model from it."


def advanced(checkpoint: Checkpoint, message: Message) -> Checkpoint:
    """The checkpoint behind a message."""
    return Checkpoint(checkpoint.epoch, message.sequence, digest_of(message))


def check_info(name: str, checkpoint: Checkpoint, info: TapeInfo) -> None:
    """Whether a tape can be the one of a checkpoint, by epoch and length.

    Raises:
        TapeForeign: another epoch.
        TapeShorter: it ends before the checkpoint.
    """
    if checkpoint.epoch and checkpoint.epoch != info.epoch:
        raise TapeForeign(
            f"{name} was built from tape {checkpoint.epoch}, and this one is {info.epoch}.",
            sequence=checkpoint.sequence,
            hint=_REBUILD,
        )
    if checkpoint.sequence > info.last:
        raise TapeShorter(
            f"{name} has applied event {checkpoint.sequence}, and the tape ends at {info.last}.",
            sequence=info.last,
            hint=_REBUILD,
        )


async def check(name: str, checkpoint: Checkpoint, tape: Tape) -> TapeInfo:
    """`check_info`, and that the message at the checkpoint is the one that was applied.

    Raises:
        TapeForeign: another epoch.
        TapeShorter: it ends before the checkpoint, or ended before it and has grown anew.
    """
    info = await tape.info()
    check_info(name, checkpoint, info)
    if checkpoint.sequence:
        message = await tape.get(checkpoint.sequence)
        if message is None or digest_of(message) != checkpoint.digest:
            raise TapeShorter(
                f"{name} has applied another event {checkpoint.sequence} than the tape has there: the tape lost its"
                " end and has grown anew.",
                sequence=checkpoint.sequence,
                hint=_REBUILD,
            )
    return info
