"""The report of a session: one page that needs nothing else, with every spike and every number."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.research.metrics.annualisation import DAY_NS, HOUR_NS
from engine.research.metrics.display import shown
from engine.research.metrics.equity import Curve
from engine.research.metrics.measure import measure
from engine.research.metrics.table import METRICS
from engine.research.metrics.trades import TRADE_DTYPE, trades_from_fills
from engine.research.report import PriceSeries, ReportData, render_report
from engine.research.report.bars import histogram
from engine.research.report.downsample import downsample
from engine.research.report.payload import MARKERS_MAX, POINTS_MAX, Payload, Series
from engine.research.report.periods import monthly_returns, period_returns
from engine.research.report.tables import ROWS_MAX
from events.errors import InvalidInput
from events.rows import Rows
from tests.engine.research.sessions import START_NS, curve_of, fills_of

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags nest, and gathers attributes, texts and scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.payload = ""
        self.inside = ""
        self.feed(page)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.inside = dict(attrs).get("id") or "script"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "payload":
            self.payload += data
        elif not self.inside and self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What a reader reads."""
        return " ".join(self.texts)

    def drawn(self) -> Payload:
        """What the script draws."""
        return msgspec.json.decode(self.payload, type=Payload)


def session(trades: Rows | None = None, curve: Curve | None = None, **changes: object) -> ReportData:
    """A session of one instrument with two trades, changed where asked."""
    fills = fills_of((2.0, 100.0, 0.5), (-2.0, 110.0, 0.6), (-1.0, 110.0, 0.3), (1.0, 111.0, 0.3))
    made = trades_from_fills(fills) if trades is None else trades
    noise = np.random.Generator(np.random.Philox(key=2))
    line = curve or curve_of(noise.normal(0.001, 0.01, 90))
    seconds = START_NS + np.arange(500) * 1_000_000_000
    data = ReportData(
        title="pump_v2 · backtest",
        facts=(("Session", "s-1"), ("Mode", "backtest")),
        decision_hash="0f" * 32,
        verified="verified: 4 rows equal",
        verified_good=True,
        quote="USDT",
        curve=line,
        trades=made,
        measurements=measure(line, made),
        instruments={0: "BTC/USDT"},
        lanes={0: "pump_v2"},
        prices=(PriceSeries(instrument=0, ts_ns=seconds, price=100.0 + np.sin(np.arange(500.0))),),
    )
    return msgspec.structs.replace(data, **changes)


