"""The lock files say what pyproject.toml pins, with hashes, for running and for developing alike."""

from __future__ import annotations

import re
import tomllib
from functools import cache

import scripts.questdb_jar
from projections.questdb import java
from tests.tidy.sources import ROOT

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


def normal(name: str) -> str:
    """A package name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def locked(name: str) -> frozenset[tuple[str, str]]:
    """(package, version) pins of a lock file."""
    return frozenset((normal(package), version) for package, version in PIN.findall((ROOT / name).read_text()))


def pinned(*groups: str) -> set[tuple[str, str]]:
    """(package, version) of the project's dependencies and of the named groups, all exact."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = list(project["project"]["dependencies"])
    for group in groups:
        lines += project["dependency-groups"][group]
    found = {(normal(match[1]), match[2]) for line in lines if (match := PIN.match(line))}
    assert len(found) == len(lines), "every dependency is pinned with =="
    return found


def test_locks_hold_every_pin() -> None:
    """What pyproject.toml pins is in the lock files; if not, `make lock` was forgotten."""
    assert pinned("install") <= locked("requirements.lock")
    assert pinned("install", "dev") <= locked("requirements-dev.lock")


def test_development_runs_what_users_run() -> None:
    """Every package that users get is in the developers' lock file with the same version."""
    assert locked("requirements.lock") <= locked("requirements-dev.lock")


def test_every_package_has_hashes() -> None:
    """No package is installed unchecked."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text())
        packages = [block for block in blocks if PIN.match(block)]
        assert packages
        assert [block.splitlines()[0] for block in packages if "--hash=sha256:" not in block] == []


def test_one_questdb_is_pinned() -> None:
    """The jar that is fetched is the one that is started."""
    assert (scripts.questdb_jar.VERSION, scripts.questdb_jar.JAR_NAME) == (java.VERSION, java.JAR_NAME)
