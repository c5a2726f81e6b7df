"""Read models for tests, built without a runner, and every query of theirs as one list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from events.errors import InvalidInput, Unknown
from events.rows import Rows
from events.tape import Message, Tape
from projections.batch import Batch, Checkpoint, decode, wants
from projections.checkpoints import advanced
from projections.duckdb.read_model import DuckReadModel
from projections.duckdb.store import DuckSettings, Snapshot
from projections.projection import Projection
from projections.read_models import (
    audit,
    configuration,
    denials,
    equity,
    fills,
    instruments,
    jobs,
    orders,
    positions,
    recorded,
    recordings,
    results,
    sessions,
    signals,
    strategies,
    system,
    trades,
)
from projections.read_models.answers import Page, Scope

SMALL = DuckSettings(memory_limit_mb=64, threads=1, readers_max=2)


def opened(path: Path, settings: DuckSettings = SMALL) -> DuckReadModel:
    """An open read model."""
    model = DuckReadModel(path, settings)
    model.open()
    return model


async def messages_of(tape: Tape, subjects: tuple[str, ...]) -> list[Message]:
    """What the tape has of these subjects."""
    return [message async for message in tape.read(1, subjects=subjects)]


def apply_all(projection: Projection, messages: list[Message], sizes: list[int] | None = None) -> None:
    """Apply what lies behind the checkpoint, in one batch or in batches of the given sizes, over and over."""
    pending = [one for one in messages if one.sequence > projection.checkpoint().sequence]
    sizes = sizes or [max(len(pending), 1)]
    turn = 0
    while pending:
        taken, pending = pending[: sizes[turn % len(sizes)]], pending[sizes[turn % len(sizes)] :]
        turn += 1
        checkpoint = projection.checkpoint()
        projection.apply(batch_of(checkpoint, [one for one in taken if wants(projection.subjects, one.subject)]))


def batch_of(checkpoint: Checkpoint, messages: list[Message]) -> Batch:
    """The messages behind a checkpoint as a batch."""
    events, decisions, failure = decode(messages)
    if failure is not None:
        raise failure
    return Batch(checkpoint.sequence, events, advanced(checkpoint, messages[-1]), decisions)


def built(path: Path, messages: list[Message], sizes: list[int] | None = None) -> DuckReadModel:
    """A new read model with these messages applied."""
    model = opened(path)
    model.begin("epoch")
    apply_all(model, messages, sizes)
    return model


Query = Callable[[Snapshot], object]


def every_query(names: list[str]) -> dict[str, Query]:
    """All queries of the read models, over all sessions and for each session named."""
    research, newest = Scope(include_research=True), Page(newest_first=True, limit=7)
    symbol = Scope(symbol="BTCUSDT", strategy="pump_v2", include_research=True)
    both = sessions.SessionFilter(include_research=True)
    queries: dict[str, Query] = {
        "sessions": sessions.sessions,
        "sessions with research": lambda at: sessions.sessions(at, both, Page(limit=3, offset=1)),
        "running": lambda at: sessions.sessions(at, sessions.SessionFilter(states=("running",), symbol="eth/usdt")),
        "children": lambda at: sessions.sessions(at, sessions.SessionFilter(parent=names[0])),
        "instruments": lambda at: instruments.instruments(at, instruments.InstrumentFilter(venue="sim")),
        "instrument": lambda at: instruments.instrument(at, 1),
        "every instrument": instruments.every,
        "instruments by letters": lambda at: instruments.instruments(
            at, instruments.InstrumentFilter(letters="BTCUSDT")
        ),
        "recorded": lambda at: recorded.recorded(at, Page(limit=50, newest_first=True)),
        "recordings": recordings.recordings,
        "open recordings": lambda at: recordings.recordings(at, recordings.RecordingFilter(state="open")),
        "recording": lambda at: recordings.recording(at, "r"),
        "strategies": strategies.strategies,
        "strategy": lambda at: strategies.strategy(at, "mine-1", removed=True),
        "configured": configuration.configured,
        "changes of the configuration": configuration.changes,
        "newest changes of it": lambda at: configuration.changes(at, newest),
        "templates": configuration.templates,
        "template": lambda at: configuration.template(at, "t1"),
        "mode of the system": system.system_mode,
        "audit": audit.audited,
        "audit of ann": lambda at: audit.audited(at, user="ann", action="login", page=newest),
        "results": results.results,
        "verified": lambda at: results.results(at, kinds=("verified",)),
        "trade sums": lambda at: trades.trade_sums(at, research),
        "jobs": jobs.jobs,
        "waiting jobs": lambda at: jobs.jobs(at, jobs.JobFilter(states=("queued",), kinds=("backtest",))),
        "jobs by result": lambda at: jobs.jobs(at, jobs.JobFilter(symbol="A", sharpe_min=0.5), newest),
        "jobs of ann": lambda at: jobs.jobs(at, jobs.JobFilter(user="ann"), newest),
        "job": lambda at: jobs.job(at, "j1"),
        "session of a job": lambda at: jobs.session_of(at, "j1"),
    }
    listed = {
        "signals": signals.signals,
        "orders": orders.orders,
        "fills": fills.fills,
        "denials": denials.denials,
        "trades": trades.trades,
        "positions": positions.positions,
    }
    for name, query in listed.items():
        queries[name] = lambda at, query=query: query(at)
        queries[f"{name} of all"] = lambda at, query=query: query(at, research, newest)
        queries[f"{name} of a lane"] = lambda at, query=query: query(at, symbol)
    queries["working"] = lambda at: orders.orders(at, research, working=True)
    queries["filled"] = lambda at: orders.orders(at, research, statuses=("filled",))
    queries["holding"] = lambda at: positions.positions(at, research, open_only=True)
    for session in names:
        queries |= _of_session(session)
    return queries


def _of_session(session: str) -> dict[str, Query]:
    one = Scope(session=session)
    queries: dict[str, Query] = {
        "session": lambda at: sessions.session(at, session),
        "spec": lambda at: sessions.spec(at, session),
        "counts": lambda at: sessions.counts(at, session),
        "history": lambda at: sessions.history(at, session),
        "orders": lambda at: orders.orders(at, one),
        "order": lambda at: orders.order_history(at, session, 1),
        "fills of order": lambda at: fills.fills(at, one, order=1),
        "trades": lambda at: trades.trades(at, one),
        "sums": lambda at: trades.trade_sums(at, one),
        "positions": lambda at: positions.positions(at, one),
        "equity": lambda at: equity.equity(at, session, Page(limit=5, newest_first=True)),
        "curve": lambda at: equity.equity_curve(at, session, 4),
        "mark": lambda at: equity.newest_mark(at, session),
        "results": lambda at: results.results(at, session),
        "signal rows": lambda at: signals.signal_rows(at, session),
        "order rows": lambda at: orders.order_rows(at, session),
        "fill rows": lambda at: fills.fill_rows(at, session),
        "denial rows": lambda at: denials.denial_rows(at, session),
        "mark rows": lambda at: equity.mark_rows(at, session),
    }
    return {f"{name} {session}": query for name, query in queries.items()}


def answer(query: Query, snapshot: Snapshot) -> object:
    """What a query gives, comparable: structs as plain data, rows as bytes, an unknown thing as its message."""
    try:
        found = query(snapshot)
    except (Unknown, InvalidInput) as error:
        return str(error)
    if hasattr(found, "tobytes"):
        rows: Rows = found
        return rows.tobytes()
    return msgspec.json.encode(found)
