"""The application: every route, one guard, one exception handler, one front."""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide

from api import (
    audit,
    health,
    job_starts,
    jobs,
    login,
    market,
    orders,
    session_control,
    session_results,
    session_rows,
    sessions,
    sockets,
    tape,
)
from api.access import guard
from api.allowed_methods import methods_by_path, name_all_methods
from api.documentation import openapi
from api.front import EXPOSED, Front
from api.house import House
from api.monitoring import components as monitoring_components
from api.monitoring import executions as monitoring_executions
from api.monitoring import explorer as monitoring_explorer
from api.monitoring import holdings as monitoring_holdings
from api.monitoring import inference as monitoring_inference
from api.monitoring import signals as monitoring_signals
from api.monitoring import training as monitoring_training
from api.pages import routes as pages
from api.panel import configuration as panel_configuration
from api.panel import health as panel_health
from api.panel import instruments as panel_instruments
from api.panel import metrics as panel_metrics
from api.panel import system as panel_system
from api.platform import backtests as platform_backtests
from api.platform import keys as platform_keys
from api.platform import models as platform_models
from api.platform import portfolio as platform_portfolio
from api.platform import predictions as platform_predictions
from api.platform import strategies as platform_strategies
from api.platform import system as platform_system
from api.reading.asking import dependencies
from api.research import backtests as research_backtests
from api.research import configuration as research_configuration
from api.research import logs as research_logs
from api.research import models as research_models
from api.research import system as research_system
from api.research import training as research_training
from api.research import walkforwards as research_walkforwards
from api.services.acting import note_asked
from api.services.first_answers import answer_again, keep
from api.strict_request import StrictRequest
from api.unknown_parameters import known_headers, known_parameters, refuse_unknown

# Modules with `HANDLERS`, one a line: the tape and sessions, then each contract's.
ROOMS = (
    audit,
    health,
    job_starts,
    jobs,
    login,
    market,
    monitoring_components,
    monitoring_explorer,
    monitoring_executions,
    monitoring_holdings,
    monitoring_inference,
    monitoring_signals,
    monitoring_training,
    orders,
    pages,
    panel_configuration,
    panel_health,
    panel_instruments,
    panel_metrics,
    panel_system,
    platform_backtests,
    platform_keys,
    platform_models,
    platform_portfolio,
    platform_predictions,
    platform_strategies,
    platform_system,
    research_configuration,
    research_logs,
    research_backtests,
    research_models,
    research_system,
    research_training,
    research_walkforwards,
    session_control,
    session_results,
    session_rows,
    sessions,
    sockets,
    tape,
)
ALLOWED_HEADERS = ("Authorization", "Content-Type", "X-CSRF-Token", "Idempotency-Key", "Tape-Min-Sequence")


def handlers() -> list[Any]:
    """Every route handler."""
    return [handler for room in ROOMS for handler in room.HANDLERS]


def _describing(provided: dict[str, Provide]) -> Litestar:
    """An application of the same routes that only describes itself."""
    described = [handler for handler in handlers() if handler not in pages.HANDLERS]
    return Litestar(route_handlers=described, dependencies=provided, openapi_config=openapi(), logging_config=None)


def create_app(house: House) -> Litestar:
    """The application of a house, which whoever serves it starts before and closes behind."""
    api = house.settings.api
    provided = dependencies(house)
    for room in (tape, market, sessions, monitoring_executions, monitoring_signals):
        provided |= room.DEPENDENCIES
    app = Litestar(
        route_handlers=handlers(),
        dependencies=provided,
        guards=[guard, refuse_unknown],
        exception_handlers={Exception: answer_again},
        before_request=note_asked,
        after_request=keep,
        before_send=[name_all_methods],
        cors_config=CORSConfig(
            allow_origins=list(api.cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"],
            allow_headers=[*ALLOWED_HEADERS, "Last-Event-ID"],
            expose_headers=list(EXPOSED),
            max_age=600,
        ),
        openapi_config=None,
        request_class=StrictRequest,
        request_max_body_size=api.body_bytes_max,
        state=State({"house": house, "describe": lambda: _describing(provided)}),
        logging_config=None,
        debug=False,
    )
    app.state.parameters = known_parameters(app)
    app.state.headers = known_headers(app)
    app.state.methods = methods_by_path(app)
    app.asgi_handler = Front(app.asgi_handler, house)
    return app
