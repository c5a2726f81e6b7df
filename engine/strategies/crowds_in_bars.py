"""Whether bars can show a crowd to the strategies that count instants of trading in windows of seconds."""

from __future__ import annotations

from collections.abc import Mapping

from engine.indicators.limits import TIME_BUCKETS

SECOND = 1_000_000_000


def crowd_unseen(params: Mapping[str, float | int | bool], bar_ns: int) -> str:
    """Why bars of this length, one instant each, never lead to a signal under these parameters; "" where they may."""
    surge_ns, base_ns = int(params["surge_window_s"]) * SECOND, int(params["base_window_s"]) * SECOND
    most = (surge_ns + surge_ns // TIME_BUCKETS) // bar_ns + 1
    if params["arrivals_min"] > most:
        return (
            f"arrivals_min is {params['arrivals_min']} instants in {params['surge_window_s']} s (surge_window_s), "
            f"of which bars of that length give at most {most}"
        )
    if bar_ns >= base_ns + base_ns // TIME_BUCKETS:
        return f"base_window_s is {params['base_window_s']} s, which is shorter than a bar"
    return ""
