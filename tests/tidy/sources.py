"""The Python sources of the checkout and what the tidy tests measure in them."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("events", "engine", "projections", "api")
FOLDERS = (*PRODUCT, "tests", "benchmarks", "scripts")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """One file: its path from the root with forward slashes, its text and its tree."""

    path: str
    text: str
    tree: ast.Module


@cache
def sources(folders: tuple[str, ...] = FOLDERS) -> tuple[Source, ...]:
    """Every Python file under the folders, sorted by path."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    gc.disable()  # all trees stay: looking for garbage among them took four fifths of the time
    try:
        found = tuple(_source(path) for path in paths)
        gc.freeze()
    finally:
        gc.enable()
    return found


def _source(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


def functions(tree: ast.Module) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    """Lines from `def` to the end of the body, docstring included, decorators not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1
