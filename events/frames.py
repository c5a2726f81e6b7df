"""Frames: a message body of 1..k sections, each of 1..N packed rows of one dtype.

Layout, little-endian: magic `TDF1`, u2 number of sections, u2 zero; per section u1 kind, u1 version, u2 zero,
u4 rows, i8 ordinal of its first row; then the rows of each section in turn. Decoding copies nothing.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from events.errors import Bug, Undecodable
from events.rows import FLOAT_FIELDS, ROW_DTYPES, Rows, SectionKind

MAGIC = b"TDF1"
SECTIONS_MAX = 16
_HEAD = struct.Struct("<4sHH")
_SECTION = struct.Struct("<BBHIq")

FEW_ROWS = 24  # up to which looking at each float costs less than numpy's first step

NEWEST: dict[SectionKind, int] = {
    kind: max(version for other, version in ROW_DTYPES if other is kind) for kind in SectionKind
}

# Of a few rows: the float fields of one row, the bytes between them skipped.
_FLOATS: dict[np.dtype, struct.Struct] = {
    dtype: struct.Struct(
        "<" + "".join("d" if dtype[name].kind == "f" else f"{dtype[name].itemsize}x" for name in dtype.names or ())
    )
    for dtype in FLOAT_FIELDS
}
DTYPES = {(int(kind), version): (kind, dtype) for (kind, version), dtype in ROW_DTYPES.items()}

# (kind, version) -> function from rows of that version to rows of the next.
UPCASTERS: dict[tuple[SectionKind, int], Callable[[Rows], Rows]] = {}


class Section(msgspec.Struct, frozen=True):
    """Rows of one kind. `ordinal` is the place of the first row among all rows of its kind in its stream."""

    kind: SectionKind
    rows: Rows
    ordinal: int = 0


def encode(sections: Sequence[Section]) -> bytes:
    """One message body.

    Raises:
        Bug: no sections, an empty section, rows of another dtype, or a number that is not finite.
    """
    if not 1 <= len(sections) <= SECTIONS_MAX:
        raise Bug(f"A frame has 1 to {SECTIONS_MAX} sections, not {len(sections)}.")
    parts: list[bytes] = [_HEAD.pack(MAGIC, len(sections), 0)]
    for section in sections:
        version = NEWEST[section.kind]
        _check(section.kind, version, section.rows)
        parts.append(_SECTION.pack(section.kind, version, 0, len(section.rows), section.ordinal))
    parts.extend(np.ascontiguousarray(section.rows).tobytes() for section in sections)
    return b"".join(parts)


def decode(body: bytes | memoryview, sequence: int = 0) -> list[Section]:
    """The sections of a body; rows are read-only views on `body`, upcast where they are of an older version.

    Raises:
        Undecodable: not a frame, an unknown kind or version, or a length that does not fit.
    """
    if len(body) < _HEAD.size:
        raise Undecodable(f"Message {sequence} has {len(body)} bytes, too few for a frame.", sequence=sequence)
    magic, count, zero = _HEAD.unpack_from(body, 0)
    at = _HEAD.size + count * _SECTION.size
    if magic != MAGIC or zero or not 1 <= count <= SECTIONS_MAX or len(body) < at:
        raise Undecodable(f"Message {sequence} is not a frame.", sequence=sequence)
    sections = []
    for number in range(count):
        kind, version, zero, rows, ordinal = _SECTION.unpack_from(body, _HEAD.size + number * _SECTION.size)
        known, dtype = _dtype(kind, version, sequence)
        size = rows * dtype.itemsize
        if zero or rows < 1 or at + size > len(body):
            raise Undecodable(f"Message {sequence}: section {number} does not fit its body.", sequence=sequence)
        data = np.frombuffer(body, dtype=dtype, count=rows, offset=at)
        if bad := _not_finite(data):
            raise Undecodable(f"Message {sequence}, section {number}: {bad}", sequence=sequence)
        sections.append(Section(known, upcast(known, version, data), ordinal))
        at += size
    if at != len(body):
        raise Undecodable(f"Message {sequence} has {len(body) - at} bytes behind its last row.", sequence=sequence)
    return sections


def rows_of(sections: Iterable[Section], kind: SectionKind) -> Rows:
    """The rows of one kind, empty where the frame has none."""
    for section in sections:
        if section.kind is kind:
            return section.rows
    return np.empty(0, ROW_DTYPES[kind, NEWEST[kind]])


def _dtype(kind: int, version: int, sequence: int) -> tuple[SectionKind, np.dtype]:
    try:
        return DTYPES[kind, version]
    except KeyError:
        raise Undecodable(
            f"Message {sequence} has a section of kind {kind} version {version}, which this version does not know.",
            sequence=sequence,
            hint="Read it with the release that wrote it, or a newer one.",
        ) from None


def upcast(kind: SectionKind, version: int, rows: Rows) -> Rows:
    """Rows of a version as rows of the newest."""
    while version < NEWEST[kind]:
        rows = UPCASTERS[kind, version](rows)
        version += 1
    return rows


def _check(kind: SectionKind, version: int, rows: Rows) -> None:
    dtype = ROW_DTYPES[kind, version]
    if rows.dtype != dtype or rows.ndim != 1 or not len(rows):
        raise Bug(f"A {kind.name} section takes rows of its own dtype, at least one; got {rows.dtype}.")
    if bad := _not_finite(rows):
        raise Bug(f"A {kind.name} section: {bad}")


def _not_finite(rows: Rows) -> str:
    if len(rows) <= FEW_ROWS and _few_finite(rows):
        return ""
    for name in FLOAT_FIELDS[rows.dtype]:
        finite = np.isfinite(rows[name])
        if not finite.all():
            first = int(np.flatnonzero(~finite)[0])
            return f"row {first} has {name} = {rows[name][first]}."
    return ""


def _few_finite(rows: Rows) -> bool:
    """Whether the sum of each row's floats is finite; finite floats may add up to infinity, so False proves nothing."""
    return all(math.isfinite(sum(row)) for row in _FLOATS[rows.dtype].iter_unpack(rows.tobytes()))
