"""Types are for ever: what was released is read today as it was meant."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from events import codec, frames
from events.facts import COMMANDS, FACTS, Command, Fact
from events.frames import NEWEST
from events.rows import ROW_DTYPES, SectionKind
from tests.events import samples

TAGS = FACTS + COMMANDS
ITEM_BYTES = {"MARKET": 48, "BAR": 72, "SIGNAL": 48, "ORDER": 80, "FILL": 88, "DENIAL": 56, "MARK": 72}


def within(value: object, released: object) -> object:
    """A value without the fields that came after the release, however deep."""
    if isinstance(value, dict) and isinstance(released, dict):
        return {name: within(value.get(name), inner) for name, inner in released.items()}
    if isinstance(value, list) and isinstance(released, list) and len(value) == len(released):
        return [within(one, other) for one, other in zip(value, released, strict=True)]
    return value


@pytest.mark.parametrize("kind", TAGS, ids=samples.tag_of)
def test_released_facts_are_read(kind: type[Fact | Command]) -> None:
    """Each released fact decodes, and encodes to all that it held, with the same values."""
    path = samples.fact_file(kind)
    assert path.exists(), "a new fact: python -m tests.events.samples adds its sample"
    body = path.read_bytes().strip()
    fact = codec.decode(body)
    assert type(fact) is kind
    released = msgspec.json.decode(body)
    again = msgspec.json.decode(codec.encode(fact))
    assert within(again, released) == released
    assert codec.encode(codec.decode(codec.encode(fact))) == codec.encode(fact)


def test_no_released_fact_is_gone() -> None:
    """Every golden file belongs to a type or to an upcaster: nothing that is on a tape becomes unreadable."""
    for path in sorted(samples.GOLDEN.glob("*.json")):
        assert codec.decode(path.read_bytes().strip()) is not None


def test_tags_are_the_names() -> None:
    """A tag is its type's name, so that it is found; no two types share one."""
    tags = [samples.tag_of(kind) for kind in TAGS]
    assert tags == [kind.__name__ for kind in TAGS]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(("kind", "version"), list(ROW_DTYPES), ids=lambda each: str(getattr(each, "name", each)))
def test_released_rows_are_read(kind: SectionKind, version: int) -> None:
    """Each released row dtype decodes to the values it was made of, field by field, and encodes to the same bytes."""
    path = samples.rows_file(kind, version)
    assert path.exists(), "a new row dtype: python -m tests.events.samples adds its sample"
    body = bytes.fromhex(path.read_text())
    (section,) = frames.decode(body)
    assert (section.kind, section.ordinal, section.rows.dtype) == (
        kind,
        samples.ORDINAL,
        ROW_DTYPES[kind, NEWEST[kind]],
    )
    if version == NEWEST[kind]:
        assert section.rows.tobytes() == samples.sample_rows(kind, version).tobytes()
        assert frames.encode([section]) == body


def test_rows_are_packed_and_little_endian() -> None:
    """Sizes are as documented, fields lie behind each other without holes, byte order is fixed."""
    for (kind, version), dtype in ROW_DTYPES.items():
        assert version == 1
        assert dtype.itemsize == ITEM_BYTES[kind.name]
        at = 0
        for name in dtype.names or ():
            field, offset = (dtype.fields or {})[name][:2]
            assert offset == at
            assert field.newbyteorder("<") == field
            at += field.itemsize
        assert at == dtype.itemsize
        assert np.dtype(dtype).isalignedstruct is False
