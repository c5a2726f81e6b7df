"""The seal on a tape in memory: what it notices, from where it goes on, and how its files hold."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from events import seal
from events.errors import TapeDamaged, TapeForeign, TapeRefused, TapeShorter
from events.memory_tape import MemoryTape
from events.seal import chain, files
from events.seal.chain import Chain, Point
from events.tape import Append, Message

FAST = seal.SealSettings(interval_seconds=0.01, point_bytes=2_000, point_messages=1_000)


async def filled(count: int = 60) -> MemoryTape:
    """A tape with some messages."""
    tape = MemoryTape(epoch="e")
    for number in range(count):
        await tape.append(Append("tape.a", bytes([number]) * 100, f"m-{number}", {"X-N": str(number)}))
    return tape


async def sealed(tape: MemoryTape, folder: Path) -> None:
    """Seal all of it."""
    seal.create(folder, "e")
    sealer = seal.Sealer(tape, folder, settings=FAST)
    await sealer.start()
    await sealer.wait((await tape.info()).last, 5)
    await sealer.close()


def change(tape: MemoryTape, at: int, **fields: object) -> None:
    """Change a stored message behind the tape's back."""
    messages = tape._store.messages
    messages[at - 1] = msgspec.structs.replace(messages[at - 1], **fields)


async def test_whole_tape_passes(tmp_path: Path) -> None:
    """An unchanged tape passes, with all of it read; a short look reads only what follows the last point."""
    tape = await filled()
    await sealed(tape, tmp_path)
    report = await seal.check(tape, tmp_path)
    assert (report.sequence, report.last, report.messages_read, report.bytes_read) == (60, 60, 60, 6_000)
    short = await seal.check(tape, tmp_path, deep=False)
    assert 0 < short.messages_read <= 20


async def test_progress_is_told(tmp_path: Path) -> None:
    """A long check says how far it is, up to the whole."""
    tape = await filled()
    await sealed(tape, tmp_path)
    told: list[tuple[int, int]] = []
    await seal.check(tape, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (6_000, 6_000)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    "fields",
    [{"body": b"other"}, {"subject": "tape.b"}, {"headers": {"X-N": "0"}}, {"headers": {}}],
)
@pytest.mark.parametrize("sequence", [1, 33, 60])
async def test_any_change_is_noticed(fields: dict[str, object], sequence: int, tmp_path: Path) -> None:
    """Another body, subject or header anywhere is noticed, and the stretch it lies in is named."""
    tape = await filled()
    await sealed(tape, tmp_path)
    change(tape, sequence, **fields)
    with pytest.raises(TapeDamaged) as refused:
        await seal.check(tape, tmp_path)
    assert refused.value.sequence <= sequence < refused.value.sequence + 21
    assert "Nothing was appended" in refused.value.hint


async def test_lost_messages_are_noticed(tmp_path: Path) -> None:
    """A shorter tape, and one whose last messages were written anew, are noticed."""
    tape = await filled()
    await sealed(tape, tmp_path)
    lost = tape._store.messages.pop()
    with pytest.raises(TapeShorter, match="ends at sequence 59, but it was sealed up to 60: 1 messages"):
        await seal.check(tape, tmp_path)
    with pytest.raises(TapeShorter):
        await seal.Sealer(tape, tmp_path).start()
    tape._store.messages.append(msgspec.structs.replace(lost, body=b"another message"))
    with pytest.raises(TapeDamaged):
        await seal.check(tape, tmp_path)


async def test_gap_is_noticed_while_sealing(tmp_path: Path) -> None:
    """A sealer that meets a gap stops and says where."""
    tape = await filled(10)
    change(tape, 6, sequence=7)
    seal.create(tmp_path, "e")
    sealer = seal.Sealer(tape, tmp_path, settings=FAST)
    await sealer.start()
    with pytest.raises(TapeDamaged, match="Behind sequence 5 of the tape comes 7"):
        await sealer.wait(10, 5)
    await sealer.close()
    assert files.read_head(tmp_path, "e").point.sequence <= 5


