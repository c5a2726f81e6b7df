"""Room on the disk of a data folder, looked at before anything is made in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from events.errors import ProcessFailed

MIB = 1_048_576
TAPE_MIB = 32  # the tape's server with an empty store, and logs
MARKET_MIB = 128  # QuestDB: its natives, and a page of every column
DEMO_MIB = 1_024  # a demo leaves about 800


def require_room(folder: Path, mib: int, what: str) -> None:
    """Raises ProcessFailed where the disk of a folder, or of the one it will be made in, has less than `mib` left."""
    place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    free = shutil.disk_usage(place).free // MIB
    if free < mib:
        raise ProcessFailed(
            f"The disk of {folder} has {free} MiB left; {what} needs at least {mib} MiB. Nothing was made.",
            hint="Make room, or name another data folder in TAPEDECK_DATA.",
        )
