"""Frames of many messages decoded at once: the sections of each kind one behind the other, in order.

Decoding a frame of a few rows by itself costs more than its rows. What is wrong with a frame is said by
`frames.decode` alone; here only the first frame that it would refuse is found.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from events import frames
from events.rows import FLOAT_FIELDS, Rows, SectionKind

_HEAD = np.dtype([("magic", "S4"), ("sections", "<u2"), ("zero", "<u2")])
_SECTION = np.dtype([("kind", "u1"), ("version", "u1"), ("zero", "<u2"), ("rows", "<u4"), ("ordinal", "<i8")])

Integers = NDArray[np.int64]


class Layer(msgspec.Struct, frozen=True):
    """The sections of one kind, and the rows of all of them. Arrays have one item a section."""

    frame: Integers  # which frame it is of; 0 is the first
    place: Integers  # its number among all sections of all kinds
    ordinal: Integers
    length: Integers  # rows
    rows: Rows  # of the newest version, one section behind the other

    def parts(self) -> list[Rows]:
        """The rows of each section."""
        ends = np.cumsum(self.length)
        return [self.rows[first:end] for first, end in zip((ends - self.length).tolist(), ends.tolist(), strict=True)]


class Stack(msgspec.Struct, frozen=True):
    """What `frames.decode` gives for each of `frames` bodies, by kind."""

    frames: int = 0
    layers: dict[SectionKind, Layer] = {}

    def of(self, chosen: Integers) -> Stack:
        """Some of the frames, in order, counted anew."""
        if len(chosen) == self.frames:
            return self
        number = np.full(self.frames, -1)
        number[chosen] = np.arange(len(chosen))
        layers = {kind: _of(layer, number[layer.frame]) for kind, layer in self.layers.items()}
        return Stack(len(chosen), {kind: layer for kind, layer in layers.items() if len(layer.rows)})


def _of(layer: Layer, frame: Integers) -> Layer:
    kept = frame >= 0
    rows = layer.rows[np.repeat(kept, layer.length)]
    return Layer(frame[kept], layer.place[kept], layer.ordinal[kept], layer.length[kept], rows)


def stack(bodies: Sequence[bytes]) -> Stack:
    """The sections of the bodies before the first that is no frame: `frames` says how many those are."""
    data = b"".join(bodies)
    size = np.fromiter(map(len, bodies), "<i8", len(bodies))
    start = np.cumsum(size) - size
    good = _until(size >= _HEAD.itemsize)
    head = _read(data, start[:good], _HEAD)
    count = head["sections"].astype("<i8")
    behind = _HEAD.itemsize + _SECTION.itemsize * count  # where the rows begin
    good = _until(
        (head["magic"] == frames.MAGIC)
        & (head["zero"] == 0)
        & (count >= 1)
        & (count <= frames.SECTIONS_MAX)
        & (size[:good] >= behind)
    )
    frame, number = _places(count[:good])
    table = _read(data, start[frame] + _HEAD.itemsize + _SECTION.itemsize * number, _SECTION)
    taken, known = _bytes(table)
    end = np.cumsum(taken) if good else taken
    last = np.cumsum(count[:good]) - 1
    total = np.diff(end[last], prepend=0)
    whole = behind[:good] + total == size[:good]
    whole[frame[~known]] = False
    if (good := _until(whole)) < len(bodies):
        return stack(bodies[:good])
    at = start[frame] + (behind + total - end[last])[frame] + end - taken
    return _layered(data, bodies, frame, table, at)


def _layered(data: bytes, bodies: Sequence[bytes], frame: Integers, table: NDArray[np.void], at: Integers) -> Stack:
    layers: dict[SectionKind, Layer] = {}
    bad = len(bodies)
    for kind in np.unique(table["kind"]).tolist():
        place = np.flatnonzero(table["kind"] == kind)
        length = table["rows"][place].astype("<i8")
        of_row, row = _places(length)
        parts, which = [], []
        for version in np.unique(table["version"][place]).tolist():
            known, dtype = frames.DTYPES[kind, version]
            mine = np.flatnonzero(table["version"][place][of_row] == version)
            rows = _read(data, at[place][of_row[mine]] + row[mine] * dtype.itemsize, dtype)
            wrong = mine[~_finite(rows)]
            bad = min([bad, *frame[place][of_row[wrong[:1]]].tolist()])
            parts.append(frames.upcast(known, version, rows))
            which.append(mine)
        joined = parts[0] if len(parts) == 1 else np.concatenate(parts)[np.argsort(np.concatenate(which))]
        layers[SectionKind(kind)] = Layer(frame[place], place, table["ordinal"][place], length, joined)
    return Stack(len(bodies), layers) if bad == len(bodies) else stack(bodies[:bad])


def _until(good: NDArray[np.bool_]) -> int:
    """How many from the first on are good."""
    return len(good) if good.all() else int(np.argmin(good))


def _places(lengths: Integers) -> tuple[Integers, Integers]:
    """Of things that have so many parts each: for each part which thing it is of, and which part of it."""
    whole = np.repeat(np.arange(len(lengths)), lengths)
    return whole, np.arange(len(whole)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _bytes(table: NDArray[np.void]) -> tuple[Integers, NDArray[np.bool_]]:
    """How many bytes the rows of each section have, and whether the section can be read at all."""
    itemsize = np.zeros(len(table), "<i8")
    for (kind, version), (_, dtype) in frames.DTYPES.items():
        itemsize[(table["kind"] == kind) & (table["version"] == version)] = dtype.itemsize
    readable = (itemsize > 0) & (table["zero"] == 0) & (table["rows"] >= 1)
    return table["rows"] * itemsize, readable


def _read(data: bytes, at: Integers, dtype: np.dtype) -> NDArray[np.void]:
    """An item of a dtype from each place of the data."""
    window = np.ndarray(max(len(data) - dtype.itemsize + 1, 0), f"V{dtype.itemsize}", data, strides=(1,))
    return window[at].view(dtype)


def _finite(rows: Rows) -> NDArray[np.bool_]:
    finite = np.ones(len(rows), np.bool_)
    for name in FLOAT_FIELDS[rows.dtype]:
        finite &= np.isfinite(rows[name])
    return finite
