"""QuestDB as a child process: who can reach it, how it ends, and what becomes of one that was left behind."""

from __future__ import annotations

import asyncio
import contextlib
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
from events.errors import Bug, Conflict, ProcessFailed, ReadModelUnavailable
from projections.batch import Checkpoint
from projections.questdb import archive as archive_module
from projections.questdb import server as server_module
from projections.questdb.access import Access, Console, access_of
from projections.questdb.java import JAR_NAME, QuestDbSettings, archive_of, cached_jar, environment, java_of
from projections.questdb.server import QuestDbServer, read_access
from projections.questdb.store import QuestDbMarketStore
from tests.conftest import ROOT
from tests.fixtures.waiting import until
from tests.projections.questdb_servers import settings

pytestmark = pytest.mark.questdb


class Running(msgspec.Struct, frozen=True):
    """A server that runs, and how to get in."""

    server: QuestDbServer
    access: Access


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for the tests that only look at it."""
    server = QuestDbServer(tmp_path_factory.mktemp("looked-at") / "questdb", settings())
    access = asyncio.run(server.start())
    yield Running(server, access)
    asyncio.run(server.stop())


def ask(access: Access, sql: str, seconds: float = 10.0) -> list[tuple[object, ...]]:
    """The rows of a statement, over a connection of its own."""
    console = Console(access, pool_max=1, seconds_max=seconds)
    try:
        return console.ask(sql)
    finally:
        console.close()


# --- who can reach it ---------------------------------------------------------------------------------------------


def test_it_listens_on_loopback_and_nowhere_else(running: Running) -> None:
    """Two ports, both on loopback and both the ones it says."""
    assert running.server.pid is not None
    connections = psutil.Process(running.server.pid).net_connections("inet")
    listening = {each.laddr for each in connections if each.status == psutil.CONN_LISTEN}
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {running.access.port, running.access.pg_port}


@pytest.mark.parametrize(("user", "password"), [("", ""), ("tapedeck", "wrong"), ("admin", "quest"), ("user", "quest")])
def test_only_its_own_password_opens_it(running: Running, user: str, password: str) -> None:
    """Neither no password, nor a wrong one, nor QuestDB's well-known ones."""
    stranger = msgspec.structs.replace(running.access, user=user, password=password)
    with pytest.raises(ReadModelUnavailable, match="refuses these credentials"):
        ask(stranger, "SELECT 1")
    assert ask(running.access, "SELECT 1") == [(1,)]


