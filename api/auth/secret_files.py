"""Secrets of this house in files of its own: made once, whole or not at all, and read by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from events.children import sync_folder, write_private
from events.errors import InvalidInput


def kept_secret(path: Path, size: int) -> bytes:
    """The bytes of a 0600 file, which is made of chance where there is none.

    Raises:
        InvalidInput: it has another size, or another user may read it; nothing of it is in the message.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        _make(path, size)
        mode = path.stat().st_mode
    if stat.S_IMODE(mode) & 0o077:
        raise InvalidInput(
            f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}).",
            field=path.name,
            hint=f"chmod 600 {path}",
        )
    found = path.read_bytes()
    if len(found) != size:
        raise InvalidInput(
            f"{path} does not hold {size} bytes but {len(found)}.",
            field=path.name,
            hint="Bring it back from a copy; a new one is made where there is none.",
        )
    return found


def _make(path: Path, size: int) -> None:
    """A new one; of several processes the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_private(part, secrets.token_bytes(size))
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    sync_folder(path.parent)
