"""What every test may use: the folder of recorded markets, the counts of the long tests, and times by area."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
QUESTDB_REQUIRED = os.environ.get("TAPEDECK_REQUIRE_QUESTDB", "") not in ("", "0")

# option, default (what CI runs), what it counts
COUNTS: tuple[tuple[str, int, str], ...] = (
    ("kills", 25, "kills of each kind of process"),
    ("moments", 1, "moments at which a process is killed at each named point: 0 none, 1 before or after, 2 both"),
    ("damages", 30, "cases of damage to the log's files"),
    ("orders", 10_000, "orders over a line that loses every third reply"),
    ("seeds", 50, "seeds of the whole-system simulation"),
    ("inputs", 3000, "hostile inputs"),
    ("stream-clients", 24, "clients of the event stream"),
    ("stream-seconds", 6, "seconds that they listen"),
)
DEFAULTS = {name: default for name, default, _ in COUNTS}

# files by processor time, the most first, down to ten seconds: begun late, one of them would be the last for minutes
LONGEST = (
    "tests/faults/test_house_kills.py",
    "tests/simulation/test_simulation.py",
    "tests/api/cli/test_houses.py",
    "tests/contracts/test_market_store.py",
    "tests/engine/loop/test_generated_modules.py",
    "tests/projections/test_questdb_server.py",
    "tests/faults/test_job_kills.py",
    "tests/faults/test_damage.py",
    "tests/faults/test_house.py",
    "tests/api/cli/test_interrupts.py",
    "tests/projections/test_questdb_store.py",
    "tests/engine/sessions/test_determinism.py",
    "tests/documents/test_contract_001.py",
    "tests/engine/strategies/test_all_kernels.py",
    "tests/simulation/test_lost_replies.py",
    "tests/faults/test_event_stream.py",
    "tests/api/test_access.py",
    "tests/api/cli/test_refusals.py",
    "tests/documents/test_flows.py",
    "tests/api/test_reading.py",
    "tests/api/test_described.py",
)


# what does not fit into the time of `make test`; `make test-faults` runs it
LONG = frozenset({"tests/deploy/test_cluster.py", "tests/faults/test_poison.py"})
# folders whose tests leave nothing to the garbage collector: a file or a socket left open fails the test that runs then
CLEAN = tuple(
    f"tests/{name}/"
    for name in ("api", "contracts", "documents", "engine", "events", "projections", "scripts", "simulation", "tidy")
)
LONG_KILLS = 100  # kills from which on a run is one of those


def pytest_addoption(parser: pytest.Parser) -> None:
    """Counts that `make test-faults` and `make test-fuzz` raise."""
    group = parser.getgroup("tapedeck")
    for name, default, what in COUNTS:
        group.addoption(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default {default})")


@pytest.fixture(scope="session")
def kills_count(pytestconfig: pytest.Config) -> int:
    """How often each kind of process is killed."""
    return int(pytestconfig.getoption("--kills"))


@pytest.fixture(scope="session")
def moments_count(pytestconfig: pytest.Config) -> int:
    """At how many moments, before and after, a process is killed at each named point."""
    return int(pytestconfig.getoption("--moments"))


@pytest.fixture(scope="session")
def damages_count(pytestconfig: pytest.Config) -> int:
    """How many cases of damage to the log's files are tried."""
    return int(pytestconfig.getoption("--damages"))


@pytest.fixture(scope="session")
def seeds_count(pytestconfig: pytest.Config) -> int:
    """How many seeds the whole-system simulation runs."""
    return int(pytestconfig.getoption("--seeds"))


@pytest.fixture(scope="session")
def orders_count(pytestconfig: pytest.Config) -> int:
    """How many orders are sent over a line that loses replies."""
    return int(pytestconfig.getoption("--orders"))


@pytest.fixture(scope="session")
def inputs_count(pytestconfig: pytest.Config) -> int:
    """How many hostile inputs are sent."""
    return int(pytestconfig.getoption("--inputs"))


@pytest.fixture(scope="session")
def progress(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Tells how far a test is that takes minutes: past the default count of inputs on the terminal, else nowhere."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    many = pytestconfig.getoption("--inputs") > DEFAULTS["inputs"]

    def tell(text: str) -> None:
        if many and capture is not None:
            with capture.global_and_fixture_disabled():
                sys.stderr.write(f"{text}\n")

    return tell


@pytest.fixture(scope="session")
def stream_clients(pytestconfig: pytest.Config) -> int:
    """How many clients listen to the event stream."""
    return int(pytestconfig.getoption("--stream-clients"))


@pytest.fixture(scope="session")
def stream_seconds(pytestconfig: pytest.Config) -> int:
    """For how many seconds they do."""
    return int(pytestconfig.getoption("--stream-seconds"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the recorded markets: `TAPEDECK_DATA_DIR`, else `data` in the folder `shared` beside the checkout."""
    folder = Path(os.environ.get("TAPEDECK_DATA_DIR") or ROOT.parent / "shared" / "data")
    if not (folder / "INDEX.md").is_file():
        pytest.skip("no recorded markets here: set TAPEDECK_DATA_DIR to a folder that has their INDEX.md")
    return folder


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first: begun last, one of them would keep a worker busy while the others have nothing to do."""
    if config.getoption("--kills") < LONG_KILLS:
        for item in items:
            if item.nodeid.partition("::")[0] in LONG:
                item.add_marker(
                    pytest.mark.skip(reason="left to `make test-faults`: `make test` has 13 minutes for all")
                )
    for item in items:
        if item.nodeid.startswith(CLEAN):
            item.add_marker(pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"))
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where QuestDB is required, a skipped QuestDB test is a failed one."""
    report = yield
    if QUESTDB_REQUIRED and report.skipped and item.get_closest_marker("questdb"):
        report.outcome = "failed"
        report.longrepr = f"QuestDB is required here (TAPEDECK_REQUIRE_QUESTDB) but was skipped: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a test folder: how many tests, how many seconds (summed over the workers)."""
    seconds: defaultdict[str, float] = defaultdict(float)
    tests: defaultdict[str, int] = defaultdict(int)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                area = "/".join(report.nodeid.split("/")[:2])
                seconds[area] += report.duration
                tests[area] += report.when == "call"
    terminalreporter.section("time by folder")
    for area in sorted(seconds, key=lambda name: -seconds[name]):
        terminalreporter.line(f"{seconds[area]:8.1f} s {tests[area]:6d} tests  {area}")
