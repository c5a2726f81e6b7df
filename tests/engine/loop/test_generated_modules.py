"""Loops are modules named by all that is in them: cached over processes, and new where anything in them is new."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.loop import module, probe, warm_up
from engine.loop.decision_loop import DecisionLoop
from engine.loop.module import code_hash_of, load_loop, loop_source
from engine.loop.source import Inliner, inlined
from engine.loop.spec import LaneSpec
from engine.strategies.ema_cross import STRATEGY
from engine.strategies.registry import discover, load
from engine.strategies.strategy import QUOTES, TRADES, Strategy
from events.errors import InvalidInput, ProcessFailed, Unknown
from tests.engine.loop.driving import ROOT, limits, market, spec_of, terms, trade
from tests.engine.loop.kernels import SCRIPTED

FILE = '''
"""Enter on the first trade above {level}."""
from typing import Annotated, Any
import msgspec
import numpy as np
from engine.strategies.strategy import QUOTES, TRADES, Strategy
LEVEL = {level}
class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: float = 1.0
STATE = np.dtype([("entered", "<i8"), ("seen", "<f8", (4,))])
def above(price: float) -> bool:
    """Whether it is."""
    return price > LEVEL
def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Enter once."""
    {body}
    if state["entered"] == 1 or not above(row["price"]):
        return 0
    state["entered"] = 1
    intents[0]["kind"] = 1
    return 1
