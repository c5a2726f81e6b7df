"""The supervisor's side of the tape: it restarts what it is told to, says so, and shows a sign of life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from api.endpoints import tape_endpoint
from api.places import Places, epoch_of
from api.processes.attending import Attending
from api.processes.signs import DETAIL_MAX, State, host_name, shown
from api.processes.supervisor import Supervisor
from api.servers import Servers
from api.settings import Settings
from engine.aggregates.answering import Answering
from engine.aggregates.house import House
from events.clock import NS_PER_SECOND, Clock
from events.facts import Fact
from events.facts.house import ProcessRestarted, RestartAccepted, RestartFailed
from events.jetstream.keys import JetStreamKeys
from events.jetstream.link import Link
from events.jetstream.streams import LIVENESS
from events.jetstream.tape import JetStreamTape

ROLE = "supervisor"
RESTART_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.05


class Restarting:
    """Restarts processes and servers by name. Whoever owns them goes on to watch them meanwhile."""

    def __init__(self, supervisor: Supervisor, servers: Servers, clock: Clock) -> None:
        self._owners = (supervisor, servers)
        self._clock = clock

    async def carry(self, fact: Fact) -> Fact | None:
        """Restart where the fact is meant for this machine; what became of it."""
        if not isinstance(fact, RestartAccepted) or fact.host != host_name():
            return None
        who = {"process": fact.process, "host": fact.host, "user": fact.user, "command": fact.command}
        try:
            pid = await self._restarted(fact.process)
        except KeyError:
            reason = f"There is no process {fact.process}; there are {', '.join(sorted(self._pids()))}."
            return RestartFailed(reason=reason, **who)  # type: ignore[arg-type]
        except TimeoutError:
            reason = f"It did not run again within {RESTART_SECONDS_MAX:g} s."
            return RestartFailed(reason=reason, **who)  # type: ignore[arg-type]
        return ProcessRestarted(pid=pid, **who)  # type: ignore[arg-type]

    def _pids(self) -> dict[str, int]:
        return {name: pid for owner in self._owners for name, pid in owner.pids().items()}

    async def _restarted(self, name: str) -> int:
        owner = next((one for one in self._owners if name in one.pids()), self._owners[0])
        before = owner.ask_restart(name)
        until_ns = self._clock.monotonic_ns() + round(RESTART_SECONDS_MAX * NS_PER_SECOND)
        while (pid := owner.pids().get(name, before)) == before:
            if self._clock.monotonic_ns() >= until_ns:
                raise TimeoutError
            await self._clock.sleep(LOOK_SECONDS)
        return pid


@asynccontextmanager
async def attended(settings: Settings, supervisor: Supervisor, servers: Servers, clock: Clock) -> AsyncIterator[None]:
    """Answer commands to the house and restart what they name, while the body runs."""
    async with AsyncExitStack() as stack:
        link = await Link.open(tape_endpoint(settings, ROLE))
        stack.push_async_callback(link.close)
        tape = await JetStreamTape.open(link, epoch=epoch_of(Places(settings.folder)), clock=clock)
        stack.push_async_callback(tape.close)
        keys = await JetStreamKeys.open(link, LIVENESS, clock=clock)
        attending = Attending(tape, f"{host_name()}-{ROLE}", Restarting(supervisor, servers, clock).carry)
        await attending.start()
        stack.push_async_callback(attending.close)
        answering = Answering(tape, clock, [House()])
        await answering.start()
        stack.push_async_callback(answering.close)

        async def state() -> State:
            if (failed := answering.failed or attending.failed) is not None:
                return State(status="failed", detail=f"restarts are not answered: {failed}"[:DETAIL_MAX])
            return State(detail=f"{len(supervisor.pids())} processes")

        await stack.enter_async_context(shown(keys, clock, ROLE, ROLE, state))
        yield
