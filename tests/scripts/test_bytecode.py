"""The step of the set-up that compiles the sources."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from scripts import bytecode


def test_sources_are_compiled_once_and_again_when_one_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After the set-up no process compiles a source, even where Python may not write bytecode itself."""
    source = tmp_path / "api" / "one.py"
    source.parent.mkdir()
    source.write_text("ONE = 1\n")
    monkeypatch.setattr(bytecode, "ROOT", tmp_path)
    monkeypatch.setattr(bytecode, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(bytecode, "VENV_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    compiled = Path(importlib.util.cache_from_source(str(source)))
    bytecode.ensure_bytecode()
    assert compiled.is_file()
    first = compiled.read_bytes()
    bytecode.ensure_bytecode()
    assert compiled.read_bytes() == first
    source.write_text("ONE = 1\nTWO = 2\n")
    os.utime(source, (1_700_000_000, 1_700_000_000))
    bytecode.ensure_bytecode()
    assert compiled.read_bytes() != first
