"""The log: one line of JSON per entry on standard error, or a readable line on a terminal.

Nobody's secret stands in it: a traceback has no values of locals (a request's headers and body are among them), and a
token in a text is masked.

That is the log of the processes that run on; a verb has `configure_verb`.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, BinaryIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from api.masking import masked_line

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_encoder = msgspec.json.Encoder(enc_hook=str)
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure(level: str, stream: BinaryIO | None = None, *, readable: bool | None = None) -> None:
    """Say where this process logs to; `readable` by default on a terminal."""
    out = stream or sys.stderr.buffer
    pretty = out.isatty() if readable is None else readable
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [_tracebacks, _json]
    if pretty:
        plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        last = [lambda logger, name, event: masked_line(str(plain(logger, name, event)).encode())]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(out),
        cache_logger_on_first_use=True,
    )


def configure_verb(level: str, stream: BinaryIO | None = None) -> None:
    """A verb speaks to people: what is logged is a plain line on standard error, wherever that goes."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _plain],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _plain(logger: WrappedLogger, name: str, event: EventDict) -> Any:
    """`tapedeck: warning: nats disconnected (role admin).`; a traceback on the lines behind it."""
    what, level = str(event.pop("event", "")).replace("_", " "), event.pop("level", "")
    traceback = structlog.processors.format_exc_info(logger, name, event).pop("exception", "")
    values = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in event.items() if key != "exc_info")
    sentence = f"tapedeck: {level}: {what}{values and f' ({values})'}."
    return masked_line("\n".join(filter(None, (sentence, traceback))).encode())


def _json(logger: WrappedLogger, name: str, event: EventDict) -> Any:
    """One line; the event first."""
    return masked_line(_encoder.encode({"event": event.pop("event", ""), **event}))