def decoded(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Times in ms and values, as the script sees them."""
    return np.cumsum(series.t), np.array(series.v)


def test_a_report_needs_no_network() -> None:
    """The page loads nothing, and its policy forbids to."""
    page = render_report(session())
    parsed = Page(page)
    assert not [one for one in parsed.attributes if one[1] in ("src", "href", "srcset", "action", "data")]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket", page)
    policy = next(value for _, name, value in parsed.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert "Permission is hereby granted" in page, "the licence of the chart library goes with it"


def test_a_report_shows_the_session_and_its_proof() -> None:
    """Header, hash, verified line, every named metric with its value and definition, every trade with its reason."""
    data = session(notes=("The source had a gap of 3 minutes.",))
    text = Page(render_report(data)).text
    for word in (data.title, data.verified, data.decision_hash, "backtest", data.notes[0], "signal exit", "BTC/USDT"):
        assert word in text
    for metric, one in zip(METRICS, data.measurements.metrics, strict=True):
        assert metric.label in text
        assert metric.definition in text
        assert (shown(one.unit, one.value) if one.value is not None else one.reason) in text


@pytest.mark.parametrize(("good", "state"), [(True, "good"), (False, "bad"), (None, "open")])
def test_a_failed_verification_cannot_be_overlooked(good: bool | None, state: str) -> None:
    """Equal, different and not verified look different."""
    page = Page(render_report(session(verified_good=good, verified="" if good is None else "line")))
    assert ("div", "class", f"seal {state}") in page.attributes
    assert ("Not verified yet." in page.text) == (good is None)


def test_hostile_names_stay_text() -> None:
    """A name with markup is shown as it is and runs nothing."""
    nasty = "</script><script>alert('x')</script><img src=x onerror=alert(1)> & \"'"
    page = render_report(
        session(title=nasty, instruments={0: nasty}, lanes={0: nasty}, notes=(nasty,), facts=((nasty, nasty),))
    )
    parsed = Page(page)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert parsed.text.count(nasty) >= 5
    assert parsed.drawn().prices[0].name == nasty


def test_the_drawn_series_are_the_session() -> None:
    """Short series are drawn point by point: times to the millisecond, values to nine digits."""
    data = session()
    drawn = Page(render_report(data)).drawn()
    times, values = decoded(drawn.equity)
    np.testing.assert_array_equal(times, np.round(data.curve.ts_ns / 1e6))
    np.testing.assert_allclose(values, data.curve.equity, rtol=1e-8)
    _, drawdowns = decoded(drawn.drawdown)
    assert drawdowns.min() == pytest.approx(data.measurements.value("max_drawdown"))
    assert [marker.pnl for marker in drawn.trades] == pytest.approx(data.trades["pnl"].tolist())


def test_a_long_session_stays_small_and_keeps_its_spikes() -> None:
    """A million points, one of them a spike, make a page below 1.5 MB that shows the spike."""
    size = 1_000_000
    equity = np.full(size, 1000.0)
    equity[123_456], equity[777_777] = 1.0, 5000.0
    trades = np.zeros(MARKERS_MAX + 1000, TRADE_DTYPE)
    trades["pnl"], trades["side"], trades["quantity"] = np.arange(trades.size), 1, 1.0
    curve = Curve(START_NS + np.arange(size) * 1_000_000, equity)
    page = render_report(session(trades, curve))
    drawn = Page(page).drawn()
    _, values = decoded(drawn.equity)
    assert (values.min(), values.max()) == (1.0, 5000.0)
    assert values.size <= POINTS_MAX
    assert len(drawn.trades) == MARKERS_MAX
    assert min(marker.pnl for marker in drawn.trades) == 1000.0
    assert page.count("<tr data-n=") == ROWS_MAX
    assert f"The {ROWS_MAX:,} of {trades.size:,} trades that made or lost most." in page
    assert len(page) < 1_500_000


@pytest.mark.parametrize(
    "curve",
    [
        Curve(np.array([START_NS]), np.array([100.0])),
        Curve(np.array([START_NS, START_NS + DAY_NS]), np.array([100.0, -5.0])),
        Curve(START_NS + np.arange(5) * DAY_NS, np.full(5, 100.0)),
        Curve(np.array([START_NS, START_NS + 1]), np.array([0.0, 0.0])),
    ],
    ids=["one point", "ruined", "nothing happened", "no capital"],
)
def test_a_session_without_trades_has_a_report(curve: Curve) -> None:
    """Nothing traded, nothing earned, all lost: the page says so instead of failing."""
    page = Page(render_report(session(np.zeros(0, TRADE_DTYPE), curve, prices=())))
    assert "This session made no trade." in page.text
    assert page.drawn().trades == []


def test_prices_that_are_no_numbers_are_refused() -> None:
    """A price series with a hole names its instrument."""
    with pytest.raises(InvalidInput, match="instrument 3"):
        PriceSeries(instrument=3, ts_ns=np.array([1, 2]), price=np.array([1.0, np.nan]))


@settings(max_examples=80)
@given(
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300),
    points_max=st.integers(8, 60),
)
def test_downsampling_keeps_ends_and_extremes(values: list[float], points_max: int) -> None:
    """However few points are kept, both ends and the highest and lowest are among them, in order."""
    array = np.array(values)
    kept = downsample(array, points_max)
    assert kept.size <= max(points_max, 1)
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, array.size - 1)
    assert array[kept].min() == array.min()
    assert array[kept].max() == array.max()


@settings(max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-3), min_size=2, max_size=100))
def test_the_histogram_counts_every_trade_on_its_side_of_zero(profits: list[float]) -> None:
    """Every trade is in one bar; none mixes gains and losses."""
    bars = histogram(np.array(profits), "USDT")
    assert sum(bar.height for bar in bars) == len(profits)
    assert sum(bar.height for bar in bars if not bar.gain) == sum(profit < 0 for profit in profits)


@pytest.mark.parametrize(
    ("count", "length", "period"), [(200, HOUR_NS // 4, "hour"), (90, DAY_NS, "day"), (900, DAY_NS, "month")]
)
def test_returns_by_calendar_compound_to_the_whole(count: int, length: int, period: str) -> None:
    """Hours, days or months: multiplied they are the total return."""
    noise = np.random.Generator(np.random.Philox(key=4))
    curve = curve_of(noise.normal(0.0, 0.01, count), period_ns=length)
    by_period = period_returns(curve)
    assert by_period is not None
    assert by_period.period == period
    total = curve.equity[-1] / curve.equity[0]
    assert np.prod(1.0 + np.array(by_period.returns)) == pytest.approx(total)
    months = monthly_returns(curve)
    assert not months or np.prod([1.0 + value for value in months.values()]) == pytest.approx(total)
    assert bool(months) == (period != "hour")
