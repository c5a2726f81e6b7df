"""`up` and `demo` as programs: what they print is true, and Ctrl-C leaves no process and no port."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from projections.questdb.server import QuestDbServer
from tests.api.cli.canary import MIDDLE, kept, shown, tell, told_of_file
from tests.api.cli.children import MARK, Child, left_behind
from tests.api.cli.verbs import Desk
from tests.documents.outside import RAISED, walked
from tests.documents.shapes import inventory
from tests.projections.questdb_servers import settings

ROOT = Path(__file__).resolve().parents[3]
ANY_PORT = {"TAPEDECK_API_PORT": "0", "TAPEDECK_ENGINE_WORKERS": "1"}
PASSWORD = "correct horse battery"
DEMO_SECONDS_MAX = 150.0
SHELL_SECONDS_MAX = 60.0


def verb(data: Path, *arguments: str, code: int = 0) -> str:
    """Run a verb beside a house, in this process; its output. Raises AssertionError where it ends otherwise."""
    ended = Desk(data, {"TAPEDECK_MARKET_STORE": "duckdb", MARK: str(data)}).verb(*arguments)
    assert ended.code == code, (arguments, ended)
    return ended.out if code == 0 else ended.err


def shell(block: str, url: str, data: Path) -> str:
    """What the lines of a page give, on this house instead of the usual one."""
    if shutil.which("curl") is None:
        pytest.skip("this machine has no curl")
    program = f"{sys.executable} -m api.cli --data {data}"
    script = block.replace("http://127.0.0.1:8080", url).replace("tapedeck token", f"{program} token")
    env = {"PATH": os.environ["PATH"], "HOME": str(data), "TAPEDECK_MARKET_STORE": "duckdb"}
    done = subprocess.run(
        ["bash", "-c", script], env=env, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.stdout, (script, done.stderr)
    return done.stdout


def tokens_of(desk: Desk) -> dict[str, str]:
    """A token of each role on a house."""
    tokens = {"admin": desk.good("token").out.strip()}
    for role in ("viewer", "trader"):
        desk.good("user", "add", role, "--role", role, "--password-stdin", stdin=f"{PASSWORD}\n")
        tokens[role] = desk.good("token", "--user", role, "--password-stdin", stdin=f"{PASSWORD}\n").out.strip()
    return tokens


def nobody_listens(url: str) -> bool:
    """Whether the port of an address is free again."""
    found = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((found.hostname or "", found.port or 0)) != 0


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Children of a test, ended with it."""
    found: list[Child] = []
    yield found
    for child in found:
        child.close()


