"""The QuestDB server: one pinned jar, fetched with the ordinary Maven client, checked, kept in the cache folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from scripts.cache import file_hash, require_space
from scripts.commands import run
from scripts.console import Step, Trouble, step
from scripts.java import maven_environment

VERSION = "9.3.4"
SHA256 = "939bc53ab22f93dbaa6545143a6e7c536d4904c07b7f2d381e8eef10436be062"
ARTIFACT = f"org.questdb:questdb:{VERSION}"
JAR_NAME = f"questdb-{VERSION}.jar"
MAVEN_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
FETCH_BYTES = 200_000_000
ATTEMPTS_MAX = 2


def is_required() -> bool:
    """Whether a missing jar is a failure (`TAPEDECK_REQUIRE_QUESTDB=1`) and not a choice."""
    return os.environ.get("TAPEDECK_REQUIRE_QUESTDB", "") not in ("", "0")


def ensure_jar(cache: Path) -> None:
    """Have the jar in the cache folder, or say that the market read model will be in DuckDB and how to change that.

    Raises:
        Trouble: the jar is required and cannot be had.
    """
    jar = cache / JAR_NAME
    if jar.is_file() and file_hash(jar) == SHA256:
        return
    with step("questdb", f"fetching {JAR_NAME} with Maven") as current:
        try:
            _fetch(jar, current)
            current.result = f"{jar}, checksum matches"
        except Trouble as trouble:
            if is_required():
                raise
            current.result = f"none. {trouble}"
            current.advice = _instead(cache)


def _fetch(jar: Path, current: Step) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Trouble("There is no Maven (mvn) on this machine")
    require_space(jar.parent, FETCH_BYTES)
    with tempfile.TemporaryDirectory(dir=jar.parent, prefix="questdb-") as folder:
        part = _copy_by_maven(maven, Path(folder), current)
        found = file_hash(part)
        if found != SHA256:
            raise Trouble(f"{JAR_NAME} has sha256 {found}, pinned is {SHA256}. It was thrown away")
        part.replace(jar)


def _copy_by_maven(maven: str, folder: Path, current: Step) -> Path:
    """Run Maven's `dependency:copy`, which takes the one artifact and no transitives; a second try asks anew."""
    command = [maven, "-q", "-B", "-ntp", MAVEN_GOAL, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={folder}"]
    environment = maven_environment(folder)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            again = ["-U"] if attempt > 1 else []
            run([*command, *again], "Maven", environment, folder)
            return folder / JAR_NAME
        except Trouble as trouble:
            if attempt == ATTEMPTS_MAX:
                raise
            current.show(f"trying again: {trouble}")
    raise AssertionError("the loop returns or raises")


def _instead(cache: Path) -> str:
    return (
        "              Market data will be kept in DuckDB instead; everything else works the same. To have QuestDB:\n"
        "              install Maven (Debian: apt-get install maven; macOS: brew install maven), then `make setup`;\n"
        f"              or put {JAR_NAME} into {cache}\n"
    )
