"""Kind `walkforward`: per fold a sweep over the train window, then a backtest of its best over the test window."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.jobs.backtest import BacktestBody, planned, recorded
from engine.jobs.kind import Kind
from engine.jobs.work import Work
from engine.recordings.stretches import Span, Stretch, stretch
from engine.research.outcome import outcome
from engine.research.pips import Units
from engine.research.sweeping import JOB_CORES_MAX, SweepRow
from engine.research.walkforward import FITS_MAX, Fold, Objective, Params, Windows, fittest, folds
from engine.sessions.plan import SessionWish, StrategyWish
from events.errors import InvalidInput
from events.facts import SessionSpec

FOLD_METRICS = ("total_return", "sharpe_ratio", "max_drawdown", "win_rate", "total_trades")


class WalkforwardBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to walk over: as a backtest's, with windows, and the sets of parameters that each fold tries."""

    backtest: BacktestBody
    grid: Annotated[tuple[Params, ...], Meta(min_length=1, max_length=FITS_MAX)]
    windows: Windows = Windows()
    objective: Objective = "return_over_drawdown"


class WalkforwardDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one that runs: the fold, and what is done of it."""

    current_fold: int  # counted from 1; `fold` of the result is counted from 0
    total_folds: int
    phase: Literal["train", "test"]


class FoldResult(msgspec.Struct, frozen=True, kw_only=True):
    """One fold: its windows, what was fitted, and what the test came to. Figures without a value are None."""

    fold: int
    train_ns: int
    test_ns: int
    until_ns: int
    params: Params
    trained_return: float  # of the best set on its own train window
    session: str  # the test
    total_return: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None
    win_rate: float | None
    total_trades: float | None


class WalkforwardResult(msgspec.Struct, frozen=True, kw_only=True):
    """All folds, in order of time."""

    recording: str
    first_ns: int
    last_ns: int
    folds: tuple[FoldResult, ...]
    units: Units | None = None  # in force in every fold, where it was asked for in pips


async def walkforward(body: WalkforwardBody, work: Work) -> WalkforwardResult:
    """Fit and test fold after fold.

    Raises:
        InvalidInput, Unknown, Conflict: it cannot be planned, no fold fits, or a window has no rows.
        SessionBroke: a session did not run to its end.
    """
    wish, whole, units = await planned(body.backtest, work)
    if len(wish.strategies) != 1:
        raise InvalidInput("A walk-forward fits one strategy.", field="strategies")
    cut = folds(whole.first_ns, whole.last_ns + 1, body.windows)
    walk, found = _Walk(body, wish, work, len(cut)), []
    for at, fold in enumerate(cut):
        share = (at / len(cut), (at + 1) / len(cut))
        found.append(await walk.fold(at, fold, share))
    return WalkforwardResult(
        recording=wish.recording or "",
        first_ns=whole.first_ns,
        last_ns=whole.last_ns,
        folds=tuple(found),
        units=units,
    )


class _Walk:
    """The sessions of one job's folds."""

    def __init__(self, body: WalkforwardBody, wish: SessionWish, work: Work, total: int) -> None:
        self._body = body
        self._wish = wish
        self._work = work
        self._total = total

    async def fold(self, at: int, fold: Fold, share: tuple[float, float]) -> FoldResult:
        """Fit, then test."""
        middle = (share[0] + share[1]) / 2
        await self._tell(at, "train", share[0])
        best = await self._fit(at, fold, (share[0], middle))
        await self._tell(at, "test", middle)
        spec = await self._test(at, fold, best.params)
        history = await self._work.run(spec, (middle, share[1]))
        measured = (await asyncio.to_thread(outcome, history)).measurements
        return FoldResult(
            fold=at,
            train_ns=fold.train_ns,
            test_ns=fold.test_ns,
            until_ns=fold.until_ns,
            params=best.params,
            trained_return=best.return_ratio,
            session=spec.session,
            **{name: measured.value(name) for name in FOLD_METRICS},
        )

    async def _test(self, at: int, fold: Fold, params: Params) -> SessionSpec:
        """The test reads the train window too: what looks back over it is warm where the test begins to trade."""
        train, test = await self._rows(fold.train_ns, fold.test_ns), await self._rows(fold.test_ns, fold.until_ns)
        wish = self._over(msgspec.structs.replace(test, first=train.first), params)
        return await self._work.plan(wish, f"test{at}", trade_from_ns=fold.test_ns)

    async def _tell(self, at: int, phase: Literal["train", "test"], ratio: float) -> None:
        self._work.has(WalkforwardDetail(current_fold=at + 1, total_folds=self._total, phase=phase))
        await self._work.progress(ratio, f"Fold {at + 1} of {self._total}")

    async def _fit(self, at: int, fold: Fold, share: tuple[float, float]) -> SweepRow:
        wish = self._over(await self._rows(fold.train_ns, fold.test_ns), {})
        spec = await self._work.plan(msgspec.structs.replace(wish, grid=self._body.grid), f"train{at}")
        await self._work.run(spec, share)
        return fittest(await self._work.table(spec.session), self._body.objective)

    async def _rows(self, first_ns: int, until_ns: int) -> Stretch:
        recording = await recorded(self._wish.recording or "", "", Span(), self._work)
        return await stretch(self._work.tape, recording, Span(first_ns, until_ns))

    def _over(self, rows: Stretch, params: Params) -> SessionWish:
        only = self._wish.strategies[0]
        strategy: StrategyWish = msgspec.structs.replace(only, params={**only.params, **params})
        return msgspec.structs.replace(self._wish, strategies=(strategy,), first=rows.first, last=rows.last)


KIND = Kind(name="walkforward", body=WalkforwardBody, do=walkforward, cores=float(JOB_CORES_MAX), memory_mb=768)