@pytest.mark.timeout(300)
def test_a_house_serves_verbs_until_ctrl_c(tmp_path: Path, children: list[Child]) -> None:
    """Sessions are started, listed, shown and stopped beside `up`; a second house is refused; nothing is left."""
    data = tmp_path / "house"
    house = Child(data, "up", "--init", env=ANY_PORT)
    children.append(house)
    url = house.wait_for("Tapedeck runs: ").split()[2]
    assert httpx.get(f"{url}/api/health", timeout=10).status_code == 200

    start = ("session", "start", "paper", "-s", "ema_cross", "--source", "simulated", "--key", "mine", "--json")
    session = msgspec.json.decode(verb(data, *start))["session"]
    assert msgspec.json.decode(verb(data, *start)) | {"sequence": 0} == {
        "session": session,
        "state": "was started before with this key",
        "sequence": 0,
        "changed": False,
    }
    assert session in verb(data, "session", "list")
    verb(data, "session", "stop", session)
    house_log = verb(data, "tail", "--session", session, "--kind", "SessionEnded", "--from", "1", "-n", "1")
    assert session in house_log
    assert msgspec.json.decode(verb(data, "session", "show", session, "--json"))["state"] == "stopped"
    assert "A house runs" in verb(data, "up", code=4)
    assert "rebuilt up to sequence" in verb(data, "rebuild")  # by the processes that keep them

    waiting = Child(data, "session", "start", "paper", "-s", "ema_cross", "--source", "simulated", "--wait")
    children.append(waiting)
    waiting.wait_for("started")
    assert waiting.interrupt().code == 130
    listed = msgspec.json.decode(verb(data, "session", "list", "--json"))
    assert {one["state"] for one in listed} == {"stopped"}

    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL):
        assert "error_code" not in shell(block, url, data)

    ended = house.interrupt()
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err
    assert left_behind(data) == []
    assert nobody_listens(url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_a_house_that_still_starts_can_be_stopped(tmp_path: Path, children: list[Child], number: int) -> None:
    """Ctrl-C while the servers come up leaves nothing either."""
    data = tmp_path / "house"
    verb(data, "init")
    house = Child(data, "-v", "up", env=ANY_PORT)
    children.append(house)
    house.wait_for("process started")
    ended = house.interrupt(number)
    assert ended.code == 128 + number
    assert "Traceback" not in ended.err
    assert left_behind(data) == []


def test_a_taken_port_is_named(tmp_path: Path, children: list[Child]) -> None:
    """`up` on a port that another program has: which port, and what to do; doctor says the same."""
    data = tmp_path / "house"
    verb(data, "init")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for name, code in (("up", 4), ("doctor", 9)):
            child = Child(data, name, env={"TAPEDECK_API_PORT": port})
            children.append(child)
            ended = child.ended()
            assert ended.code == code, ended
            assert port in ended.out + ended.err
            assert "TAPEDECK_API_PORT" in ended.out + ended.err
    assert left_behind(data) == []


@pytest.mark.timeout(300)
def test_the_demo_prints_curl_lines_that_run_and_leaves_nothing(tmp_path: Path, children: list[Child]) -> None:
    """Without a terminal the demo tells its story in plain lines; each curl line runs unchanged in a new shell."""
    demo = Child(tmp_path, "demo", env=ANY_PORT)
    children.append(demo)
    demo.wait_for("Serving until Ctrl-C", DEMO_SECONDS_MAX)
    said = demo.text()
    assert "\x1b" not in said + demo.text("err")
    assert said.count("verified ") == 2
    assert "decided the same, row by row" in said
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 3
    if shutil.which("curl") is None:
        pytest.skip("this machine has no curl")
    plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "TAPEDECK_MARKET_STORE": "duckdb"}
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], env=plain, cwd="/", capture_output=True, timeout=SHELL_SECONDS_MAX, check=True
        )
        body = msgspec.json.decode(done.stdout)
        assert "error_code" not in body, (line, body)
    url = next(word for word in lines[0].split() if word.startswith("http"))
    assert "3 of 3" in said
    assert demo.interrupt().code == 0
    assert left_behind(tmp_path) == []
    assert nobody_listens(url)


@pytest.mark.timeout(200)
def test_a_demo_that_ends_names_no_server(tmp_path: Path, children: list[Child]) -> None:
    """With --exit: everything verified and traded is exit code 0; the report needs no network; no address is named.
    The port that others have is not needed: it takes a free one, and says so.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        demo = Child(tmp_path, "demo", "--exit", env={**ANY_PORT, "TAPEDECK_API_PORT": port})
        children.append(demo)
        demo.wait_for("Next:", DEMO_SECONDS_MAX)
        ended = demo.ended()
    assert re.search(rf"Port {port} .* Taking a free port instead", ended.out)
    assert ended.code == 0, ended
    assert "http://" not in ended.out
    report = Path(re.search(r"^Report +(\S+)$", ended.out, re.MULTILINE)[1])  # type: ignore[index]
    page = report.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']https?://""", page)
    assert left_behind(tmp_path) == []


