"""The figures of ended sessions: as a table for people, as JSON for scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from api.cli.opened import Opened
from api.cli.telling import say_table
from api.places import Places
from engine.research.metrics.display import described, shown
from engine.research.outcome import Outcome, outcome, report_data
from engine.research.report import render_report
from engine.research.verify import Verdict
from engine.sessions.history import History
from events.errors import Conflict, InvalidInput
from events.rows import Code, SectionKind

METRICS = (
    "final_equity",
    "net_profit",
    "total_return",
    "max_drawdown",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "total_trades",
    "open_trades",
    "win_rate",
    "profit_factor",
    "avg_trade",
    "largest_winner",
    "largest_loser",
    "avg_trade_duration",
    "fees_paid",
    "exposure",
)


def say_figures(histories: Sequence[History], titles: Sequence[str]) -> None:
    """A metric a row, a session a column; why there is none where there is none."""
    found = [outcome(history) for history in histories]
    rows = [(name.replace("_", " "), *(_cell(one, name) for one in found)) for name in METRICS]
    say_table(("metric", *(f"{title}>" for title in titles)), rows)


def _cell(found: Outcome, name: str) -> str:
    measurement = next(one for one in found.measurements.metrics if one.name == name)
    return described(measurement) if measurement.value is None else shown(measurement.unit, measurement.value)


def body_of(history: History) -> dict[str, Any]:
    """A session and all its metrics."""
    found, spec, ended = outcome(history), history.started.spec, history.ended
    chosen = found.measurements.annualisation
    return {
        "session": spec.session,
        "mode": spec.mode,
        "name": spec.name,
        "recording": spec.input.recording,
        "source": spec.input.source,
        "parent": spec.parent,
        "symbols": [one.symbol for one in spec.instruments],
        "strategies": [
            {"strategy": one.strategy, "params": one.params, "timeframe": one.timeframe} for one in spec.strategies
        ],
        "limits": spec.limits,
        "seed": spec.seed,
        "code_hash": spec.code_hash,
        "reason": ended.reason if ended else None,
        "inputs": ended.inputs if ended else None,
        "counts": ended.counts if ended else None,
        "decision_hash": ended.decision_hash if ended else None,
        "metrics": found.measurements.by_group(),
        "annualisation": {"period": chosen.period, "periods_per_year": chosen.periods_per_year},
    }


def check_out(out: Path | None) -> None:
    """Before the work begins: whether a file can stand there. Raises InvalidInput."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        wrong = f"{out} is a folder" if out.is_dir() else f"There is no folder {out.parent}"
        raise InvalidInput(f"{wrong}.", field="--out", hint="Name a file in a folder that is there.")


def denials_of(history: History) -> str:
    """Why intents were denied, the most frequent code first, such as `below_minimum 5`; empty where none was."""
    codes = Counter(Code(int(code)).name.lower() for code in history.held.rows(SectionKind.DENIAL, 0)["code"])
    return ", ".join(f"{name} {count:,}" for name, count in codes.most_common())


async def write_report(tools: Opened, history: History, out: Path | None, verdict: Verdict | None = None) -> Path:
    """Write the HTML report, to the data folder's reports where no file is named; its path.

    Raises:
        Conflict: it cannot be written there.
    """
    path = out or Places(tools.settings.folder).reports / f"{history.started.spec.session}.html"
    page = render_report(await report_data(history, tools.reader, verdict))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Conflict(f"The report {path} cannot be written: {error.strerror}.", field="out") from None
    return path
