"""A user's kernel is tried once, with bounds checks, before any session runs it: a loop has none.

It runs in a process of its own, so a kernel that never returns, or that ends the process, is found too. What passed is
remembered in the cache folder by the hash of its code.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from engine.loop.module import cache_folder, text_hash
from engine.loop.records import INSTRUMENT_DTYPE, INTENT_DTYPE, INTENTS_MAX, LANE_DTYPE
from engine.loop.source import Inliner
from engine.strategies.strategy import Strategy
from events.errors import InvalidInput, ProcessFailed
from events.rows import MARKET_DTYPE, MarketKind, Rows

PROBE_ROWS = 20_000
PROBE_SECONDS = 120.0
MARGIN = 8  # rows around the scratch that must stay untouched

CHECKED = """import math

import numpy as np
from numba import njit


def compiled(function):
    return njit(nogil=True, error_model="numpy", boundscheck=True)(function)


"""


def ensure_probed(path: Path, strategy: Strategy) -> None:
    """Probe a user's strategy file in a process of its own, unless the same code has passed before.

    Raises:
        InvalidInput: the kernel fails, or does what a kernel may not do; the message says what.
        ProcessFailed: the cache folder cannot be written.
    """
    stamp = cache_folder() / f"probed_{text_hash(_source(strategy))}"
    if stamp.exists():
        return
    command = [sys.executable, "-m", "engine.loop.probe", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise _refusal(path, f"its kernel did not end within {PROBE_SECONDS:g} s") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"the process ended with {done.returncode}"]
        raise _refusal(path, lines[-1])
    try:
        stamp.touch()
    except OSError as error:
        raise ProcessFailed(f"The cache folder {stamp.parent} cannot be written: {error}.") from None


def probe(strategy: Strategy) -> None:
    """Run the kernel over a seeded market with bounds checks.

    Raises:
        InvalidInput: it reads or writes out of bounds, changes what it may only read, or asks for too much.
    """
    kernel = _checked(strategy)
    rows, market, lane = probe_rows(strategy.kinds), np.zeros(1, INSTRUMENT_DTYPE), np.zeros(1, LANE_DTYPE)
    state, params = np.zeros(1, strategy.state), strategy.params_row({})
    around = np.zeros(INTENTS_MAX + 2 * MARGIN, INTENT_DTYPE)
    intents = around[MARGIN : MARGIN + INTENTS_MAX]
    market["price_step"], market["quantity_step"] = 0.01, 0.001
    for at in range(len(rows)):
        price = float(rows[at]["price"]) or float(market["last"][0]) or 100.0
        for name in ("last", "bid", "ask"):
            market[name] = price
        turn = at // 500 % 3 - 1
        lane["position"], lane["entry_price"], lane["entry_ns"] = turn, price if turn else 0.0, at if turn else 0
        before = (rows[at].tobytes(), market.tobytes(), lane.tobytes(), params.tobytes())
        try:
            asked = kernel(rows[at : at + 1], market, lane, state, params, intents)
        except Exception as error:
            raise _broken(strategy, at, f"{type(error).__name__}: {error}") from error
        if (rows[at].tobytes(), market.tobytes(), lane.tobytes(), params.tobytes()) != before:
            raise _broken(strategy, at, "it writes to the row, the market, the lane or the parameters")
        if asked > INTENTS_MAX:
            raise _broken(strategy, at, f"it returned {asked}, over {INTENTS_MAX}")
        intents[: max(asked, 0)] = np.zeros(1, INTENT_DTYPE)
        if around.tobytes().count(0) != around.nbytes:
            raise _broken(strategy, at, "it writes intents that it does not return")
        if asked < 0:
            return


def probe_rows(kinds: int) -> Rows:
    """Seeded rows of the kinds a kernel sees: jumps, repeats, equal times, long silences, zero quantities."""
    noise = np.random.Generator(np.random.Philox(key=kinds))
    wanted = [int(kind) for kind in MarketKind if kinds >> kind & 1]
    rows = np.zeros(PROBE_ROWS, MARKET_DTYPE)
    gaps = noise.choice(
        [0, 1_000_000, 50_000_000, 1_000_000_000, 3_600_000_000_000], PROBE_ROWS, p=[0.3, 0.3, 0.3, 0.099, 0.001]
    )
    rows["ts_event_ns"] = rows["ts_received_ns"] = 1_700_000_000_000_000_000 + np.cumsum(gaps)
    steps = noise.normal(0.0, 1e-3, PROBE_ROWS) * (noise.random(PROBE_ROWS) < 0.5)
    steps[noise.random(PROBE_ROWS) < 0.001] = 0.2
    rows["price"] = 100.0 * np.exp(np.cumsum(steps - steps.mean()))
    rows["quantity"] = noise.exponential(1.0, PROBE_ROWS) * (noise.random(PROBE_ROWS) < 0.95)
    rows["kind"] = noise.choice(wanted or [int(MarketKind.TRADE)], PROBE_ROWS)
    rows["side"] = noise.integers(-1, 2, PROBE_ROWS)
    rows["price"][rows["kind"] == MarketKind.CLOCK] = 0.0
    return rows


def _source(strategy: Strategy) -> str:
    inliner = Inliner()
    inliner.add(strategy.kernel, "kernel")
    return f"{strategy.state.descr} {strategy.params_dtype().descr} {strategy.kinds}\n{inliner.text()}"


def _checked(strategy: Strategy) -> Callable[..., int]:
    inliner = Inliner()
    inliner.add(strategy.kernel, "kernel")
    call = "kernel(rows[0], markets[0], lanes[0], states[0], params[0], intents)"
    call = f"\n\n@compiled\ndef run(rows, markets, lanes, states, params, intents):\n    return {call}\n"
    module = ModuleType("probed")
    exec(compile(CHECKED + inliner.text() + call, "<probe>", "exec"), module.__dict__)
    run: Callable[..., int] = module.__dict__["run"]
    return run


def _broken(strategy: Strategy, at: int, what: str) -> InvalidInput:
    return InvalidInput(f"Kernel of {strategy.id} failed on row {at} of the probe: {what}.", field="kernel")


def _refusal(path: Path, what: str) -> InvalidInput:
    return InvalidInput(f"Strategy file {path} is refused: {what}", field="strategies_folder")


def main(path: str) -> int:
    """Probe one file; 0 where it passed."""
    from engine.strategies.registry import load

    try:
        probe(load(Path(path)).STRATEGY)
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
