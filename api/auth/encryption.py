"""Encryption of what the vault keeps: a data key a record, wrapped by a key that the master key gives an environment.

The records lie on a stream that only grows; so each wrapped data key is a file of its own (0600) that can be deleted,
and with it the record is unreadable for ever, also for whoever has the stream and the master key.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.auth.secret_files import kept_secret
from events.children import sync_folder, write_private
from events.errors import InvalidInput, NotAvailable

MASTER_KEY = "TAPEDECK_MASTER_KEY"
KEY_BYTES = 32
NONCE_BYTES = 12


def master_key(path: Path, env: Mapping[str, str]) -> bytes:
    """The master key of the environment, else of a 0600 file that is made where there is none.

    Raises:
        InvalidInput: it is not 32 bytes, or others may read the file; nothing of it is in the message.
    """
    given = env.get(MASTER_KEY)
    if given is not None:
        return _decoded(given)
    return kept_secret(path, KEY_BYTES)


def _decoded(text: str) -> bytes:
    for decode in (bytes.fromhex, lambda given: base64.b64decode(given, validate=True)):
        try:
            found = decode(text.strip())
        except (ValueError, binascii.Error):
            continue
        if len(found) == KEY_BYTES:
            return found
    raise InvalidInput(f"{MASTER_KEY} must be {KEY_BYTES} bytes in hex or base64.", field=MASTER_KEY)


class Sealed:
    """Seals records, opens them, and makes them unreadable."""

    def __init__(self, master: bytes, folder: Path) -> None:
        self._master = master
        self._folder = folder

    def seal(self, name: str, environment: str, content: bytes) -> str:
        """Ciphertext (base64) under a new data key, which is on disk, wrapped, when this returns.

        `name` is that of the data key: it belongs to one record only.
        """
        key, about = secrets.token_bytes(KEY_BYTES), _about(name, environment)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._folder / name, _encrypted(self._wrapping(environment), key, about))
        return base64.b64encode(_encrypted(key, content, about)).decode()

    def open(self, name: str, environment: str, sealed: str) -> bytes:
        """The content.

        Raises:
            NotAvailable: the data key was destroyed, is on another machine, or belongs to another master key.
        """
        about = _about(name, environment)
        try:
            key = _decrypted(self._wrapping(environment), (self._folder / name).read_bytes(), about)
            return _decrypted(key, base64.b64decode(sealed), about)
        except (OSError, InvalidTag, ValueError):
            raise NotAvailable(
                "This key cannot be decrypted: its data key is gone, or the master key is another one.",
                code="KEY_UNREADABLE",
                hint="Store it again.",
            ) from None

    def destroy(self, name: str) -> None:
        """Forget a data key: nothing that was sealed with it can be opened again."""
        path = self._folder / name
        try:
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        except FileNotFoundError:
            return
        sync_folder(self._folder)

    def _wrapping(self, environment: str) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, None, f"tapedeck keys {environment}".encode()).derive(self._master)


def _about(name: str, environment: str) -> bytes:
    return f"{name}\0{environment}".encode()


def _encrypted(key: bytes, content: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, about)


def _decrypted(key: bytes, content: bytes, about: bytes) -> bytes:
    return AESGCM(key).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], about)
