"""Three real servers on loopback with the configuration that deploy/ gives to a cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from deploy.make_keys import write_secrets
from events.jetstream.link import Endpoint
from events.jetstream.roles import seed_file

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = Path(sys.executable).with_name("nats-server")
NODES = ("nats-1", "nats-2", "nats-3")
READY_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.1


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Cluster:
    """Three nodes; each can be killed and started again on its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "deploy" / "nats.conf", folder)
        write_secrets(folder)
        self._password = dict(line.split("=") for line in (folder / ".env").read_text().split())["NATS_ROUTES_PASSWORD"]
        ports = free_ports(9)
        self._ports = {node: ports[3 * at : 3 * at + 3] for at, node in enumerate(NODES)}
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def endpoint(self, role: str, *nodes: str) -> Endpoint:
        """All nodes, or those named, as one role's client sees them."""
        urls = ",".join(f"nats://127.0.0.1:{self._ports[node][0]}" for node in nodes or NODES)
        return Endpoint(url=urls, role=role, seed_file=str(seed_file(self.folder / "secrets", role)))

    def start(self, node: str) -> None:
        """Start a node with the file that is deployed; only ports and the folder are this test's own."""
        client, monitor, route = self._ports[node]
        text = (self.folder / "nats.conf").read_text()
        for old, new in (
            ("port: 4222", f'listen: "127.0.0.1:{client}"'),
            ("http: 8222", f'http: "127.0.0.1:{monitor}"'),
            ("port: 6222", f'listen: "127.0.0.1:{route}"'),
            ('"/data"', f'"{self.folder / node}"'),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        config = self.folder / f"{node}.conf"
        config.write_text(text)
        with (self.folder / f"{node}.log").open("ab") as log:
            self._children[node] = subprocess.Popen(
                [SERVER, "-c", config], env=self._environment(node), stdout=log, stderr=subprocess.STDOUT
            )

    def _environment(self, node: str) -> dict[str, str]:
        routes = {
            f"NATS_ROUTE_{at}": f"nats-route://routes:{self._password}@127.0.0.1:{self._ports[each][2]}"
            for at, each in enumerate(NODES, start=1)
        }
        return {**os.environ, **routes, "NATS_NODE": node, "NATS_ROUTES_PASSWORD": self._password}

    @property
    def running(self) -> set[str]:
        """Names of the nodes that were started and not killed."""
        return set(self._children)

    def healthy(self, node: str) -> bool:
        """Whether a node says what compose.yaml asks it: that it has caught up with its cluster."""
        try:
            return httpx.get(f"http://127.0.0.1:{self._ports[node][1]}/healthz", timeout=1.0).status_code == 200
        except httpx.HTTPError:
            return False

    async def ready(self) -> None:
        """Wait until every node that runs is healthy. Raises TimeoutError past the bound."""
        for _ in range(round(READY_SECONDS_MAX / LOOK_SECONDS)):
            if all(self.healthy(node) for node in self._children):
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise TimeoutError(f"the cluster is not ready; its logs are in {self.folder}")

    def kill(self, node: str) -> None:
        """End a node at once, as a crash does."""
        child = self._children.pop(node)
        child.send_signal(signal.SIGKILL)
        child.wait()

    def pause(self, node: str) -> None:
        """Let a node stand still, as an overloaded machine does."""
        self._children[node].send_signal(signal.SIGSTOP)

    def resume(self, node: str) -> None:
        """Let it go on."""
        self._children[node].send_signal(signal.SIGCONT)

    def wipe(self, node: str) -> None:
        """Lose the disk of a node that does not run."""
        assert node not in self._children
        shutil.rmtree(self.folder / node)

    def stop(self) -> None:
        """End all nodes that run."""
        for node in list(self._children):
            self.kill(node)


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster whose three nodes have been started."""
    cluster = Cluster(folder)
    try:
        for node in NODES:
            cluster.start(node)
        yield cluster
    finally:
        cluster.stop()
