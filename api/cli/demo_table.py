"""What the demo shows at its end: figures, verified lines, paths and what to try next."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from api.cli.demo_story import Told
from api.places import Places
from engine.research.metrics.display import shown
from engine.research.outcome import Outcome, outcome, verified_line
from engine.sessions.lanes import lanes_of

METRICS = (
    "final_equity",
    "total_return",
    "max_drawdown",
    "sharpe_ratio",
    "sortino_ratio",
    "total_trades",
    "win_rate",
    "profit_factor",
    "avg_trade",
    "fees_paid",
)
NS = 1_000_000_000


def show(console: Console, told: Told, report: Path, url: str, places: Places, *, serving: bool) -> bool:
    """Print everything; whether all of it is as it must be. `serving`: the house goes on behind this."""
    paper, backtest, forked = outcome(told.paper), outcome(told.backtest), outcome(told.fork)
    console.print(_figures(paper, backtest, forked))
    console.print(_facts(told, backtest))
    for verdict in told.verdicts:
        console.print(verified_line(verdict))
    same = told.verdicts[0].decision_hash == told.verdicts[1].decision_hash and bool(told.verdicts[0].equal)
    console.print(f"paper session and backtest decided {'the same, row by row' if same else 'DIFFERENTLY'}")
    console.print(f"\nReport   {report}")
    if serving:
        console.print(f"API docs {url}/docs")
        console.print(f"Page     {url}/")
    console.print(f"Password {_password(places)}\n")
    console.print(_next(told, url, places, serving=serving))
    return well(told, backtest)


def well(told: Told, backtest: Outcome) -> bool:
    """Whether everything came out as it must: both verified with one hash, one content, a trade for each pump."""
    first, second = told.verdicts
    decided = bool(first.equal) and bool(second.equal) and first.decision_hash == second.decision_hash
    return decided and same_content(told) and all(pumps_traded(told, backtest))


def same_content(told: Told) -> bool:
    """Whether the live tail brought the very rows that were recorded in bulk."""
    return told.live.content_hash == told.imported.recording.whole().content_hash


def _password(places: Places) -> str:
    return f"{places.password} (user admin)" if places.password.is_file() else "of the user admin was changed"


def _figures(paper: Outcome, backtest: Outcome, forked: Outcome) -> Table:
    table = Table(
        title="Results",
        title_justify="left",
        caption="six hours: ratios that are annualised from them say little",
        caption_justify="left",
    )
    for name in ("metric", "paper session", "backtest", "fork, 8 % target"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for name in METRICS:
        cells = []
        for one in (paper, backtest, forked):
            measurement = next(each for each in one.measurements.metrics if each.name == name)
            cells.append(shown(measurement.unit, measurement.value))
        table.add_row(name.replace("_", " "), *cells)
    return table


def _facts(told: Told, backtest: Outcome) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rate = told.imported.appended / told.import_seconds if told.imported.appended else 0.0
    ended = told.backtest.ended
    assert ended is not None, "the demo waited for it"
    traded = pumps_traded(told, backtest)
    rows = {
        "recorded in bulk": f"{told.imported.rows:,} rows" + (f", {rate:,.0f} rows/s synced to disk" if rate else ""),
        "live tail": f"{told.live.rows:,} rows, content " + ("equal" if same_content(told) else "DIFFERENT"),
        "backtest": f"{ended.inputs:,} rows in {told.backtest_seconds:.2f} s, queueing included",
        "pumps traded": f"{sum(count > 0 for count in traded)} of {len(traded)} ({', '.join(map(str, traded))} trades)",
        "decision rows": ", ".join(f"{count:,} {kind}s" for kind, count in ended.counts.items()),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def pumps_traded(told: Told, found: Outcome) -> list[int]:
    """Trades of `pump_v2` per scripted pump: entered on its symbol while it rises."""
    lanes = {lane.number: lane for lane in lanes_of(found.spec)}
    entries = found.trades["entry_ns"]
    counts = []
    for pump in told.market.pumps:
        begin = told.market.start_ns + round(pump.start_s * NS)
        inside = (entries >= begin) & (entries <= begin + round((pump.rise_s + pump.dump_s) * NS))
        mine = [
            lanes[int(lane)].strategy.strategy == "pump_v2" and lanes[int(lane)].instrument.symbol == pump.symbol
            for lane in found.trades["lane"]
        ]
        counts.append(int(np.count_nonzero(inside & np.array(mine, bool))))
    return counts


def program() -> str:
    """How any shell starts this very program, whatever its PATH and folder."""
    beside = Path(sys.executable).with_name("tapedeck")
    return shlex.quote(str(beside)) if beside.is_file() else f"{shlex.quote(sys.executable)} -m api.cli"


def _next(told: Told, url: str, places: Places, *, serving: bool) -> str:
    session = told.backtest.started.spec.session
    base = f"{program()} --data {shlex.quote(str(places.folder))}"
    if not serving:
        verbs = (f"{base} fork {session} --limit take_profit_ratio=0.04", f"{base} verify {session}", f"{base} up")
        return "\n".join(("Next:", *(f"  {verb}" for verb in verbs)))
    return "\n".join(
        (
            "Next, in another terminal:",
            f"  {base} session show {session}",
            f"  {base} fork {session} --limit take_profit_ratio=0.04",
            f"  {base} verify {session}",
            f"  curl -s {url}/api/health",
            f"  curl -s {url}/api/sessions/{session}/trades",
            f'  curl -s -H "Authorization: Bearer $({base} token)" {url}/api/strategies',
        )
    )