STRATEGY = Strategy(id="mine", name="m", description="m", params=Params, state=STATE, kernel=kernel)
'''
RUN = """
import sys
from pathlib import Path
from typing import Any
from engine.loop.module import load_loop
from engine.strategies.registry import load
loop = load_loop([load(Path(sys.argv[1])).STRATEGY])
print(sum(loop.advance.stats.cache_hits.values()), sum(loop.advance.stats.cache_misses.values()), loop.code_hash)
"""


def write(folder: Path, level: float, body: str = "pass") -> Path:
    """The user's folder with one strategy."""
    (folder / "mine.py").write_text(FILE.format(level=level, body=body))
    return folder


def mine(folder: Path) -> Strategy:
    """The strategy of the user's folder, not probed."""
    strategy: Strategy = load(folder / "mine.py").STRATEGY
    return strategy


def first_signal(folder: Path) -> int:
    """Input of the first signal on prices 100, 101, ... 119."""
    strategies = {"mine": mine(folder)}
    decisions = DecisionLoop(spec_of(lanes=(lane("mine"),)), strategies).advance(
        market([trade(100.0 + at) for at in range(20)])
    )
    return int(decisions.signals[0]["input"])


def lane(strategy: str) -> LaneSpec:
    """A lane of a strategy on the first instrument."""
    return LaneSpec(strategy=strategy, instrument=0)


def in_a_process(folder: Path, cache: Path) -> tuple[int, int, str]:
    """Cache hits, misses and the code hash of a fresh process."""
    environment = {**os.environ, "TAPEDECK_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "mine.py")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    hits, misses, code_hash = done.stdout.split()
    return int(hits), int(misses), code_hash


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder that starts with the core of the ordinary one, which takes long to compile."""
    folder = tmp_path_factory.mktemp("cache")
    ordinary = module.cache_folder()
    load_loop([SCRIPTED])
    core = next(name for name in sys.modules if name.startswith("tapedeck_core_"))
    for path in [*ordinary.glob(f"{core}*"), *(ordinary / "__pycache__").glob(f"{core}*")]:
        target = folder / "loops" / path.relative_to(ordinary)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAPEDECK_CACHE_DIR", str(folder))
        yield folder


def test_a_second_process_hits_the_cache_and_an_edit_misses_it(tmp_path: Path, cache: Path) -> None:
    """The second start compiles nothing; an edited kernel is another module."""
    folder = write(tmp_path, 105.0)
    first = in_a_process(folder, cache)
    assert first[:2] == (0, 1)
    started = time.monotonic()
    assert in_a_process(folder, cache) == (1, 0, first[2])
    assert time.monotonic() - started < 30, "a cached start is quick, even on a busy machine"
    write(folder, 107.0)
    edited = in_a_process(folder, cache)
    assert edited[:2] == (0, 1)
    assert edited[2] != first[2]


def test_an_edited_kernel_decides_anew_in_the_same_process(tmp_path: Path, cache: Path) -> None:
    """Whoever edits a constant of a kernel sees the new result."""
    assert first_signal(write(tmp_path, 105.0)) == 6
    assert first_signal(write(tmp_path, 107.0)) == 8


def test_words_are_no_code(tmp_path: Path) -> None:
    """A comment or a docstring changes no code hash; a constant does."""
    one = mine(write(tmp_path, 105.0))
    other = mine(write(tmp_path, 105.0, "pass  # because"))
    assert one.kernel is not other.kernel
    assert code_hash_of([one]) == code_hash_of([other])
    assert code_hash_of([one]) != code_hash_of([mine(write(tmp_path, 106.0))])


@pytest.mark.parametrize("change", [{"kinds": QUOTES | TRADES}, {"direction": "long"}])
def test_what_a_strategy_declares_is_code(change: dict[str, Any]) -> None:
    """On which rows a kernel is called, and which side it may trade, change the code hash: both decide."""
    assert code_hash_of([STRATEGY]) != code_hash_of([dataclasses.replace(STRATEGY, **change)])


def test_the_module_holds_all_it_needs() -> None:
    """A loop imports numpy, numba, its core and how the engine compiles: no kernel, no indicator."""
    lines = [line for line in loop_source([STRATEGY]).splitlines() if "import" in line]
    allowed = (
        "import math",
        "import numpy",
        "from numba",
        "from engine.loop.table",
        "from engine.loop.inner",
        "from tapedeck_core_",
    )
    assert all(line.startswith(allowed) for line in lines), lines


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError", "has a Raise"),
        ("print(1)", "uses print"),
        ("import os", "has a Import"),
        ("np.random.random()", "uses numpy.random"),
        ("x = [at for at in range(3)]", "has a ListComp"),
        ("x = STATE", "uses STATE, a "),
    ],
)
def test_a_kernel_that_no_loop_could_inline_is_refused(tmp_path: Path, body: str, message: str) -> None:
    """A user's file is refused before anything is compiled, with the reason and the line."""
    with pytest.raises(InvalidInput, match=message):
        discover(write(tmp_path, 105.0, body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("state['seen'][int(row['price'])] = 1.0", "out of bounds"),
        ("lane['position'] = 5.0", "writes to the row, the market, the lane"),
        ("intents[3]['kind'] = 1", "does not return"),
        ("intents[int(row['price'])]['kind'] = 1", "out of bounds"),
        ("return 33", "over 32"),
    ],
)
def test_a_kernel_that_leaves_its_bounds_is_refused(tmp_path: Path, body: str, message: str) -> None:
    """The probe runs the kernel over a seeded market and says on which row it went wrong."""
    with pytest.raises(InvalidInput, match=message):
        probe.probe(mine(write(tmp_path, 105.0, body)))


def test_a_kernel_that_never_returns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried in a process of its own, which is ended."""
    monkeypatch.setattr(probe, "PROBE_SECONDS", 5.0)
    with pytest.raises(InvalidInput, match="did not end"):
        discover(write(tmp_path, 105.0, "while row['price'] > 0.0: pass"))


@pytest.mark.parametrize("content", ["x = ", "x = 1", "STRATEGY = 3", "raise KeyError('x')"])
def test_a_file_without_a_strategy_is_refused(tmp_path: Path, content: str) -> None:
    """The message names the file."""
    (tmp_path / "broken.py").write_text(content)
    with pytest.raises(InvalidInput, match=r"broken\.py"):
        discover(tmp_path)


def test_the_registry_says_what_there_is(tmp_path: Path) -> None:
    """An unknown strategy is answered with those that exist; one id twice is refused."""
    registry = discover()
    with pytest.raises(Unknown, match="ema_cross"):
        registry["nothing"]
    (tmp_path / "again.py").write_text("from engine.strategies.ema_cross import STRATEGY")
    with pytest.raises(InvalidInput, match="ema_cross"):
        discover(tmp_path)
    with pytest.raises(InvalidInput, match="no folder"):
        discover(tmp_path / "missing")


def test_loops_are_warmed_up_one_alone_and_one_of_all() -> None:
    """Every session finds its loop compiled: each strategy's own, and the one of all; so on bars of an interval."""
    registry = discover()
    sets = warm_up.loop_sets(registry)
    names = [*((name,) for name in registry), tuple(registry)]
    assert sets == [*((each, False) for each in names), *((each, True) for each in names)]
    assert [warm_up.loop_set(one.argument) for one in sets] == sets


def test_warming_up_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core first, then each loop, some of them in processes of their own."""
    sets = [warm_up.LoopSet(("ema_cross",)), warm_up.LoopSet(("breakout",))]
    monkeypatch.setattr(warm_up, "loop_sets", lambda registry: sets)
    said: list[tuple[str, int, int]] = []
    loops = warm_up.warm_up(None, lambda *given: said.append(given), processes=1)
    assert said == [("core", 0, 2), ("ema_cross", 1, 2), ("breakout", 2, 2)]
    assert [loop.strategies for loop in loops] == [("ema_cross",), ("breakout",)]
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **named: pytest.fail("compiled again"))
    assert len(warm_up.warm_up(None, lambda *given: None)) == 2


def test_a_compiling_process_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words are in the error."""
    with pytest.raises(ProcessFailed, match="nothing_of_the_kind"):
        warm_up._compile_apart([warm_up.LoopSet(("nothing_of_the_kind",))], None, 1)


def test_indicators_are_inlined_once() -> None:
    """A function that two kernels share stands in the module once."""
    inliner = Inliner()
    inliner.add(STRATEGY.kernel, "one")
    inliner.add(STRATEGY.kernel, "two")
    assert inliner.text().count("def ema_update") == 1
    assert "def ema_update" in inlined([STRATEGY.kernel])


def test_instrument_terms_reach_the_records() -> None:
    """What a session says of an instrument is what the loop knows."""
    loop = DecisionLoop(
        spec_of(instrument=terms(5, notional_min=3.0), given=limits(latency_ms=2.5)), {"scripted": SCRIPTED}
    )
    market_row = loop.instruments[0]
    assert (market_row["number"], market_row["notional_min"]) == (5, 3.0)
    assert loop.account["latency_ns"][0] == 2_500_000
    assert isinstance(SCRIPTED, Strategy)
    assert np.isinf(loop.lanes["position_max"]).all()
