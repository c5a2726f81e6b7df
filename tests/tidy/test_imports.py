"""Import direction: `api` over `engine | projections` over `events`; decisions import nothing that acts or varies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tidy.sources import PRODUCT, ROOT, sources

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def test_import_contracts_are_kept() -> None:
    """Every contract of pyproject.toml holds."""
    answer = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_folder_of_the_packages_is_a_package() -> None:
    """No folder with sources lacks its `__init__.py`: it would be neither installed nor checked for imports."""
    folders = {(ROOT / source.path).parent for source in sources(PRODUCT)}
    assert sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").is_file()) == []
