"""Tapes for tests of read models: legal streams of facts and decisions, made from a seed or step by step."""

from __future__ import annotations

import numpy as np

from events import codec, decisions, subjects
from events.clock import ManualClock
from events.decisions import Decision
from events.facts import (
    Fact,
    InstrumentTerms,
    Place,
    SessionInput,
    SessionLimits,
    SessionMode,
    SessionSpec,
    SessionStarted,
    StrategySetting,
)
from events.frames import Section, encode
from events.memory_tape import MemoryTape
from events.rows import (
    BAR_DTYPE,
    DECISION_KINDS,
    MARKET_DTYPE,
    ROW_DTYPES,
    MarketKind,
    Rows,
    SectionKind,
)
from events.tape import Append

START_NS = 1_700_000_000 * 1_000_000_000
SYMBOLS = ("BTC_USDT", "ETH_USDT", "DOGE_USDT")
STRATEGIES = ("pump_v2", "ema_cross")


class Script:
    """Appends legal events to a tape of its own; time moves by what each step says."""

    def __init__(self, epoch: str = "e1") -> None:
        self.clock = ManualClock(START_NS)
        self.tape = MemoryTape(clock=self.clock, epoch=epoch)
        self._ordinals: dict[tuple[str, SectionKind], int] = {}
        self._inputs: dict[str, int] = {}
        self._messages = 0
        self.research: dict[str, bool] = {}

    async def fact(self, fact: Fact, subject: str, seconds: float = 0.0) -> int:
        """Append a fact."""
        self._messages += 1
        self.clock.advance(seconds)
        return await self.tape.append(codec.to_append(fact, subject, f"m{self._messages}"))

    async def of_session(self, session: str, fact: Fact) -> int:
        """Append a fact of a session."""
        return await self.fact(fact, subjects.session_fact(session, research=self.research[session]))

    async def start(self, session: str, *, mode: SessionMode = "paper", lanes: int = 4, parent: str = "") -> int:
        """Start a session of two strategies on two symbols, the second strategy maybe on one only."""
        self.research[session] = mode == "backtest"
        return await self.of_session(session, SessionStarted(spec=spec(session, mode, lanes, parent), started_ns=1))

    async def decide(self, session: str, sections: dict[SectionKind, Rows], epoch: int = 1) -> int:
        """Append a decision of these rows."""
        self._messages += 1
        self._inputs[session] = self._inputs.get(session, 0) + 1
        parts = []
        for kind in DECISION_KINDS:
            rows = sections.get(kind)
            if rows is not None and len(rows):
                ordinal = self._ordinals.get((session, kind), 0)
                self._ordinals[session, kind] = ordinal + len(rows)
                parts.append(Section(kind, rows, ordinal))
        decision = Decision(
            session, tuple(parts), Place(self._messages, 0), self._inputs[session], epoch, self.research[session]
        )
        subject = subjects.session_decision(session, research=decision.research)
        append = decisions.to_append(decision, expected=0)
        return await self.tape.append(Append(subject, append.body, append.message_id, append.headers))

    async def market(self, source: str, rows: Rows, kind: SectionKind = SectionKind.MARKET) -> int:
        """Append a frame of a source."""
        self._messages += 1
        body = encode([Section(kind, rows)])
        return await self.tape.append(Append(subjects.market(source), body, f"m{self._messages}"))


def spec(session: str, mode: SessionMode = "paper", lanes: int = 4, parent: str = "") -> SessionSpec:
    """Two strategies on two instruments; with three lanes the second runs on the first symbol only."""
    return SessionSpec(
        session=session,
        mode=mode,
        user="alice" if len(session) % 2 else "bob",
        input=SessionInput(source="sim", recording="rec1" if mode == "backtest" else None),
        instruments=tuple(
            InstrumentTerms(
                number=number,
                symbol=symbol,
                quote="USDT",
                price_step=0.01,
                quantity_step=0.001,
                notional_min=5.0,
                maker_fee_ratio=0.0,
                taker_fee_ratio=0.001,
            )
            for number, symbol in enumerate(SYMBOLS[:2], 1)
        ),
        strategies=tuple(
            StrategySetting(strategy=strategy, params={"fast": 3}, symbols=SYMBOLS[:1] if at and lanes == 3 else ())
            for at, strategy in enumerate(STRATEGIES)
        ),
        limits=SessionLimits(),
        seed=1,
        code_hash="c0de",
        parent=parent or None,
        research=mode == "backtest",
    )


def rows_of(section: SectionKind, /, **columns: object) -> Rows:
    """Rows of a kind from columns; the rest is zero."""
    length = max(np.size(values) for values in columns.values())
    rows = np.zeros(length, ROW_DTYPES[section, 1])
    for name, values in columns.items():
        rows[name] = values
    return rows


def ticks(count: int, seed: int = 1, start_ns: int = START_NS) -> Rows:
    """Trades and quotes of two instruments, 1 ms apart."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    rows = np.zeros(count, MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = start_ns + np.arange(count) * 1_000_000
    rows["price"] = 100 + np.cumsum(rng.integers(-1, 2, count)) / 100
    rows["quantity"] = rng.integers(1, 100, count) / 10
    rows["id"] = np.arange(count)
    rows["instrument"] = rng.integers(1, 3, count)
    rows["kind"] = rng.choice([MarketKind.TRADE, MarketKind.TRADE, MarketKind.BID, MarketKind.ASK], count)
    rows["side"] = rng.choice([-1, 1], count)
    return rows


def bars(count: int, start_ns: int = START_NS) -> Rows:
    """One-minute bars of instrument 1."""
    rows = np.zeros(count, BAR_DTYPE)
    rows["ts_event_ns"] = start_ns // 60_000_000_000 * 60_000_000_000 + np.arange(count) * 60_000_000_000
    rows["ts_received_ns"] = rows["ts_event_ns"] + 60_000_000_000
    rows["open"], rows["high"], rows["low"], rows["close"] = 100.0, 102.0, 99.0, 101.0
    rows["volume"], rows["interval_ns"], rows["instrument"], rows["trades"] = 5.0, 60_000_000_000, 1, 7
    return rows
