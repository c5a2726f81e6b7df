"""The nats-server as a child: found, started, refused, left over, restarted, and what its errors say."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from events import children
from events.errors import Bug, Conflict, Forbidden, NotAvailable, OutcomeUnknown, ProcessFailed, TapeUnavailable
from events.jetstream import configuration, streams
from events.jetstream.configuration import NatsSettings
from events.jetstream.link import Endpoint, Link
from events.jetstream.server import ACCESS, CONFIGURATION, NatsServer, endpoint
from events.jetstream.tape import JetStreamTape
from events.tape import MESSAGE_ID, Append, Limits
from tests.fixtures.nats import EPOCH, OWNER, started_server
from tests.fixtures.waiting import until

# A process that starts a server, says its pid, and waits. With "orphan" the child outlives it.
PARENT = """
import asyncio, sys
from pathlib import Path
from events import children
from events.jetstream.server import NatsServer
if sys.argv[2] == "orphan":
    children.die_with_parent = lambda: (lambda: None)
async def main():
    server = NatsServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture
def parents() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to be killed at the end."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for parent in started:
        parent.kill()
        parent.wait()
        if parent.stdout:
            parent.stdout.close()


def spawn(*command: str) -> subprocess.Popen[str]:
    """A process whose output can be read."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def run(*command: str) -> int:
    """Exit code of a command."""
    return subprocess.run(command, check=False).returncode


def address_in(folder: Path) -> str:
    """Address in the ports file that a server wrote; empty before it did."""
    for path in folder.glob("*.ports"):
        if text := path.read_bytes():
            return str(msgspec.json.decode(text)["nats"][0]).removeprefix("nats://")
    return ""


async def child_of_parent(folder: Path, how: str, parents: list[subprocess.Popen[str]]) -> int:
    """Pid of a server that another process started on the folder."""
    parent = spawn(sys.executable, "-c", PARENT, str(folder), how)
    parents.append(parent)
    assert parent.stdout is not None
    async with asyncio.timeout(30):
        while not (line := await asyncio.to_thread(parent.stdout.readline)).strip().isdigit():
            assert parent.poll() is None
    return int(line)


def test_program_of_the_wheel() -> None:
    """The binary is found through its package, wherever the environment lies."""
    assert os.access(configuration.program(), os.X_OK)


def test_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what to install."""
    monkeypatch.setattr(configuration, "PACKAGE", "no-such-package")
    with pytest.raises(ProcessFailed, match="Install the package no-such-package"):
        configuration.program()


async def test_files_are_private(tmp_path: Path) -> None:
    """Nobody else can read a file of the server's folder, and no seed stands in its configuration."""
    server = await started_server(tmp_path / "nats")
    try:
        modes = {path: path.stat().st_mode for path in (tmp_path / "nats").rglob("*")}
        assert len(modes) > 20
        assert [path for path, mode in modes.items() if stat.S_IMODE(mode) & 0o077 and path.is_file()] == []
        assert stat.S_IMODE((tmp_path / "nats").stat().st_mode) == 0o700
        text = (tmp_path / "nats" / CONFIGURATION).read_text()
        seeds = [path.read_text().strip() for path in (tmp_path / "nats" / "keys").iterdir()]
        assert [seed for seed in seeds if seed in text] == []
        assert "sync_interval: always" in text
    finally:
        await server.stop()


async def test_loopback_only(tmp_path: Path) -> None:
    """It listens on the loopback address alone, on one port, without monitoring."""
    server = await started_server(tmp_path / "nats")
    try:
        listening = [each for each in psutil.Process(server.pid).net_connections("tcp") if each.status == "LISTEN"]
        assert {each.laddr.ip for each in listening} == {"127.0.0.1"}
        assert len(listening) == 1
    finally:
        await server.stop()


async def test_restart_keeps_port_and_tape(tmp_path: Path) -> None:
    """A stopped and started server is at the same address with the same messages; connections come back."""
    server = await started_server(tmp_path / "nats")
    try:
        before = server.endpoint(OWNER)
        tape = await JetStreamTape.connect(before, epoch=EPOCH)
        assert await tape.append(Append("tape.a", b"1", "1")) == 1
        await server.restart()
        assert server.endpoint(OWNER) == before
        assert await tape.append(Append("tape.a", b"2", "2")) == 2
        await tape.close()
    finally:
        await server.stop()
    assert server.pid is None
    assert not (tmp_path / "nats" / children.RUNNING).exists()


