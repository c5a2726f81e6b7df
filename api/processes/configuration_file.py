"""The YAML file of `configuration.file`: what changes in it on disk becomes a change of the configuration.

Nothing here writes that file.

A key that was told already is told again only when the file has another value for it, so what users changed since
stands. What was told is kept in the data folder; the first look at a file leaves alone what somebody changed before.
A file that cannot be taken over whole changes nothing; the log says why, once, and health until it is mended.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import structlog

from api.house import House
from api.places import Places
from api.services import configuration as work
from api.services.configuration_yaml import parsed
from engine.configuration.changes import DOCUMENT_BYTES_MAX, Values, nested, read
from events.children import write_private
from events.errors import InvalidInput, TapedeckError

log = structlog.get_logger(__name__)

USER = "configuration-file"  # who changed what the file changed


class ConfigurationFile:
    """One process's look at the file."""

    def __init__(self, house: House) -> None:
        settings = house.settings.configuration
        self._house = house
        self._told = house.config_file
        self._file = Path(settings.file).expanduser() if settings.file else None
        self._seconds = settings.look_seconds
        self._kept = Places(house.settings.folder).configuration_seen
        self._looked: object = None  # what the last look found, also where it was no good

    async def run(self) -> None:
        """Look now and then until cancelled."""
        while self._file is not None:
            try:
                await self.look()
            except InvalidInput as error:
                self._told.tell("warn", f"the file is not taken over, the values before it stand: {error.message}")
                log.error("configuration_file_refused", file=str(self._file), error=str(error), fields=error.fields)
            except TapedeckError as error:  # looked at again: nothing of it was told
                self._looked = None
                self._told.tell("warn", f"the file waits to be taken over: {error.message}")
                log.warning("configuration_file_waits", error=str(error))
            except Exception as error:  # a file must not end the look at it; not tried again until it changes
                self._told.tell("failed", f"the file could not be taken over: {type(error).__name__}, see the log")
                log.exception("configuration_file_failed", file=str(self._file))
            await asyncio.sleep(self._seconds)

    async def look(self) -> Values:
        """Take over what changed on disk since the last look; what was taken over.

        Raises:
            InvalidInput: the file cannot be read, is no YAML, or holds values that cannot be. Not again until it
                changes.
            TapedeckError: it could not be told.
        """
        assert self._file is not None, "there is a file"
        state = await asyncio.to_thread(_state, self._file)
        if state == self._looked:
            return {}
        self._looked = state
        if state is None:
            self._told.tell("ok", "there is no file")
            return {}
        held = read(await asyncio.to_thread(_content, self._file))
        changed = await self._changed(held)
        if changed:
            await work.change(self._house, USER, None, nested(changed), "file")
        await asyncio.to_thread(write_private, self._kept, msgspec.json.encode(held))
        self._told.tell("ok", "the file is taken over")
        log.info("configuration_file_read", file=str(self._file), changed=sorted(changed))
        return changed

    async def _changed(self, held: Values) -> Values:
        seen = await asyncio.to_thread(_seen, self._kept)
        if seen is None:
            touched = await work.touched(self._house)
            seen = {key: value for key, value in held.items() if key in touched}
        return {key: value for key, value in held.items() if key not in seen or seen[key] != value}


def _state(file: Path) -> tuple[int, int, int] | None:
    """What differs when a file was written; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _content(file: Path) -> object:
    try:
        with file.open("rb") as opened:
            text = opened.read(DOCUMENT_BYTES_MAX + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InvalidInput(f"The file of the configuration cannot be read: {why}.", field="file") from None
    return parsed(text, "file")


def _seen(kept: Path) -> Values | None:
    try:
        return msgspec.json.decode(kept.read_bytes(), type=dict)
    except (OSError, msgspec.MsgspecError):
        return None
