"""Names say what a thing is: no file and no class is called after its role in the code."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

import pytest

from tests.tidy.sources import sources

FILE_WORDS = {"util", "utils", "helper", "helpers", "common", "core", "misc", "manager", "base", "impl", "stuff"}
CLASS_WORDS = re.compile(r"^(Base|Abstract)(?=[A-Z])|(Manager|Helpers?|Base|Impl|Utils?|Mixin)$")


def bad_path(path: str) -> bool:
    """Whether a folder or file name has a banned word as one of its words."""
    names = [part.removesuffix(".py") for part in PurePosixPath(path).parts]
    return any(word in FILE_WORDS for name in names for word in name.split("_"))


def bad_classes(tree: ast.Module) -> list[str]:
    """Names of classes that begin or end with a banned word."""
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and CLASS_WORDS.search(node.name)]


def test_files_and_folders_are_named_by_what_they_hold() -> None:
    """No file or folder is called utils, common, core, misc and the like."""
    assert [source.path for source in sources() if bad_path(source.path)] == []


def test_classes_are_named_by_what_they_are() -> None:
    """No class is a Manager, Helper, Base or Impl."""
    assert [f"{source.path} {name}" for source in sources() for name in bad_classes(source.tree)] == []


@pytest.mark.parametrize("path", ["engine/utils.py", "api/common/x.py", "events/codec_helpers.py"])
def test_the_check_knows_bad_paths(path: str) -> None:
    """A banned word is found in any part of a path."""
    assert bad_path(path)


@pytest.mark.parametrize(("name", "bad"), [("TapeManager", True), ("BaseTape", True), ("Baseline", False)])
def test_the_check_knows_bad_classes(name: str, bad: bool) -> None:
    """A banned word counts at the border of a name only."""
    assert bool(bad_classes(ast.parse(f"class {name}: ..."))) is bad


def wordless_patterns(tree: ast.Module) -> list[int]:
    """Lines of a `Meta(pattern=)` without the words for what fits it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Meta")]
    named = {node.lineno: {one.arg for one in node.keywords} for node in calls}
    return [line for line, names in named.items() if "pattern" in names and "extra" not in names]


def test_nobody_is_shown_a_pattern() -> None:
    """Every pattern of a field says in words what fits it, for the error."""
    ours = [source for source in sources() if not source.path.startswith("tests/")]
    assert [f"{source.path}:{line}" for source in ours for line in wordless_patterns(source.tree)] == []
    assert wordless_patterns(ast.parse('Word = Annotated[str, Meta(pattern="x")]')) == [1]