async def test_taken_port_is_given_up(tmp_path: Path) -> None:
    """Where somebody else has taken the port meanwhile, it starts on another."""
    server = await started_server(tmp_path / "nats")
    port = int(server.endpoint(OWNER).url.rpartition(":")[2])
    await server.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        try:
            access = await server.start()
            assert not access.url.endswith(f":{port}")
        finally:
            await server.stop()


async def test_two_on_one_folder(tmp_path: Path) -> None:
    """A second one on the same folder is refused while the first runs, and harms it not."""
    server = await started_server(tmp_path / "nats")
    try:
        with pytest.raises(Conflict, match="Another Tapedeck runs on"):
            await NatsServer(tmp_path / "nats").start()
        with pytest.raises(Bug):
            await server.start()
        assert server.pid is not None
    finally:
        await server.stop()


async def test_child_dies_with_its_parent(tmp_path: Path, parents: list[subprocess.Popen[str]]) -> None:
    """When the process that started it is killed, the server ends too."""
    pid = await child_of_parent(tmp_path / "nats", "child", parents)
    parents[0].kill()
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


async def test_left_over_is_ended(tmp_path: Path, parents: list[subprocess.Popen[str]]) -> None:
    """A server of this folder whose parent is gone is ended, and a new one started."""
    pid = await child_of_parent(tmp_path / "nats", "orphan", parents)
    parents[0].kill()
    parents[0].wait()
    assert psutil.Process(pid).is_running()
    server = NatsServer(tmp_path / "nats")
    try:
        await server.start()
        assert server.pid != pid
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    finally:
        await server.stop()


async def test_strange_server_is_refused(tmp_path: Path, parents: list[subprocess.Popen[str]]) -> None:
    """A nats-server that somebody started by hand on this folder is not touched; the error names its pid."""
    server = await started_server(tmp_path / "nats")
    await server.stop()
    strange = spawn(str(configuration.program()), "-c", str(tmp_path / "nats" / CONFIGURATION))
    parents.append(strange)
    try:
        with pytest.raises(Conflict, match=f"Process {strange.pid} is a nats-server"):
            await server.start()
        assert strange.poll() is None
    finally:
        await server.stop()


async def test_reused_pid_is_not_killed(tmp_path: Path, parents: list[subprocess.Popen[str]]) -> None:
    """A pid in `running.json` that belongs to somebody else by now is left alone."""
    folder = tmp_path / "nats"
    server = await started_server(folder)
    await server.stop()
    bystander = spawn(sys.executable, "-c", "import time; time.sleep(60)")
    parents.append(bystander)
    running = children.Running(bystander.pid, psutil.Process(bystander.pid).create_time() - 60, children.boot_id())
    (folder / children.RUNNING).write_bytes(msgspec.json.encode(running))
    try:
        await server.start()
        assert bystander.poll() is None
    finally:
        await server.stop()


async def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The error names the folder and what to do."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ProcessFailed, match=r"cannot be written .*TAPEDECK_DATA"):
        await NatsServer(tmp_path / "file" / "nats").start()


async def test_server_that_ends_at_once(tmp_path: Path) -> None:
    """What the server wrote before it ended is in the error."""
    server = NatsServer(tmp_path / "nats", NatsSettings(max_payload_bytes=999_999_999_999))
    with pytest.raises(ProcessFailed, match=r"ended with code \d+ while it started.\n.*max_payload"):
        await server.start()
    assert server.pid is None


async def test_server_that_ends_again_and_again(tmp_path: Path) -> None:
    """The watch starts it again a bounded number of times, and then says so."""
    server = NatsServer(tmp_path / "nats", NatsSettings(restarts_max=2))
    await server.start()
    watch = asyncio.create_task(server.watch())
    try:
        while not watch.done():
            if (pid := server.pid) is not None:
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.02)
        with pytest.raises(ProcessFailed, match="ended 3 times"):
            await watch
    finally:
        await server.stop()


async def test_a_server_that_hangs_when_it_is_started_again(tmp_path: Path) -> None:
    """One that does not listen in time is ended, which counts as one end more."""
    server = NatsServer(tmp_path / "nats", NatsSettings(restarts_max=2))
    await server.start()
    watch = asyncio.create_task(server.watch())
    try:
        server.settings = msgspec.structs.replace(server.settings, start_seconds_max=0.0)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ProcessFailed, match="ended 3 times"):
            await asyncio.wait_for(watch, 20)
        assert server.pid is None
    finally:
        watch.cancel()
        await server.stop()


