"""How fast is the DuckDB read model built anew from the tape?

    .venv/bin/python -m benchmarks.rebuild [--rows 500000] [--no-server]

An event is a row of a decision (signal, order step, fill, mark) or a fact. Three shapes of decision message: of five
rows (a live session's), of fifty (a burst under group commit) and of a thousand (a backtest's). Measured from messages
in memory (decode, apply, commit) and from a real nats-server through the runner. Baseline in the same run: the same
rows as Arrow tables, inserted by DuckDB with nothing else done. `events/cpu s` counts the time of this process alone,
which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import psutil
import pyarrow
import structlog

from events import codec, decisions, subjects
from events.clock import SystemClock
from events.decisions import Decision
from events.facts import (
    InstrumentTerms,
    Place,
    SessionInput,
    SessionLimits,
    SessionSpec,
    SessionStarted,
    StrategySetting,
)
from events.frames import Section
from events.jetstream import streams
from events.jetstream.link import Link
from events.jetstream.roles import ROLES, Role
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.rows import DECISION_KINDS, ROW_DTYPES, OrderStatus, Rows, SectionKind
from events.stack import Layer
from events.tape import MESSAGE_ID, Append, Message
from projections.batch import Batch, decode
from projections.checkpoints import advanced
from projections.duckdb.read_model import DuckReadModel
from projections.read_models.row_tables import RowTable
from projections.runner import ProjectionRunner, RunnerSettings

ROWS_PER_ROUND = 5  # signal, accepted, filled, fill, mark
LANES = 4
NS = 1_000_000_000
BENCH = "bench"
SHAPES = (("live, 5 rows", 5), ("burst, 50 rows", 50), ("backtest, 1000 rows", 1000))


class Took(NamedTuple):
    """Seconds on the wall and of this process."""

    wall: float
    cpu: float


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> Took:
        """Time since the start."""
        return Took(time.perf_counter() - self._wall, time.process_time() - self._cpu)


def spec(session: str) -> SessionSpec:
    """Two strategies on two instruments."""
    terms = [InstrumentTerms(number=n, symbol=f"S{n}", quote="USDT", price_step=0.01, quantity_step=0.001,
                             notional_min=5.0, maker_fee_ratio=0.0, taker_fee_ratio=0.001) for n in (1, 2)]  # fmt: skip
    return SessionSpec(
        session=session, mode="paper", user="bench", input=SessionInput(source="sim"), instruments=tuple(terms),
        strategies=tuple(StrategySetting(strategy=one, params={}) for one in ("pump_v2", "ema_cross")),
        limits=SessionLimits(), seed=1, code_hash="c",
    )  # fmt: skip


def rounds(first: int, count: int) -> dict[SectionKind, Rows]:
    """Rows of `count` round turns of market orders: each is accepted, filled whole, and marked."""
    number = np.arange(first, first + count)
    rows = {kind: np.zeros(count * (2 if kind is SectionKind.ORDER else 1), ROW_DTYPES[kind, 1])
            for kind in DECISION_KINDS if kind is not SectionKind.DENIAL}  # fmt: skip
    for kind, made in rows.items():
        each = np.repeat(number, 2) if kind is SectionKind.ORDER else number
        made["input"] = each * 7
        made["ts_event_ns"] = 1_700_000_000 * NS + each * NS
        if kind is not SectionKind.MARK:
            made["lane"] = each % LANES
            made["instrument"] = each % 2 + 1
            made["side"] = np.where(each // LANES % 2, -1, 1)
            made["price"] = 100 + np.sin(each / 50)
    orders, fills = rows[SectionKind.ORDER], rows[SectionKind.FILL]
    orders["order"], fills["order"] = np.repeat(number, 2) + 1, number + 1
    orders["quantity"] = fills["quantity"] = 1.5
    orders["filled"][1::2] = 1.5
    orders["status"] = np.tile([OrderStatus.ACCEPTED, OrderStatus.FILLED], count)
    fills["fee"] = 0.15
    rows[SectionKind.MARK]["equity"] = 10_000 + np.cos(number / 90)
    return rows


def session_appends(session: str, total_rows: int, rows_per_message: int) -> Iterator[Append]:
    """A session's start and its decisions."""
    yield codec.to_append(SessionStarted(spec=spec(session)), subjects.session_fact(session), f"{session}:start")
    per_message = max(1, rows_per_message // ROWS_PER_ROUND)
    for first in range(0, total_rows // ROWS_PER_ROUND, per_message):
        sections = tuple(
            Section(kind, rows, first * (2 if kind is SectionKind.ORDER else 1))
            for kind, rows in rounds(first, per_message).items()
        )
        append = decisions.to_append(Decision(session, sections, Place(1, 0), first, 1), expected=0)
        yield Append(append.subject, append.body, append.message_id, append.headers)


def messages_of(appends: list[Append]) -> list[Message]:
    """As a tape would give them."""
    return [
        Message(at, one.subject, {**one.headers, MESSAGE_ID: one.message_id}, one.body, 1_700_000_000 * NS + at * 1000)
        for at, one in enumerate(appends, 1)
    ]


def bare_insert(folder: Path, total_rows: int) -> Took:
    """Time to insert the same rows from Arrow tables, 100,000 rounds at a time, in one transaction each."""
    connection = duckdb.connect(str(folder / "bare.duckdb"), config={"memory_limit": "128MB", "threads": 2})
    tables = {kind: RowTable(f"{kind.name.lower()}s", kind) for kind in DECISION_KINDS}
    for table in tables.values():
        connection.execute(table.table.create())
    parts = []
    step = min(100_000, total_rows // ROWS_PER_ROUND)
    for first in range(0, total_rows // ROWS_PER_ROUND, step):
        for kind, rows in rounds(first, step).items():
            one = np.zeros(1, "<i8")
            tables[kind].add(one, one, Layer(one, one, one + first, one + len(rows), rows))
            columns = tables[kind].take()
            arrow = pyarrow.table({name: np.ascontiguousarray(values) for name, values in columns.items()})
            parts.append((tables[kind].table.name, arrow))
    began = Stopwatch()
    for name, arrow in parts:
        connection.execute("BEGIN")
        connection.register("incoming", arrow)
        connection.execute(f"INSERT INTO {name} SELECT * FROM incoming")
        connection.unregister("incoming")
        connection.execute("COMMIT")
    took = began.stop()
    connection.close()
    return took


def from_memory(folder: Path, messages: list[Message], batch_messages: int) -> Took:
    """Time to decode, apply and commit."""
    model = DuckReadModel(folder / "memory.duckdb")
    model.open()
    model.begin("bench")
    began = Stopwatch()
    for first in range(0, len(messages), batch_messages):
        part = messages[first : first + batch_messages]
        checkpoint = model.checkpoint()
        events, decided, _ = decode(part)
        model.apply(Batch(checkpoint.sequence, events, advanced(checkpoint, part[-1]), decided))
    took = began.stop()
    model.store.discard()
    model.close()
    return took


async def from_server(folder: Path, appends: list[Append]) -> Took:
    """Time of `rebuild` over a real tape."""
    server = NatsServer(folder / "nats", role_table={**ROLES, BENCH: Role((">",), vault=True)})
    await server.start()
    try:
        link = await Link.open(server.endpoint(BENCH))
        await streams.init(link, "bench")
        tape = await JetStreamTape.open(link)
        for first in range(0, len(appends), tape.limits.batch_messages_max):
            await tape.append_atomic(appends[first : first + tape.limits.batch_messages_max])
        model = DuckReadModel(folder / "server.duckdb")
        model.open()
        runner = ProjectionRunner(tape, [model], RunnerSettings(), clock=SystemClock())
        began = Stopwatch()
        await runner.rebuild()
        took = began.stop()
        await runner.close()
        model.close()
        await tape.close()
        await link.close()
    finally:
        await server.stop()
    return took


def show(shape: str, source: str, events: int, took: Took, bare: Took) -> None:
    """One line of the table."""
    print(
        f"{shape:<22}{source:<13}{events:>9,}{took.wall:>9.2f}{events / took.wall:>11,.0f}"
        f"{bare.wall / took.wall:>9.1%}{events / took.cpu:>14,.0f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=500_000)  # per shape
    options.add_argument("--no-server", action="store_true")
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    batch = RunnerSettings().batch_messages_max
    print(f"{'shape':<22}{'from':<13}{'events':>9}{'seconds':>9}{'events/s':>11}{'of bare':>9}{'events/cpu s':>14}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_insert(folder, chosen.rows)
        show("bare Arrow insert", "memory", chosen.rows, bare, bare)
        for shape, size in SHAPES:
            appends = list(session_appends(f"s{size}", chosen.rows, size))
            show(shape, "memory", chosen.rows + 1, from_memory(folder, messages_of(appends), batch), bare)
            if not chosen.no_server:
                took = asyncio.run(from_server(folder / str(size), appends))
                show(shape, "nats-server", chosen.rows + 1, took, bare)
    print(f"memory of this process now: {psutil.Process().memory_info().rss / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
