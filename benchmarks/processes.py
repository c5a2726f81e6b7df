"""A process and everything below it, read from /proc: names, resident and shared-out memory, CPU seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
ROLES = ("api", "engine", "worker", "projector", "seal")


class Use(NamedTuple):
    """One process. MiB; `pss_mb` counts a page that n processes share as an n-th."""

    pid: int
    name: str
    rss_mb: float
    pss_mb: float
    cpu_seconds: float


def tree(root: int) -> list[Use]:
    """The process `root` and its descendants; one that ends meanwhile is left out."""
    below: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            below.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        waiting += below.get(pid, [])
        if (use := use_of(pid)) is not None:
            found.append(use)
    return found


def use_of(pid: int) -> Use | None:
    """What one process uses now; None where it has ended."""
    folder = PROC / str(pid)
    try:
        rollup = _fields((folder / "smaps_rollup").read_text())
        words = (folder / "stat").read_text().rpartition(")")[2].split()
        name = name_of((folder / "cmdline").read_bytes().split(b"\0"))
    except (OSError, KeyError):
        return None
    return Use(pid, name, rollup["Rss"] / 1024, rollup["Pss"] / 1024, (int(words[11]) + int(words[12])) / TICKS)


def name_of(command: list[bytes]) -> str:
    """What a process of a house is called."""
    words = [word.decode(errors="replace") for word in command if word]
    if words and Path(words[0]).name == "java":
        return "questdb"
    if words and words[0].endswith("nats-server"):
        return "nats-server"
    role = words[words.index("run") + 1] if "run" in words[:-1] else ""
    return role if role in ROLES else "itself"


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _fields(text: str) -> Mapping[str, int]:
    lines = (line.split() for line in text.splitlines()[1:])
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) >= 2 and words[1].isdigit()}
