"""Metrics of a finished session: an equity curve and its trades in, named and defined numbers out.

`trades_from_fills` pairs fills, `curve_from_marks` makes the curve, `measure` gives every metric of `table.METRICS`.
"""
