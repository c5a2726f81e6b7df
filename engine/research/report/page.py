"""Renders one self-contained HTML page: no network, no server, printable."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib import resources

import msgspec

from engine.research.metrics.display import described
from engine.research.metrics.measure import Measurement
from engine.research.report.bars import Bar, bar_chart, histogram
from engine.research.report.data import ReportData
from engine.research.report.payload import payload_of
from engine.research.report.periods import monthly_returns, period_returns
from engine.research.report.tables import clock, metric_tables, month_table, tone, trade_table

HEADLINES = (
    "total_return",
    "net_profit",
    "max_drawdown",
    "sharpe_ratio",
    "total_trades",
    "win_rate",
    "profit_factor",
    "fees_paid",
)
SHORT_LABELS = {
    "total_return": "Total return",
    "net_profit": "Net profit",
    "max_drawdown": "Max drawdown",
    "sharpe_ratio": "Sharpe",
    "total_trades": "Trades",
    "win_rate": "Win rate",
    "profit_factor": "Profit factor",
    "fees_paid": "Fees",
}

LEGEND = (
    "<span class='key'><i class='gain'>▲</i> long entry <i class='loss'>▼</i> short entry ○ exit "
    "<i class='gain'>—</i> won <i class='loss'>—</i> lost</span>"
)

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def render_report(data: ReportData) -> str:
    """The whole page as text, UTF-8."""
    body = "".join(
        [_header(data), _headlines(data), _time_charts(data), _trade_charts(data), _metrics(data), _trades(data)]
    )
    payload = msgspec.json.encode(payload_of(data)).decode().replace("<", "\\u003c")
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(data.title)} · Tapedeck</title>"
        f"<style>{_asset('uplot.min.css')}\n{_asset('report.css')}</style></head><body><main>{body}</main>"
        f"<footer>Made by Tapedeck. Times are UTC. Charts by uPlot (MIT).</footer>"
        f"<script type='application/json' id='payload'>{payload}</script>"
        f"<script>/*!\n{_asset('uplot.LICENSE')}\n*/\n{_asset('uplot.min.js')}</script>"
        f"<script>{_asset('report.js')}</script></body></html>\n"
    )


@cache
def _asset(name: str) -> str:
    return resources.files("engine.research.report").joinpath("assets", name).read_text(encoding="utf-8")


def _header(data: ReportData) -> str:
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in data.facts)
    notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in data.notes)
    state = {True: "good", False: "bad", None: "open"}[data.verified_good]
    line = data.verified or "Not verified yet."
    mark = {"good": "✓", "bad": "✗", "open": "…"}[state]
    return (
        "<header><div class='top'><p class='over'>Tapedeck session report</p><button id='theme' title='dark or light'>"
        f"◐</button></div><h1>{escape(data.title)}</h1>"
        f"<div class='seal {state}'><b>{mark}</b><div><p>{escape(line)}</p>"
        f"<code title='decision hash'>{escape(data.decision_hash)}</code></div></div>"
        f"{notes}<dl class='facts'>{facts}</dl></header>"
    )


def _headlines(data: ReportData) -> str:
    by_name = {one.name: one for one in data.measurements.metrics}
    cards = "".join(_card(by_name[name], data.quote) for name in HEADLINES)
    return f"<section class='cards'>{cards}</section>"


def _card(one: Measurement, quote: str) -> str:
    unit = f" <small>{escape(quote)}</small>" if one.unit == "quote" else ""
    value = f"<b class='{tone(one)}'>{escape(described(one))}{unit}</b>"
    if one.value is None:
        value = f"<b class='none'>–</b><small>{escape(one.reason)}</small>"
    return f"<div class='card'><span>{SHORT_LABELS[one.name]}</span>{value}</div>"


def _time_charts(data: ReportData) -> str:
    price = _chart("price", f"Price of {_instruments(data)} {LEGEND}") if data.drawn_prices() else ""
    profit = _chart("pnl", f"Profit of each trade, {escape(data.quote)}") if data.trades.size else ""
    span = f"{clock(int(data.curve.ts_ns[0]))} to {clock(int(data.curve.ts_ns[-1]))} UTC"
    help_text = "Drag to zoom all charts, double-click to see all."
    hint = f"<p class='hint'><b>{span}</b> {help_text} <button id='reset'>Show all</button></p>"
    equity = _chart("equity", f"Equity, {escape(data.quote)}")
    return f"<section id='charts'>{hint}{equity}{_chart('drawdown', 'Drawdown')}{price}{profit}</section>"


def _instruments(data: ReportData) -> str:
    """Name of the only instrument with prices, or a choice among them."""
    names = [(one.instrument, escape(data.instrument_name(one.instrument))) for one in data.drawn_prices()]
    if len(names) == 1:
        return names[0][1]
    options = "".join(f"<option value='{number}'>{name}</option>" for number, name in names)
    return f"<select id='instrument' aria-label='instrument'>{options}</select>"


def _chart(name: str, title: str) -> str:
    caption = f"<figcaption>{title}<output id='at-{name}'></output></figcaption>"
    return f"<figure class='chart'>{caption}<div id='{name}'></div></figure>"


def _trade_charts(data: ReportData) -> str:
    figures = []
    closed = data.trades[data.trades["open"] == 0]["pnl"]
    if closed.size > 1:
        title = f"Trades by profit, {data.quote}"
        figures.append(_figure(title, bar_chart(histogram(closed, data.quote), title, "{:.0f}")))
    by_period = period_returns(data.curve)
    if by_period:
        title = f"Return by {by_period.period}, %"
        step = max(1, len(by_period.starts) // 6)
        pairs: Iterable[tuple[int, tuple[str, float]]] = enumerate(
            zip(by_period.starts, by_period.returns, strict=True)
        )
        bars = [
            Bar(
                100 * value,
                value >= 0,
                f"{start.replace('T', ' ')}: {100 * value:+.2f} %",
                _short(start, by_period.period) if n % step == 0 else "",
            )
            for n, (start, value) in pairs
        ]
        figures.append(_figure(title, bar_chart(bars, title, "{:.2f}")))
    months = monthly_returns(data.curve)
    if months:
        figures.append(_figure("Return by month, %", f"<div class='wide'>{month_table(months)}</div>", "whole"))
    return f"<section class='pair'>{''.join(figures)}</section>"


def _short(start: str, period: str) -> str:
    """The part of an ISO time that differs from bar to bar."""
    return {"hour": start[11:], "day": start[5:]}.get(period, start)


def _figure(title: str, content: str, kind: str = "") -> str:
    return f"<figure class='chart {kind}'><figcaption>{escape(title)}</figcaption>{content}</figure>"


def _metrics(data: ReportData) -> str:
    chosen = data.measurements.annualisation
    how = (
        f"{data.measurements.returns:,} returns of {chosen.period}, {chosen.periods_per_year:,.0f} periods a year. "
        "Rest on a name to read its definition."
    )
    tables = metric_tables(data.measurements)
    return f"<section><h2>Metrics</h2><p class='hint'>{how}</p><div class='groups'>{tables}</div></section>"


def _trades(data: ReportData) -> str:
    return (
        f"<section><h2>Trades</h2><p class='hint'>A row shows its trade in the charts.</p>{trade_table(data)}</section>"
    )
