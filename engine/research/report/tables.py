"""The tables of the page: metrics, months and trades."""

from __future__ import annotations

from html import escape

import numpy as np

from engine.research.metrics.display import duration, shown
from engine.research.metrics.measure import Measurement, Measurements
from engine.research.metrics.table import BY_NAME
from engine.research.report.data import ReportData
from engine.research.report.payload import most_telling, reason
from events.rows import Rows

ROWS_MAX = 500  # trades in the table; beyond it those that made or lost most
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

GROUPS = {  # in the order that fills three columns evenly
    "returns": "Returns",
    "risk_adjusted": "Gain for risk",
    "risk": "Risk",
    "distribution": "Distribution of returns",
    "trade": "Trades",
}

SIGNED = {  # metrics whose sign is a gain or a loss
    *("net_profit", "total_return", "annualized_return", "cagr"),
    *("avg_trade", "avg_winner", "avg_loser", "largest_winner", "largest_loser"),
}


def metric_tables(measurements: Measurements) -> str:
    """One table per group; each name carries its definition as a tooltip."""
    parts = []
    for group, title in GROUPS.items():
        rows = [_metric_row(one) for one in measurements.metrics if one.group == group]
        parts.append(f'<div class="metrics"><h3>{title}</h3><table><tbody>{"".join(rows)}</tbody></table></div>')
    return "".join(parts)


def _metric_row(one: Measurement) -> str:
    metric = BY_NAME[one.name]
    tip = f"{escape(metric.definition)}<br>annualised: {escape(metric.annualised)}; as in {escape(metric.source)}"
    name = f'<span class="tip" tabindex="0">{escape(metric.label)}<span role="tooltip">{tip}</span></span>'
    value = escape(shown(one.unit, one.value)) if one.value is not None else f"<small>{escape(one.reason)}</small>"
    return f"<tr><th scope='row'>{name}</th><td class='{tone(one)}'>{value}</td></tr>"


def tone(one: Measurement) -> str:
    """CSS class by sign, for what has a good and a bad side."""
    return sign(one.value) if one.value is not None and one.name in SIGNED else ""


def sign(value: float) -> str:
    """CSS class of a gain or a loss."""
    return "gain" if value > 0 else "loss" if value < 0 else ""


def month_table(months: dict[tuple[int, int], float]) -> str:
    """Years down, months across; the shade is the size of the return."""
    strongest = max(map(abs, months.values())) or 1.0
    head = "".join(f"<th scope='col'>{month}</th>" for month in (*MONTHS, "Year"))
    rows = []
    for year in sorted({year for year, _ in months}):
        cells, growth = [], 1.0
        for month in range(1, 13):
            value = months.get((year, month))
            growth *= 1.0 + (value or 0.0)
            cells.append(_month_cell(value, strongest))
        rows.append(f"<tr><th scope='row'>{year}</th>{''.join(cells)}<td>{100 * (growth - 1):.1f}</td></tr>")
    return f'<table class="months"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _month_cell(value: float | None, strongest: float) -> str:
    if value is None:
        return "<td></td>"
    return f'<td class="{sign(value)}" style="--shade:{55 * abs(value) / strongest:.0f}%">{100 * value:.1f}</td>'


def trade_table(data: ReportData) -> str:
    """The trades, one row each; a row zooms the charts to its trade."""
    if not data.trades.size:
        return '<p class="none">This session made no trade.</p>'
    kept = most_telling(data.trades, ROWS_MAX)
    more = (
        f"<p>The {kept.size:,} of {data.trades.size:,} trades that made or lost most.</p>"
        if kept.size < data.trades.size
        else ""
    )
    heads = ("#", "Instrument", "Strategy", "Side", "Entry", "Exit", "Held", "Quantity", "In at", "Out at")
    names = (*heads, f"Profit, {escape(data.quote)}", "Return", "Why it ended")
    head = "".join(f"<th scope='col'><button>{name}</button></th>" for name in names)
    rows = "".join(_trade_row(data, data.trades, int(number)) for number in kept)
    return (
        f'{more}<div class="wide"><table id="trades"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _trade_row(data: ReportData, trades: Rows, number: int) -> str:
    trade = trades[number]
    held = (int(trade["exit_ns"]) - int(trade["entry_ns"])) / 1e9
    pnl, side = float(trade["pnl"]), "long" if trade["side"] > 0 else "short"
    cells = (
        (number + 1, f"{number + 1:,}"),
        (None, data.instrument_name(int(trade["instrument"]))),
        (None, data.lane_name(int(trade["lane"]))),
        (None, side),
        (int(trade["entry_ns"]), clock(int(trade["entry_ns"]))),
        (int(trade["exit_ns"]), clock(int(trade["exit_ns"]))),
        (held, duration(held)),
        (float(trade["quantity"]), f"{trade['quantity']:,.6g}"),
        (float(trade["entry_price"]), f"{trade['entry_price']:,.8g}"),
        (float(trade["exit_price"]), f"{trade['exit_price']:,.8g}"),
        (pnl, f"{pnl:+,.2f}" if abs(pnl) >= 0.01 or pnl == 0 else f"{pnl:+.3g}"),
        (float(trade["return_ratio"]), f"{100 * trade['return_ratio']:+.2f} %"),
        (None, reason(trade)),
    )
    tones = {10: sign(pnl), 11: sign(pnl), 3: side}
    row = "".join(
        f"<td{f' data-v={value!r}' if value is not None else ''} class='{tones.get(place, '')}'>{escape(text)}</td>"
        for place, (value, text) in enumerate(cells)
    )
    return f'<tr data-n="{number + 1}">{row}</tr>'


def clock(ts_ns: int) -> str:
    """Date and time to the second, UTC."""
    return str(np.datetime64(ts_ns, "ns"))[:19].replace("T", " ")