def test_its_password_is_nowhere_to_be_read(running: Running) -> None:
    """Not on the command line, not in a log, not in a text of ours; only in a file of its owner."""
    password = running.access.password
    assert running.server.pid is not None
    assert len(password) >= 32
    assert password not in " ".join(psutil.Process(running.server.pid).cmdline())
    assert password not in repr(running.access)
    folder = running.server.folder
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 1_000_000]
    holding = {path.name for path in files if password.encode() in path.read_bytes()}
    assert holding == {"access.json"}
    assert stat.S_IMODE((folder / "access.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_off_is_off(running: Running) -> None:
    """No telemetry, no line protocol over TCP, no tables made by a write, no reload; bounds as in the settings."""
    found = {str(name): str(value) for name, _, value, *_ in ask(running.access, "SHOW PARAMETERS")}
    assert found["telemetry.enabled"] == found["line.tcp.enabled"] == found["http.min.enabled"] == "false"
    assert found["line.auto.create.new.tables"] == found["line.auto.create.new.columns"] == "false"
    assert found["config.reload.enabled"] == "false"
    assert found["cairo.writer.data.append.page.size"] == str(running.server.settings.append_page_bytes)
    assert found["ram.usage.limit.bytes"] == str(running.server.settings.native_mb_max << 20)
    assert found["http.net.connection.limit"] == found["pg.net.connection.limit"] == "64"


def test_nothing_of_our_environment_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and tokens of the shell are not handed on."""
    monkeypatch.setenv("TAPEDECK_SECRET", "canary")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "canary")
    given = environment(QuestDbSettings(), Access("http://127.0.0.1:9000"))
    assert "canary" not in given.values()
    assert {name for name in given if not name.startswith("QDB_")} <= {"PATH", "HOME", "LANG", "TZ"}


def test_a_long_query_is_ended(running: Running) -> None:
    """A query past its bound is an error within a second of it, and the server goes on."""
    with pytest.raises(ReadModelUnavailable, match=r"timeout|does not answer"):
        ask(
            running.access,
            "SELECT sum(a.x * b.x) FROM long_sequence(1000000) a CROSS JOIN long_sequence(1000000) b",
            0.5,
        )
    assert ask(running.access, "SELECT 1") == [(1,)]


def test_other_processes_find_it(running: Running, tmp_path: Path) -> None:
    """The file in the data folder leads there; a folder without one leads nowhere."""
    found = read_access(running.server.folder)
    assert found == running.access
    assert ask(found, "SELECT 1") == [(1,)]
    assert read_access(tmp_path) is None


# --- who else is there --------------------------------------------------------------------------------------------


async def test_a_folder_has_one_owner(running: Running) -> None:
    """A second server on the same folder is refused, and the first one goes on."""
    second = QuestDbServer(running.server.folder, running.server.settings)
    with pytest.raises(Conflict, match="Another Tapedeck runs on"):
        await second.start()
    assert ask(running.access, "SELECT 1") == [(1,)]
    with pytest.raises(Bug, match="started already"):
        await running.server.start()


def test_a_strangers_questdb_is_left_alone(tmp_path: Path) -> None:
    """A QuestDB on our folder that we did not start is not ended: its pid is named and we refuse."""
    server = QuestDbServer(tmp_path, settings())
    stranger = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; time.sleep(60)",
            "io.questdb/io.questdb.ServerMain",
            "-d",
            str(server.root),
        ]
    )
    try:
        with pytest.raises(Conflict, match=f"Process {stranger.pid} is a QuestDB on"):
            asyncio.run(server.start())
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_pid_alone_is_not_a_left_over(tmp_path: Path) -> None:
    """A process that got the pid of an earlier child, or one of an earlier boot, is not ours."""
    me = psutil.Process()
    children.remember(tmp_path, me.pid)
    assert (found := children.left_over(tmp_path)) is not None
    assert found.pid == me.pid
    assert not children.was_cut_off(tmp_path)
    other_start = children.Running(me.pid, me.create_time() - 60, children.boot_id())
    other_boot = children.Running(me.pid, me.create_time(), "another boot")
    for each in (other_start, other_boot):
        children.write_private(tmp_path / children.RUNNING, msgspec.json.encode(each))
        assert children.left_over(tmp_path) is None
    assert children.was_cut_off(tmp_path)
    (tmp_path / children.RUNNING).write_text("{")
    assert children.left_over(tmp_path) is None


# --- how it starts and ends ---------------------------------------------------------------------------------------


async def test_a_jar_that_is_not_there(tmp_path: Path) -> None:
    """The message says what is missing and what to do."""
    with pytest.raises(ProcessFailed, match=r"There is no .*nowhere\.jar.*make setup"):
        await QuestDbServer(tmp_path, QuestDbSettings(jar=str(tmp_path / "nowhere.jar"))).start()


async def test_a_failed_start_shows_its_log(tmp_path: Path) -> None:
    """What Java said is in the error, and no process and no lock stays behind."""
    server = QuestDbServer(tmp_path, settings(heap_mb=1))
    with pytest.raises(ProcessFailed, match=r"(?s)ended with code \d+ while it started.*heap"):
        await server.start()
    assert server.pid is None
    children.own(tmp_path).close()


async def test_it_is_kept_up(tmp_path: Path) -> None:
    """Watched, it is started again at its address whenever it is killed; one time too often is said, with its log.

    That it was told to restart is no such time.
    """
    server = QuestDbServer(tmp_path, settings(restarts_max=2))
    access = await server.start()
    watch = asyncio.create_task(server.watch())
    try:
        for asked in (True, False, False):
            killed = server.pid
            assert killed is not None
            if asked:
                assert (server.ask_restart(), server.ask_restart()) == (killed, killed), (
                    "once, however often it is told"
                )
            else:
                os.kill(killed, signal.SIGKILL)
            await until(lambda killed=killed: server.pid not in (None, killed), 60)  # type: ignore[misc]
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(ReadModelUnavailable):
                    assert await asyncio.to_thread(ask, access, "SELECT 1") == [(1,)]
                    break
                await asyncio.sleep(0.05)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ProcessFailed, match="QuestDB ended 3 times within 60 s, last with code -9"):
            await asyncio.wait_for(watch, 60)
    finally:
        watch.cancel()
        await server.stop()


async def test_it_survives_kills_and_taken_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port taken while it started costs one try; killed and started again it has all it acknowledged, same address.

    After the machine went down the market store has no checkpoint any more: it is filled from the tape anew.
    """
    server = QuestDbServer(tmp_path, settings())
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        first = iter([occupied.getsockname()[1]])
        free_port = server_module._free_port
        monkeypatch.setattr(server_module, "_free_port", lambda *a, **k: next(first, None) or free_port(*a, **k))
        access = await server.start()
        assert access.port != occupied.getsockname()[1]
    assert not server.rebuilds
    store = QuestDbMarketStore(access)
    store.create()
    store.set_checkpoint(Checkpoint("epoch", 7, "digest"))
    await store.wait_visible(7)
    ask(access, "CREATE TABLE kept (ts TIMESTAMP, number LONG) TIMESTAMP(ts) PARTITION BY DAY WAL")
    for number in range(20):
        ask(access, f"INSERT INTO kept VALUES ({number}, {number})")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert await server.ended() == -signal.SIGKILL
    await server.stop()
    running = children.Running(1, 0.0, "another boot")
    children.write_private(tmp_path / children.RUNNING, msgspec.json.encode(running))

    again = QuestDbServer(tmp_path, settings())
    assert await again.start() == access
    assert again.rebuilds
    await asyncio.to_thread(store.create)
    assert await asyncio.to_thread(store.checkpoint) == Checkpoint()
    await store.close()
    while (rows := ask(access, "SELECT count(), sum(number) FROM kept")) != [(20, 190)]:
        assert rows <= [(20, 190)]
        await asyncio.sleep(0.02)
    await again.stop()
    assert again.pid is None
    assert not (tmp_path / server_module.REBUILD).exists()
    assert not (tmp_path / children.RUNNING).exists()


async def test_a_left_over_is_ended(tmp_path: Path) -> None:
    """A child whose owner is gone is ended before the next one starts, one that does not listen to SIGTERM too."""
    gone = QuestDbServer(tmp_path, settings())
    await gone.start()
    assert gone.pid is not None
    orphan = psutil.Process(gone.pid)
    assert gone._owner is not None
    gone._owner.close()  # what the end of its owner does
    orphan.suspend()  # deaf to SIGTERM
    server = QuestDbServer(tmp_path, settings(stop_seconds_max=0.3))
    access = await server.start()
    try:
        await gone.stop()
        assert not orphan.is_running()
        assert ask(access, "SELECT 1") == [(1,)]
        assert server.pid is not None
        psutil.Process(server.pid).suspend()
    finally:
        await server.stop()  # SIGKILL after 0.3 s
    assert server.pid is None


_OWNER = """
import asyncio, sys
from pathlib import Path
from projections.questdb.java import QuestDbSettings
from projections.questdb.server import QuestDbServer

async def main():
    server = QuestDbServer(Path(sys.argv[1]), QuestDbSettings(jar=sys.argv[2], compiler="quick"))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_it_dies_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the process that started it is killed, the server ends by itself; a broken class archive does no harm."""
    monkeypatch.setenv("TAPEDECK_CACHE_DIR", str(tmp_path))
    archive_of(settings()).write_bytes(b"no archive" * 1_000)
    command = [sys.executable, "-c", _OWNER, str(tmp_path / "questdb"), settings().jar]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as owner:
        assert owner.stdout is not None
        pid = next(int(line) for line in owner.stdout if line.strip().isdigit())
        child = psutil.Process(pid)
        owner.kill()
    child.wait(15)
    assert not child.is_running()


def test_it_starts_from_the_class_archive(running: Running) -> None:
    """Where the set-up made the archive, the server's Java has it mapped: nothing was wrong with it."""
    archive = archive_of(running.server.settings)
    if not archive.is_file():
        pytest.skip("QuestDB's classes are not archived: run `make setup`")
    assert running.server.pid is not None
    assert str(archive) in Path(f"/proc/{running.server.pid}/maps").read_text()


def test_an_archive_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """No jcmd beside Java, or no process to ask: the error says so, and no half of a file stays."""
    found = settings()
    for program in (str(tmp_path / "java"), java_of(found)):
        with pytest.raises(ProcessFailed, match=r"class archive was not made: .+"):
            archive_module._dump(program, 2**22 + 1, tmp_path / "some.jsa")
    assert list(tmp_path.iterdir()) == []


# --- small things -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://127.0.0.1:9000", Access("http://127.0.0.1:9000")),
        ("https://me:p%40ss@db.example:9443/", Access("https://db.example:9443", "me", "p@ss")),
        ("http://[::1]", Access("http://[::1]:9000")),
    ],
)
def test_an_address_of_a_server_that_runs(url: str, wanted: Access) -> None:
    """Address, user and password are taken from the URL."""
    assert access_of(url) == wanted


@pytest.mark.parametrize("env", [{"TAPEDECK_CACHE_DIR": "{}"}, {"XDG_CACHE_HOME": "{}"}])
def test_the_jar_is_looked_for_in_the_cache_folder(tmp_path: Path, env: dict[str, str]) -> None:
    """The cache folder is the one of the environment; without the jar there is none."""
    given = {name: value.format(tmp_path) for name, value in env.items()}
    assert cached_jar(given) is None
    folder = tmp_path if "TAPEDECK_CACHE_DIR" in env else tmp_path / "tapedeck"
    folder.mkdir(exist_ok=True)
    (folder / JAR_NAME).touch()
    assert cached_jar(given) == folder / JAR_NAME
