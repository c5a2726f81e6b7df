"""The compose file fits what it starts: settings that exist, files that are made, QuestDB as the tests run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from api.cli.processes import run
from api.settings import load
from deploy.make_keys import write_secrets
from events.jetstream.roles import ROLES
from projections.questdb.access import Access, access_of
from projections.questdb.java import VERSION, QuestDbSettings, environment
from tests.deploy.cluster import NODES, ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name not in (*NODES, "questdb")}
OWN_TO_THE_CHILD = {  # on loopback in the embedded server, on the network of its own here
    "QDB_HTTP_NET_BIND_TO", "QDB_HTTP_NET_CONNECTION_LIMIT", "QDB_HTTP_MIN_ENABLED", "QDB_PG_NET_BIND_TO",
    "QDB_PG_NET_CONNECTION_LIMIT", "QDB_PG_USER", "QDB_PG_PASSWORD", "QDB_HTTP_USER", "QDB_HTTP_PASSWORD",
    "QDB_CONFIG_RELOAD_ENABLED", "QDB_QUERY_TIMEOUT", "QDB_RAM_USAGE_LIMIT_BYTES",
}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with what make_keys.py makes."""
    write_secrets(tmp_path)
    return tmp_path


def filled(text: str, folder: Path) -> str:
    """The text with `${NAME}` replaced from `.env`, as compose does; an unknown name raises KeyError."""
    values = dict(line.split("=") for line in (folder / ".env").read_text().split())
    return re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)


def environment_of(service: dict[str, Any], folder: Path) -> dict[str, str]:
    """What a container of the service gets."""
    return {name: filled(value, folder) for name, value in service["environment"].items()}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_setting_exists(name: str, made: Path) -> None:
    """The settings of each of our processes are accepted, and name three nodes, three copies and one QuestDB."""
    settings = load(env=environment_of(OURS[name], made))
    assert [url.split("//")[1] for url in settings.tape.url.split(",")] == [f"{node}:4222" for node in NODES]
    assert settings.tape.replicas == len(NODES)
    access = access_of(settings.market.url)
    assert (access.user, access.password) == ("tapedeck", filled("${QUESTDB_PASSWORD}", made))
    assert {"questdb"} == {service for service in SERVICES if service == access.host}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_mounted_file_is_there(name: str, made: Path) -> None:
    """What a container mounts is in the repository, is made by make_keys.py, or is a named volume."""
    for mount in SERVICES[name]["volumes"]:
        source = mount.split(":")[0]
        if source.startswith("./"):
            assert (DEPLOY / source).is_file() or (made / source).is_file(), mount
        else:
            assert source in COMPOSE["volumes"], mount


def test_each_process_holds_the_key_of_its_role_only() -> None:
    """A container that is broken into has the rights of one role; only `init` has those of admin."""
    keys = {
        name: {role for role in ROLES if any(f"/run/keys/{role}.nk" in mount for mount in service["volumes"])}
        for name, service in OURS.items()
    }
    assert keys == {"init": {"admin"}} | {name: {name} for name in OURS if name != "init"}


def test_nodes_differ_in_name_and_folder_only() -> None:
    """Each node has its own volume and its own name; all else is the same."""
    for node in NODES:
        service = SERVICES[node]
        assert service["environment"]["NATS_NODE"] == node
        assert service["volumes"][0] == f"{node}:/data"
        assert service["volumes"][1:] == SERVICES[NODES[0]]["volumes"][1:]


def test_secrets_have_no_default(made: Path) -> None:
    """No password stands in the compose file, and every name it asks for is made."""
    names = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    assert names == {line.split("=")[0] for line in (made / ".env").read_text().split()}
    assert oct((made / ".env").stat().st_mode & 0o777) == "0o600"
    assert oct((made / "secrets").stat().st_mode & 0o777) == "0o700"


def test_secrets_are_made_once(made: Path) -> None:
    """Running make_keys.py again changes nothing: the cluster keeps its keys."""
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    write_secrets(made)
    assert {path: path.read_bytes() for path in made.rglob("*") if path.is_file()} == before


def test_questdb_is_the_pinned_one_with_the_same_settings() -> None:
    """The container has the version of the jar, and the settings of the embedded server but addresses and limits."""
    service = SERVICES["questdb"]
    assert service["image"].endswith(f":{VERSION}")
    child = environment(QuestDbSettings(), Access("http://127.0.0.1:9000"))
    wanted = {name: value for name, value in child.items() if name.startswith("QDB_") and name not in OWN_TO_THE_CHILD}
    given = {name: value for name, value in service["environment"].items() if name not in OWN_TO_THE_CHILD}
    assert given == wanted


def test_each_process_is_started_by_a_verb_that_exists() -> None:
    """Each container runs `tapedeck run` with a role that the verb knows."""
    role = next(parameter for parameter in run.params if parameter.name == "role")
    assert isinstance(role.type, click.Choice)
    started = {name: service["command"] for name, service in OURS.items() if name != "init"}
    assert started == {name: ["run", name] for name in role.type.choices}