@pytest.mark.timeout(200)
def test_the_demo_can_be_stopped_in_its_story(tmp_path: Path, children: list[Child]) -> None:
    """Ctrl-C in the middle of recording and trading: no traceback, no process; a demo afterwards begins anew."""
    demo = Child(tmp_path, "demo", env=ANY_PORT)
    children.append(demo)
    demo.wait_for("Starting the servers", DEMO_SECONDS_MAX)
    demo.wait_for("ecord", DEMO_SECONDS_MAX)
    ended = demo.interrupt()
    assert ended.code == 130, ended
    assert "Traceback" not in ended.err
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("name", ["TAPEDECK_QUESTDB_URL", "TAPEDECK_NATS_URL"])
@pytest.mark.parametrize("arguments", [("up", "--init"), ("demo",)], ids=["up", "demo"])
def test_an_address_where_nobody_answers(
    tmp_path: Path, children: list[Child], name: str, arguments: tuple[str]
) -> None:
    """A server that the settings name and that is not there: its address in one line, exit code 7, nothing made."""
    scheme = "nats" if "NATS" in name else "http"
    env = {**ANY_PORT, "TAPEDECK_MARKET_STORE": "questdb", name: f"{scheme}://127.0.0.1:1"}
    child = Child(tmp_path / "house", *arguments, env=env)
    children.append(child)
    ended = child.ended()
    assert ended.code == 7, ended
    told = ended.err.splitlines()
    assert len(told) == 1, told
    assert f"{scheme}://127.0.0.1:1" in told[0]
    assert name in told[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(200)
def test_a_house_on_a_questdb_that_runs(tmp_path: Path, children: list[Child]) -> None:
    """With TAPEDECK_QUESTDB_URL the house writes to that server, starts none, and leaves it running; over its socket
    it answers as the contracts document what any house can be asked for. A file that changes is taken over while it
    runs. No secret that it was given is in a log, a file of a store, a command line or an environment.
    """
    server, data = QuestDbServer(tmp_path / "questdb", settings()), tmp_path / "house"
    file = tmp_path / "values.yaml"
    with asyncio.Runner() as runner:  # verbs have loops of their own between
        access = runner.run(server.start())
        try:
            address = access.url.replace("://", f"://{access.user}:{access.password}@")
            env = {**ANY_PORT, **RAISED, "TAPEDECK_MARKET_STORE": "questdb", "TAPEDECK_QUESTDB_URL": address}
            env |= {"TAPEDECK_CONFIGURATION_FILE": str(file), "TAPEDECK_CONFIGURATION_LOOK_SECONDS": "0.1"}
            house = Child(data, "up", "--init", env=env)
            children.append(house)
            url = house.wait_for("Tapedeck runs: ").split()[2]
            components = httpx.get(f"{url}/api/health", timeout=10).json()["components"]
            assert components["market"]["status"] == "ok", components
            assert not [one for one in left_behind(data) if "io.questdb" in one]
            desk = Desk(data, {"TAPEDECK_MARKET_STORE": "duckdb", MARK: str(data)})
            desk.good("session", "start", "paper", "-s", "ema_cross", "--source", "simulated")
            changed = told_of_file(url, file, "risk:\n  maxDailyLoss: 0.3\n")
            assert (changed["origin"], changed["user"]) == ("file", "configuration-file")
            assert httpx.get(f"{url}/api/config/risk", timeout=10).json()["maxDailyLoss"] == 0.3
            tokens = tokens_of(desk)
            count, misses = runner.run(walked(url, tokens))
            assert not misses, "\n".join(misses)
            assert count > 100 or not inventory("")
            assert MIDDLE.decode() not in tell(url, tokens)
            secrets = {"canary": MIDDLE, "password": PASSWORD.encode()}
            secrets |= {f"token of {name}": token.encode() for name, token in tokens.items()}
            assert shown(secrets, data) == []
            ended = house.interrupt()
            assert kept(secrets, tmp_path) == []
            assert ended.code == 130, ended
            assert server.pid is not None
            assert access.password not in ended.out + ended.err
        finally:
            runner.run(server.stop())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this machine has no /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """Where the output finds no room, the verb says so and fails."""
    data = tmp_path / "house"
    verb(data, "init")
    with open("/dev/full", "w") as full:
        child = Child(data, "recordings", stdout=full)
        ended = child.ended()
        child.close()
    assert ended.code == 7, ended
    assert "No space left on device" in ended.err
    assert "Traceback" not in ended.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting a file system needs root")
@pytest.mark.parametrize("arguments", [("up", "--init"), ("demo",), ("init",)], ids=["up", "demo", "init"])
def test_a_full_data_folder_is_one_line(small_disk: Path, children: list[Child], arguments: tuple[str, ...]) -> None:
    """A disk without room for what is to run is told with what it has and needs, and nothing is made on it."""
    (small_disk / "filled").write_bytes(bytes(16 << 20))
    child = Child(small_disk / "house", *arguments, env=ANY_PORT)
    children.append(child)
    ended = child.ended()
    assert ended.code == 7, ended
    assert len(ended.err.splitlines()) == 1, ended
    assert re.search(r"has \d MiB left; .* needs at least \d+ MiB. Nothing was made", ended.err)
    assert [one.name for one in small_disk.iterdir()] == ["filled"]
