"""Bar charts as SVG: no script, a tooltip on each bar."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 560, 200
LEFT, BOTTOM, TOP = 56, 22, 8
BINS_MIN, BINS_MAX = 8, 48


class Bar(NamedTuple):
    """One bar: its height, whether it is a gain, its tooltip, and the label under it ("" for none)."""

    height: float
    gain: bool
    tip: str
    label: str


def bar_chart(bars: Sequence[Bar], name: str, tick: str) -> str:
    """The chart; `name` is read to those who cannot see it, `tick` formats the heights at the axis (`{:.0f}`)."""
    top = max(0.0, *(bar.height for bar in bars)) if bars else 0.0
    low = min(0.0, *(bar.height for bar in bars)) if bars else 0.0
    span = (top - low) or 1.0
    step = (WIDTH - LEFT) / max(len(bars), 1)

    def y(height: float) -> float:
        return TOP + (top - height) / span * (HEIGHT - BOTTOM - TOP)

    parts = [f'<svg class="bars" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">']
    for level in sorted({top, 0.0, low}):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y(level):.1f}" y2="{y(level):.1f}" class="level"/>')
        text = escape(tick.format(level))
        parts.append(f'<text x="{LEFT - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{text}</text>')
    for number, bar in enumerate(bars):
        left, edge = LEFT + number * step, min(y(bar.height), y(0.0))
        size = max(abs(y(bar.height) - y(0.0)), 0.8 if bar.height else 0.0)
        parts.append(
            f'<g><title>{escape(bar.tip)}</title><rect class="catch" x="{left:.2f}" y="{TOP}" width="{step:.2f}"'
            f' height="{HEIGHT - BOTTOM - TOP}"/><rect class="{"gain" if bar.gain else "loss"}"'
            f' x="{left + step * 0.08:.2f}" y="{edge:.2f}" width="{step * 0.84:.2f}" height="{size:.2f}"/></g>'
        )
        if bar.label and left < WIDTH - 3 * len(bar.label):  # else it would be cut off
            parts.append(
                f'<text x="{left + step / 2:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(bar.label)}</text>'
            )
    return "".join([*parts, "</svg>"])


def histogram(values: NDArray[np.float64], quote: str) -> list[Bar]:
    """Bars of how many trades made how much; bin edges by Freedman and Diaconis, zero is an edge."""
    width = _bin_width(values)
    first, last = int(np.floor(values.min() / width)), int(np.floor(values.max() / width))
    counts = np.bincount((np.floor(values / width) - first).astype(np.int64), minlength=last - first + 1)
    bars = []
    for number, count in enumerate(counts.tolist(), first):
        low, high = number * width, (number + 1) * width
        tip = f"{count} trades between {low:,.4g} and {high:,.4g} {quote}"
        label = f"{low:,.3g}" if (number - first) % max(1, counts.size // 6) == 0 else ""
        bars.append(Bar(float(count), low >= 0.0, tip, label))
    return bars


def _bin_width(values: NDArray[np.float64]) -> float:
    spread = float(values.max() - values.min())
    quarter, three = np.percentile(values, [25, 75])
    width = 2.0 * float(three - quarter) / float(np.cbrt(values.size))
    bins = spread / width if width > 0.0 else BINS_MIN
    width = spread / min(max(bins, BINS_MIN), BINS_MAX)
    return width or max(abs(float(values[0])), 1.0)
