"""Who may do what on the server: one nkey a role, so that no process can do more than its work.

Nobody may delete or purge TAPE or VAULT, or delete a message of them. The seeds lie in 0600 files, the server's
configuration holds public keys only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
import nkeys

from events.children import write_private
from events.jetstream.link import inbox_prefix
from events.jetstream.streams import BLOBS, COUNTERS, LIVENESS


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a role may do beside reading the tape."""

    appends: tuple[str, ...] = ()  # subjects of the tape
    vault: bool = False  # reads and writes it
    vault_reading: bool = False
    keys: tuple[str, ...] = ()  # buckets
    blobs: bool = False
    creates: bool = False  # streams and buckets, at `init`


_MARKET = ("tape.market.>", "tape.recording.>", "tape.catalogue")
_SESSIONS = ("tape.session.>", "tape.research.>")
_AGGREGATES = (
    "tape.desk",
    "tape.strategies",
    "tape.configuration",
    "tape.jobs",
    "tape.job.>",
    "tape.audit",
    "tape.house",
)

ROLES: Mapping[str, Role] = {
    "engine": Role(("tape.command.>", *_AGGREGATES, *_SESSIONS, *_MARKET), keys=(LIVENESS,), blobs=True),
    "worker": Role(("tape.command.>", *_AGGREGATES, *_SESSIONS, *_MARKET), keys=(LIVENESS,), blobs=True),
    "recorder": Role(_MARKET, keys=(LIVENESS,), blobs=True),
    "projector": Role(("tape.house",), keys=(LIVENESS,), blobs=True),
    "api": Role(
        ("tape.command.>", "tape.catalogue", "tape.audit", "tape.house"),
        vault=True,
        keys=(LIVENESS, COUNTERS),
        blobs=True,
    ),
    "supervisor": Role(("tape.house",), keys=(LIVENESS,)),
    "seal": Role(vault_reading=True, keys=(LIVENESS,)),
    "admin": Role(("tape.>",), vault=True, keys=(LIVENESS, COUNTERS), blobs=True, creates=True),
}


def publish_subjects(role: Role) -> list[str]:
    """Every subject that a role may publish to."""
    allowed = ["$JS.API.INFO", *_reading("TAPE"), *role.appends]
    if role.vault:
        allowed.append("vault.>")
    if role.vault or role.vault_reading:
        allowed += _reading("VAULT")
    for bucket in role.keys:
        allowed += [f"$KV.{bucket}.>", *_reading(f"KV_{bucket}")]
    if role.blobs:
        allowed += [f"$O.{BLOBS}.>", *_reading(f"OBJ_{BLOBS}"), f"$JS.API.STREAM.PURGE.OBJ_{BLOBS}"]
    if role.creates:
        allowed += ["$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"]
    return allowed


def _reading(stream: str) -> list[str]:
    return [
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.STREAM.MSG.GET.{stream}",
        f"$JS.API.DIRECT.GET.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.DELETE.{stream}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
    ]


def authorization(public_keys: Mapping[str, str], roles: Mapping[str, Role]) -> str:
    """The `authorization` block of the server's configuration."""
    users = "\n".join(_user(public_keys[name], name, roles[name]) for name in sorted(public_keys))
    return f"authorization {{\n  users = [\n{users}\n  ]\n}}"


def _user(public_key: str, name: str, role: Role) -> str:
    publish = ", ".join(f'"{subject}"' for subject in publish_subjects(role))
    return (
        f"    {{ nkey: {public_key}, permissions: {{ publish: {{ allow: [{publish}] }}, "
        f'subscribe: {{ allow: ["{inbox_prefix(name)}.>"] }} }} }}'
    )


def make_keys(folder: Path, roles: Mapping[str, Role]) -> dict[str, str]:
    """Public key of each role; a seed file is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {name: _public_key(seed_file(folder, name)) for name in roles}


def seed_file(folder: Path, role: str) -> Path:
    """Where the seed of a role lies."""
    return folder / f"{role}.nk"


def _public_key(path: Path) -> str:
    if not path.exists():
        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)  # type: ignore[no-untyped-call]
        write_private(path, seed)
    pair = nkeys.from_seed(bytearray(path.read_bytes().strip()))  # type: ignore[no-untyped-call]
    return str(pair.public_key.decode())
