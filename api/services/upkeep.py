"""Upkeep of a house that runs: processes restarted, read models rebuilt, on the tape under the user's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.processes.signs import Sign, all_signs
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


def _found(signs: list[Sign], process: str) -> Sign:
    found = next((sign for sign in signs if sign.name == process), None)
    if found is None:
        names = ", ".join(sign.name for sign in signs) or "none at all"
        raise Unknown(f"No process {process[:64]!r} shows a sign of life; these do: {names}.", field="process")
    if all(sign.role != SUPERVISOR or sign.host != found.host for sign in signs) or found.role == SUPERVISOR:
        raise NotAvailable(
            f"{found.name} has no supervisor of ours, which could restart it.",
            code="NO_SUPERVISOR",
            hint="Restart it where it was started.",
        )
    return found


async def rebuild(house: House, user: str, key: str | None, model: Model) -> Done:
    """Have a read model rebuilt in every process that keeps one; each says so by a `ReadModelRebuilt` of the tape.

    Until then reads of it are answered with 503. Raises as `act`.
    """
    return await act(house, user, key, lambda made: RebuildReadModel(key=made, user=user, model=model))
