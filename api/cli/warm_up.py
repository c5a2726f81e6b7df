"""`tapedeck warm-up`: every decision loop compiled ahead of the first session, once per content."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from api.cli.telling import note, progress, say
from api.settings import Settings
from events.errors import ProcessFailed

PACKAGES = ("numba", "numpy", "llvmlite")
STAMP = "warm.json"


class Stamp(msgspec.Struct, frozen=True):
    """What was compiled: the hash of all that goes into it, and the files that came of it."""

    key: str
    loops: int
    files: tuple[str, ...]


@click.command("warm-up", epilog="Example: `tapedeck warm-up`")
@click.pass_obj
def warm_up(settings: Settings) -> None:
    """Compile every decision loop ahead of the first session.

    One loop a strategy and one of all, each without bars of a timeframe and with them. What was compiled before is
    found again within a second. QuestDB's classes are archived too, once for its jar and its Java: it starts in half
    the time from there.
    """
    _archive(settings)
    given = settings.engine.strategies
    folder = Path(given).expanduser() if given else None
    key = key_of(folder)
    known = read_stamp()
    if known is not None and known.key == key and all(Path(file).is_file() for file in known.files):
        say(f"{known.loops} decision loops are compiled and cached")
        return
    loops = _compile(folder)
    write_stamp(Stamp(key, loops, _compiled_files()))
    say(f"{loops} decision loops compiled and cached")


def _archive(settings: Settings) -> None:
    from projections.questdb import java

    if settings.market.store != "questdb" or java.cached_jar() is None:
        return
    if java.archive_of(java.QuestDbSettings()).is_file():
        return
    from projections.questdb import archive

    with progress("archiving QuestDB's classes", ""):
        try:
            asyncio.run(archive.make())
        except ProcessFailed as error:  # it starts without one, as before
            note(str(error))
            return
    say("QuestDB's classes are archived")


def _compile(folder: Path | None) -> int:
    import numpy as np

    from engine.loop import warm_up as loops
    from engine.recordings.segments import checksum
    from events.rows import MARKET_DTYPE

    checksum(np.zeros(1, MARKET_DTYPE))  # compiled beside the loops: reading a segment waits for no compiler
    with progress("compiling decision loops", "loops") as bar:
        return len(loops.warm_up(folder, lambda title, done, total: bar(done, total)))


def key_of(folder: Path | None) -> str:
    """Hash over the sources that loops are generated from, the user's strategies, and what compiles them."""
    root = Path(__file__).resolve().parents[2]
    sources = [*(root / "engine").rglob("*.py"), *(root / "events").rglob("*.py"), *_users(folder)]
    whole = hashlib.blake2b(digest_size=16)
    whole.update(f"{sys.version} {platform.machine()} {platform.processor()}".encode())
    whole.update(" ".join(version(name) for name in PACKAGES).encode())
    for path in sorted(sources):
        whole.update(f"{path}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def _users(folder: Path | None) -> list[Path]:
    return list(folder.glob("*.py")) if folder is not None and folder.is_dir() else []


def _compiled_files() -> tuple[str, ...]:
    from engine.loop.module import cache_folder

    modules = [name for name in sys.modules if name.startswith("tapedeck_")]
    cached = cache_folder() / "__pycache__"
    return tuple(sorted(str(file) for name in modules for file in cached.glob(f"{name}.*.nb?")))


def _stamp_file() -> Path:
    """Beside the loops; see `engine.loop.module.cache_folder`, whose import alone would take a second."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("TAPEDECK_CACHE_DIR") or Path(home) / "tapedeck") / "loops" / STAMP


def read_stamp() -> Stamp | None:
    """What the last warm-up compiled; None where that is not known."""
    try:
        return msgspec.json.decode(_stamp_file().read_bytes(), type=Stamp)
    except (OSError, msgspec.MsgspecError):
        return None


def write_stamp(stamp: Stamp) -> None:
    """Remember what was compiled."""
    from events.children import write_private

    write_private(_stamp_file(), msgspec.json.encode(stamp))