async def test_sealing_goes_on_where_it_was(tmp_path: Path) -> None:
    """A new sealer goes on behind the head, and the chain is the same as in one go."""
    tape = await filled(30)
    await sealed(tape, tmp_path / "two")
    for number in range(30, 60):
        await tape.append(Append("tape.a", bytes([number]) * 100, f"m-{number}", {"X-N": str(number)}))
    report = await seal.check(tape, tmp_path / "two")
    assert (report.sequence, report.last) == (30, 60)
    await sealed(tape, tmp_path / "two")
    await sealed(tape, tmp_path / "one")
    assert files.read_head(tmp_path / "two", "e") == files.read_head(tmp_path / "one", "e")


async def test_seal_of_another_epoch(tmp_path: Path) -> None:
    """A seal is not used for another tape, and not replaced by beginning anew."""
    await sealed(await filled(), tmp_path)
    other = MemoryTape(epoch="f")
    with pytest.raises(TapeForeign):
        await seal.check(other, tmp_path)
    with pytest.raises(TapeForeign):
        await seal.Sealer(other, tmp_path).start()
    with pytest.raises(TapeForeign):
        seal.create(tmp_path, "f")
    seal.create(tmp_path, "e")
    assert files.read_head(tmp_path, "e").point.sequence == 60


async def test_resealing_keeps_the_old_head(tmp_path: Path) -> None:
    """Beginning anew on purpose keeps what was there under another name."""
    await sealed(await filled(), tmp_path)
    files.restart(tmp_path, "f")
    assert files.read_head(tmp_path, "f").point == chain.start("f")
    assert (tmp_path / "seal.json.old").exists()
    assert files.read_points(tmp_path) == []


def test_missing_and_damaged_files(tmp_path: Path) -> None:
    """A missing or damaged head is refused, whatever is wrong with it; damaged lines count as missing."""
    with pytest.raises(TapeRefused, match="no seal"):
        files.read_head(tmp_path, "e")
    seal.create(tmp_path, "e")
    whole = (tmp_path / files.HEAD).read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        (tmp_path / files.HEAD).write_bytes(damaged)
        with pytest.raises(TapeRefused):
            files.read_head(tmp_path, "e")
    for sequence in (1, 2, 3):
        files.add_point(tmp_path, Point(sequence, "00", sequence * 10))
    lines = (tmp_path / files.POINTS).read_bytes().splitlines()
    (tmp_path / files.POINTS).write_bytes(b"\n".join([lines[0], lines[1][:-5], lines[2][:20]]))
    assert [point.sequence for point in files.read_points(tmp_path)] == [1]


def test_every_part_of_a_message_counts() -> None:
    """Moving a byte from one part of a message to the next gives another hash."""
    before = bytes(32)
    one = Message(1, "tape.a", {"A": "b"}, b"body", 0)
    links = {
        chain.link(before, one),
        chain.link(before, msgspec.structs.replace(one, sequence=2)),
        chain.link(before, msgspec.structs.replace(one, subject="tape.aA")),
        chain.link(before, msgspec.structs.replace(one, headers={"A": "bb"}, body=b"ody")),
        chain.link(before, msgspec.structs.replace(one, headers={}, body=b"A:bbody")),
        chain.link(bytes(31) + b"\x01", one),
    }
    assert len(links) == 6
    reordered = Message(1, "tape.a", {"B": "1", "A": "2"}, b"", 0)
    assert chain.link(before, reordered) == chain.link(before, msgspec.structs.replace(reordered, appended_ns=5))


def test_chain_takes_only_the_next_message() -> None:
    """A chain stands still at a gap."""
    at = Chain(chain.start("e"))
    assert at.add(Message(1, "tape.a", {}, b"x", 0))
    assert not at.add(Message(3, "tape.a", {}, b"x", 0))
    assert at.point.sequence == 1
