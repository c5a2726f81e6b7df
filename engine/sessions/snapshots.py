"""Snapshots: the bytes of a session's records at a place, in the blob store.

Written only after every output caused up to their place is confirmed. One that is damaged, of another epoch, code or
session, or beyond the tape's end is not good and is passed over.
"""

from __future__ import annotations

import hashlib

import msgspec

from engine.sessions.decision_hash import ChainState
from events.errors import Conflict
from events.facts import CommandAccepted, CommandRefused, Place, SessionSpec
from events.tape import Blobs, TapeInfo

ROOT = "snapshots/"
KEPT = 2  # snapshots kept per session
VERSION = 2


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that recovery needs beside the tape."""

    session: str
    tape_epoch: str
    code_hash: str
    place: Place  # last row read
    inputs: int
    records: bytes  # of the loop
    hash_state: dict[int, ChainState]
    answered: int  # sequence of the last command carried out
    keys: tuple[CommandAccepted | CommandRefused, ...] = ()  # answers remembered by key, the oldest first
    paced: tuple[int, int] | None = None  # event time of a paced session's last row, and the instant it was read: ns
    written: int  # last sequence of the session's own subjects when it was taken
    version: int = VERSION


class _Sealed(msgspec.Struct):
    digest: bytes
    body: bytes


def _name(session: str, inputs: int) -> str:
    return f"{ROOT}{session}/{inputs:020d}"


async def save(blobs: Blobs, snapshot: Snapshot) -> str:
    """Store it and forget all but the newest `KEPT` of the session; returns its name."""
    body = msgspec.msgpack.encode(snapshot)
    digest = hashlib.blake2b(body, digest_size=16).digest()
    name = _name(snapshot.session, snapshot.inputs)
    await blobs.put(name, msgspec.msgpack.encode(_Sealed(digest, body)))
    for old in (await blobs.names(f"snapshots/{snapshot.session}/"))[:-KEPT]:
        await blobs.delete(old)
    return name


async def newest(
    blobs: Blobs, session: str, *, tape_epoch: str, code_hash: str | None, tape_last: int
) -> Snapshot | None:
    """The newest good snapshot, of any code where `code_hash` is None; None where there is none."""
    for name in reversed(await blobs.names(f"{ROOT}{session}/")):
        snapshot = _open(await blobs.get(name))
        if snapshot is None or snapshot.session != session or snapshot.version != VERSION:
            continue
        if snapshot.tape_epoch != tape_epoch or snapshot.code_hash != (code_hash or snapshot.code_hash):
            continue
        if max(snapshot.place.sequence, snapshot.written, snapshot.answered) <= tape_last:
            return snapshot
    return None


async def to_go_on_from(blobs: Blobs, spec: SessionSpec, info: TapeInfo, code_hash: str) -> Snapshot | None:
    """The snapshot that recovery begins with; None where the session is decided from its first row.

    Under another code than the session began with, and for the first time, it is one of the code before.

    Raises:
        Conflict: then there is none, and the log cannot be decided again.
    """
    name, where = spec.session, {"tape_epoch": info.epoch, "tape_last": info.last}
    found = await newest(blobs, name, code_hash=code_hash, **where)  # type: ignore[arg-type]
    if found is None and code_hash != spec.code_hash:
        found = await newest(blobs, name, code_hash=None, **where)  # type: ignore[arg-type]
        if found is None:
            raise Conflict(
                f"Session {name} has no snapshot to go on from under code {code_hash}.",
                code="NO_SNAPSHOT",
                hint="Fork it: a fork decides the same rows under the code of now.",
            )
    return found


async def forget(blobs: Blobs, session: str) -> None:
    """Delete all snapshots of a session that is over."""
    for name in await blobs.names(f"{ROOT}{session}/"):
        await blobs.delete(name)


def _open(data: bytes | None) -> Snapshot | None:
    if data is None:
        return None
    try:
        sealed = msgspec.msgpack.decode(data, type=_Sealed)
        if hashlib.blake2b(sealed.body, digest_size=16).digest() != sealed.digest:
            return None
        return msgspec.msgpack.decode(sealed.body, type=Snapshot)
    except msgspec.MsgspecError:
        return None
