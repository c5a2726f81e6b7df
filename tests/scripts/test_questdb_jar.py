"""The QuestDB jar: the pinned bytes or none, and a clear line where there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from scripts import questdb_jar
from scripts.console import Trouble
from scripts.questdb_jar import JAR_NAME, ensure_jar

GOOD = b"the pinned bytes"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, the pin set to `GOOD`, and no Maven on the path."""
    monkeypatch.setattr(questdb_jar, "SHA256", hashlib.sha256(GOOD).hexdigest())
    monkeypatch.delenv("TAPEDECK_REQUIRE_QUESTDB", raising=False)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setattr(questdb_jar, "maven_environment", lambda folder: {})
    monkeypatch.setattr(questdb_jar.shutil, "which", lambda name: _program(tmp_path / "bin" / name))
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def _program(path: Path) -> str | None:
    return str(path) if path.exists() else None


def install_maven(cache: Path, body: str) -> None:
    """Put a program in Maven's place; `$out` is the folder that it was told to copy into."""
    program = cache.parent / "bin" / "mvn"
    find = 'for a in "$@"; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done'
    program.write_text(f"#!/bin/sh\necho run >> {cache.parent / 'runs'}\n{find}\n{body}\n")
    program.chmod(0o755)


def runs(cache: Path) -> int:
    """How often the program in Maven's place was run."""
    file = cache.parent / "runs"
    return len(file.read_text().split()) if file.exists() else 0


def test_the_jar_is_fetched_once(cache: Path) -> None:
    """The second call finds the jar and asks nobody; nothing else is left in the folder."""
    install_maven(cache, f"printf '{GOOD.decode()}' > $out/{JAR_NAME}")
    ensure_jar(cache)
    ensure_jar(cache)
    assert (cache / JAR_NAME).read_bytes() == GOOD
    assert runs(cache) == 1
    assert [path.name for path in cache.iterdir()] == [JAR_NAME]


def test_other_bytes_are_thrown_away(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A jar with another checksum is never put in place, and both checksums are said."""
    install_maven(cache, f"printf other > $out/{JAR_NAME}")
    ensure_jar(cache)
    assert list(cache.iterdir()) == []
    assert f"pinned is {questdb_jar.SHA256}" in capsys.readouterr().out


def test_a_damaged_jar_in_the_cache_is_fetched_again(cache: Path) -> None:
    """Bytes that changed on disk are noticed and replaced."""
    install_maven(cache, f"printf '{GOOD.decode()}' > $out/{JAR_NAME}")
    (cache / JAR_NAME).write_bytes(GOOD[:-1])
    ensure_jar(cache)
    assert (cache / JAR_NAME).read_bytes() == GOOD


def test_without_maven_the_user_hears_what_happens_and_how_to_change_it(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Maven is no failure: DuckDB is used, and the way to QuestDB is said."""
    ensure_jar(cache)
    said = capsys.readouterr().out
    assert "There is no Maven (mvn)" in said
    assert "DuckDB" in said
    assert "apt-get install maven" in said
    assert str(cache) in said


def test_a_required_jar_that_cannot_be_had_is_a_failure(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where QuestDB is required, going on without it is refused."""
    monkeypatch.setenv("TAPEDECK_REQUIRE_QUESTDB", "1")
    with pytest.raises(Trouble, match="no Maven"):
        ensure_jar(cache)


def test_a_registry_that_fails_is_asked_twice_and_explained(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed download is tried again once; then the reason is one line and no half file stays."""
    install_maven(cache, "echo 'Temporary failure in name resolution'; exit 1")
    ensure_jar(cache)
    assert runs(cache) == 2
    assert "the package registry cannot be reached" in capsys.readouterr().out
    assert list(cache.iterdir()) == []
