"""Time, chance and ids are given, not taken; JSON has one codec. Each banned name has at most one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.sources import sources

CLOCK = "events/clock.py"

# banned name -> the one file that may use it
HOMES: dict[str, str | None] = {
    "time.time": CLOCK,
    "time.time_ns": CLOCK,
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.utcnow": None,
    "datetime.datetime.today": None,
    "datetime.date.today": None,
    "random": None,
    "uuid": CLOCK,
    "json": None,
    "numpy.random.seed": None,
    "numpy.random.rand": None,
    "numpy.random.random": None,
    "numpy.random.RandomState": None,
}


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name -> dotted name of what it was imported from, wherever in the file the import stands."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                local = each.asname or each.name.split(".")[0]
                names[local] = each.name if each.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The dotted name that an attribute chain stands for; None for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else None
    return None


def uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported and of every attribute of an imported name."""
    names = imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{each.name}") for each in node.names)
        elif isinstance(node, ast.Attribute) and (name := dotted(node, names)):
            yield node.lineno, name


def breaks(path: str, tree: ast.Module) -> list[str]:
    """Uses of banned names outside their home, as `path:line name`."""
    return [
        f"{path}:{line} {name}"
        for line, name in uses(tree)
        for banned, home in HOMES.items()
        if (name == banned or name.startswith(f"{banned}.")) and path != home
    ]


def test_banned_names_stay_in_their_home() -> None:
    """Nothing but the clock takes the time or makes an id; nothing at all uses `random` or `json`."""
    assert [found for source in sources() for found in breaks(source.path, source.tree)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\nnow = time.time()",
        "from time import time",
        "import time as clock\nnow = clock.time_ns()",
        "import datetime\nnow = datetime.datetime.now()",
        "from datetime import datetime\nnow = datetime.now(None)",
        "from datetime import date\nday = date.today()",
        "def f():\n    import random",
        "from uuid import uuid4",
        "import json",
        "import numpy as np\nx = np.random.rand(3)",
    ],
)
def test_the_check_sees_every_way_to_write_it(text: str) -> None:
    """However an import is spelled, the banned name is found."""
    assert breaks("engine/example.py", ast.parse(text)) != []


@pytest.mark.parametrize(
    "text",
    [
        "import time\nbegan = time.perf_counter()",
        "from datetime import datetime, UTC\nx = datetime.fromtimestamp(0, UTC)",
        "import numpy as np\nx = np.random.Generator(np.random.Philox(key=1))",
        "import msgspec\nx = msgspec.json.encode(1)",
    ],
)
def test_the_check_leaves_the_rest_alone(text: str) -> None:
    """What is not banned is not reported."""
    assert breaks("engine/example.py", ast.parse(text)) == []
