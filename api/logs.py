"""structlog for every process: one JSON line an event, with moment, level and role."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up(level: str, role: str) -> None:
    """Write JSON lines to standard output; other libraries' warnings among them."""
    number = logging.getLevelName(level.upper())
    logging.basicConfig(level=max(number, logging.WARNING), stream=sys.stdout, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(role=role)
