"""Upkeep of a house that runs: processes restarted, read models rebuilt, on the tape under the user's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.processes.signs import Sign, all_signs, host_name
from api.services.acting import Done, act
from events.errors import NotAvailable, Unknown
from events.facts.house import Model, RebuildReadModel, RestartProcess

if TYPE_CHECKING:
    from api.house import House

SUPERVISOR = "supervisor"


async def restart(house: House, user: str, key: str | None, process: str) -> Done:
    """Have a process restarted by the supervisor of its machine; that it was is a `ProcessRestarted` of the tape.

    Raises:
        Unknown: no process of this name shows a sign of life.
        NotAvailable: there is no supervisor where it runs.
        OutcomeUnknown, LimitReached: see `act`.
    """
    sign = _found(await all_signs(house.liveness), process)
    return await act(
        house, user, key, lambda made: RestartProcess(key=made, user=user, process=sign.name, host=sign.host)
    )


async def restart_server(house: House, user: str, key: str | None, server: str) -> Done:
    """Have a server that is a child of this machine's house restarted. Raises as `restart`."""
    if all(sign.role != SUPERVISOR or sign.host != host_name() for sign in await all_signs(house.liveness)):
        raise _alone(server)
    return await act(
        house, user, key, lambda made: RestartProcess(key=made, user=user, process=server, host=host_name())
    )


def _found(signs: list[Sign], process: str) -> Sign:
    found = next((sign for sign in signs if sign.name == process), None)
    if found is None:
        names = ", ".join(sign.name for sign in signs) or "none at all"
        raise Unknown(f"No process {process[:64]!r} shows a sign of life; these do: {names}.", field="process")
    if all(sign.role != SUPERVISOR or sign.host != found.host for sign in signs) or found.role == SUPERVISOR:
        raise _alone(found.name)
    return found


def _alone(name: str) -> NotAvailable:
    return NotAvailable(
        f"{name} has no supervisor of ours, which could restart it.",
        code="NO_SUPERVISOR",
        hint="Restart it where it was started.",
    )


async def rebuild(house: House, user: str, key: str | None, model: Model) -> Done:
    """Have a read model rebuilt in every process that keeps one; each says so by a `ReadModelRebuilt` of the tape.

    Until then reads of it are answered with 503. Raises as `act`.
    """
    return await act(house, user, key, lambda made: RebuildReadModel(key=made, user=user, model=model))