async def test_full_store(tmp_path: Path) -> None:
    """A store without room refuses appends clearly, keeps what it has, and is still read."""
    server = NatsServer(tmp_path / "nats", NatsSettings(file_store_bytes_max=2_000_000))
    await server.start()
    try:
        link = await Link.open(server.endpoint("admin"))
        await streams.init(link, EPOCH)
        tape = await JetStreamTape.open(link)
        messages = [Append("tape.market.x", b"x" * 400_000, f"x-{number}") for number in range(20)]
        with pytest.raises(TapeUnavailable) as full:
            await tape.append_bulk(messages, window=1)
        assert full.value.code == "TAPE_FULL"
        stored = [message.headers[MESSAGE_ID] async for message in tape.read()]
        assert stored == [message.message_id for message in messages[: len(stored)]]
        assert len(stored) >= 3
        await link.close()
    finally:
        await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
async def test_full_disk(tmp_path: Path) -> None:
    """On a full disk the start says how much is left and what it needs."""
    if run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)) != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(ProcessFailed, match=r"has \d+ KiB left.*Make room"):
            await NatsServer(tmp_path / "nats").start()
    finally:
        assert run("umount", str(tmp_path)) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
async def test_disk_that_fills_up_while_running(tmp_path: Path) -> None:
    """Appends to a full disk end in an error within their bounds; with room again and a restart, all goes on."""
    if run("mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(tmp_path)) != 0:
        pytest.skip("a small file system cannot be mounted here")
    server = await started_server(tmp_path / "nats")
    try:
        link = await Link.open(server.endpoint(OWNER))
        tape = await JetStreamTape.open(link, limits=Limits(append_seconds_max=0.5, append_tries_max=2))
        messages = [Append("tape.market.x", os.urandom(900_000), f"x-{number}", {}, number) for number in range(60)]

        async def append_all() -> list[int]:
            return [await tape.append(message) for message in messages]

        with pytest.raises((OutcomeUnknown, TapeUnavailable)):
            await append_all()
        assert run("mount", "-o", "remount,size=100m", str(tmp_path)) == 0
        await server.restart()
        assert await append_all() == list(range(1, len(messages) + 1))
        stored = [message.body async for message in tape.read()]
        assert stored == [message.body for message in messages]
        await link.close()
    finally:
        await server.stop()
        assert run("umount", str(tmp_path)) == 0


async def test_server_of_somebody_else(tmp_path: Path, parents: list[subprocess.Popen[str]]) -> None:
    """A server that was started elsewhere, with a user and a password in its address, is used as it is."""
    (tmp_path / "own.conf").write_text(
        f"""listen: "127.0.0.1:-1"
ports_file_dir: "{tmp_path}"
jetstream {{ store_dir: "{tmp_path / "store"}" }}
authorization {{ user: ann, password: secret }}
"""
    )
    parents.append(spawn(str(configuration.program()), "-c", str(tmp_path / "own.conf")))
    await until(lambda: bool(address_in(tmp_path)))
    address = address_in(tmp_path)
    with pytest.raises(Forbidden, match="refuses the credentials"):
        await Link.open(Endpoint(f"nats://ann:wrong@{address}"))
    link = await Link.open(Endpoint(f"nats://ann:secret@{address},nats://ann:secret@127.0.0.1:1", "api"))
    assert await streams.init(link, EPOCH) == EPOCH
    tape = await JetStreamTape.open(link, epoch=EPOCH)
    assert await tape.append(Append("tape.a", b"1", "1")) == 1
    assert [message.body async for message in tape.read()] == [b"1"]
    await link.close()


async def test_nothing_is_delivered_later(tmp_path: Path) -> None:
    """What was refused while the server was away does not appear when it is back."""
    server = await started_server(tmp_path / "nats")
    try:
        link = await Link.open(server.endpoint(OWNER))
        tape = await JetStreamTape.open(link, limits=Limits(append_seconds_max=0.2, append_tries_max=2))
        await tape.append(Append("tape.a", b"1", "1"))
        await server.stop()
        await until(lambda: not link.connected)
        with pytest.raises(TapeUnavailable, match="Nothing could be appended"):
            await tape.append(Append("tape.a", b"2", "2"))
        await server.start()
        assert await link.ready(10)
        assert await tape.append(Append("tape.a", b"3", "3")) == 2
        await link.close()
    finally:
        await server.stop()


async def test_endpoint_before_the_first_start(tmp_path: Path) -> None:
    """Asking for a server that was never started says how to start it."""
    with pytest.raises(NotAvailable, match="tapedeck up"):
        endpoint(tmp_path, "api")
    (tmp_path / ACCESS).write_text("{broken")
    with pytest.raises(NotAvailable):
        endpoint(tmp_path, "api")
