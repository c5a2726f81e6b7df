"""One self-contained HTML report of a finished session: `render_report(ReportData(...)) -> str`."""

from engine.research.report.data import PriceSeries, ReportData
from engine.research.report.page import render_report
from engine.research.report.tables import clock

__all__ = ["PriceSeries", "ReportData", "clock", "render_report"]
