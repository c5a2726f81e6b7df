"""Seeded damage to the files of a stopped nats-server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

Chance = np.random.Generator


class Damage(NamedTuple):
    """What was done, and whether the file holds messages."""

    what: str
    path: Path
    holds_messages: bool


def flip_bit(path: Path, chance: Chance) -> str:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    at = int(chance.integers(len(data) * 8))
    data[at // 8] ^= 1 << at % 8
    path.write_bytes(data)
    return f"bit {at % 8} of byte {at // 8} of {len(data)} flipped"


def cut(path: Path, chance: Chance) -> str:
    """Cut the end off."""
    size = path.stat().st_size
    at = int(chance.integers(size))
    os.truncate(path, at)
    return f"cut at {at} of {size}"


def blank(path: Path, chance: Chance) -> str:
    """Overwrite a stretch with zeros."""
    data = bytearray(path.read_bytes())
    at = int(chance.integers(len(data)))
    size = min(int(chance.integers(1, 5_000)), len(data) - at)
    changed = any(data[at : at + size])
    data[at : at + size] = bytes(size)
    if not changed:
        return flip_bit(path, chance)
    path.write_bytes(data)
    return f"{size} bytes at {at} of {len(data)} zeroed"


def delete(path: Path, chance: Chance) -> str:
    """Delete it."""
    path.unlink()
    return "deleted"


def swap(path: Path, chance: Chance) -> str:
    """Put the content of the file before it, or a piece of its own, in its place."""
    others = sorted(other for other in path.parent.glob("*.blk") if other != path)
    if path.suffix != ".blk" or not others:
        return cut(path, chance)
    other = others[int(chance.integers(len(others)))]
    shutil.copyfile(other, path)
    return f"replaced by {other.name}"


HOW: tuple[Callable[[Path, Chance], str], ...] = (flip_bit, flip_bit, flip_bit, cut, blank, delete, swap)


def damage(stream: Path, chance: Chance) -> Damage:
    """Damage one file of a stream's folder: mostly one with messages, now and then one of the others."""
    blocks = sorted((stream / "msgs").glob("*.blk"), key=lambda path: int(path.stem))
    others = sorted(path for path in stream.rglob("*") if path.is_file() and path.suffix != ".blk")
    holds = bool(chance.random() < 0.8) or not others
    paths = blocks if holds else others
    path = paths[int(chance.integers(len(paths)))]
    how = HOW[int(chance.integers(len(HOW)))]
    return Damage(f"{path.relative_to(stream)}: {how(path, chance)}", path, holds)
