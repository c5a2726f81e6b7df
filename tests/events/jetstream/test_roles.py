"""What each role may and may not do on the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.errors import Forbidden, TapeForeign, TapeMissing, TapeUnavailable, TooLarge
from events.jetstream import roles, streams
from events.jetstream.link import Endpoint, Link, LinkLimits, inbox_prefix, without_password
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.tape import Append
from tests.fixtures.nats import EPOCH, OWNER, admin_link, fresh_streams, nats_server  # noqa: F401
from tests.fixtures.waiting import until

SUBJECTS = (
    "tape.command.desk",
    "tape.desk",
    "tape.session.a.fact",
    "tape.research.a.decision",
    "tape.market.x",
    "tape.recording.r",
    "tape.catalogue",
    "vault.user.ann",
    "$KV.liveness.engine.a",
    "$KV.counters.login.a",
    "$O.blobs.C.x",
)
# role -> which of SUBJECTS it may append to, in order
MAY = {
    "engine": "yyyyyyynyny",
    "worker": "yyyyyyynyny",
    "recorder": "nnnnyyynyny",
    "projector": "nnnnnnnnyny",
    "api": "ynnnnnyyyyy",
    "supervisor": "nnnnnnnnynn",
    "seal": "nnnnnnnnynn",
    "admin": "yyyyyyyyyyy",
}
DESTRUCTIVE = (
    "STREAM.DELETE.TAPE",
    "STREAM.PURGE.TAPE",
    "STREAM.MSG.DELETE.TAPE",
    "STREAM.UPDATE.TAPE",
    "STREAM.RESTORE.TAPE",
    "STREAM.DELETE.VAULT",
    "STREAM.PURGE.VAULT",
    "STREAM.DELETE.OBJ_blobs",
    "STREAM.DELETE.KV_counters",
)


def test_every_role_has_its_row() -> None:
    """A new role without a row in this table fails."""
    assert set(MAY) == set(roles.ROLES)


@pytest.mark.parametrize("role", sorted(MAY))
async def test_appends_of_a_role(role: str, nats_server: NatsServer, admin_link: Link) -> None:  # noqa: F811
    """A role appends where its work is, and nowhere else; the refusal comes at once and names the subject."""
    link = await Link.open(nats_server.endpoint(role))
    allowed = ""
    for subject in SUBJECTS:
        try:
            await link.request(subject, b"x", 5)
            allowed += "y"
        except Forbidden as refused:
            assert subject in str(refused)  # noqa: PT017
            allowed += "n"
    assert allowed == MAY[role]
    await link.close()


@pytest.mark.parametrize("role", sorted(MAY))
async def test_nobody_deletes(role: str, nats_server: NatsServer, admin_link: Link) -> None:  # noqa: F811
    """No role may delete, purge, change or replace a stream, or delete a message of the tape."""
    link = await Link.open(nats_server.endpoint(role))
    tape = await JetStreamTape.open(link)
    await admin_link.request("tape.a", b"x", 5)
    for name in DESTRUCTIVE:
        with pytest.raises(Forbidden):
            await streams.api(link, name, {"seq": 1})
    assert (await tape.info()).messages == 1
    await link.close()


@pytest.mark.parametrize("role", sorted(MAY))
async def test_who_reads_the_vault(role: str, nats_server: NatsServer, admin_link: Link) -> None:  # noqa: F811
    """Users and keys are read by the API, by the administrator, and by the seal, which only hashes them."""
    link = await Link.open(nats_server.endpoint(role))
    try:
        vault = await JetStreamTape.open(link, stream=streams.VAULT_STREAM)
        assert [message async for message in vault.read()] == []
        may = True
    except Forbidden:
        may = False
    assert may == (role in ("api", "admin", "seal"))
    await link.close()


async def test_nobody_listens_to_others(nats_server: NatsServer, admin_link: Link) -> None:  # noqa: F811
    """A role cannot listen to the answers of another role, nor to subjects of the tape directly."""
    link = await Link.open(nats_server.endpoint("projector"))
    heard: list[object] = []

    async def hear(message: object) -> None:
        heard.append(message)

    for subject in (f"{inbox_prefix('api')}.>", "tape.>", ">"):
        await link.client.subscribe(subject, cb=hear)
    other = await Link.open(nats_server.endpoint("api"))
    await other.request("tape.command.desk", b"x", 5)
    tape = await JetStreamTape.open(link)
    assert (await tape.info()).messages == 1
    assert heard == []
    await other.close()
    await link.close()


async def test_wrong_key(nats_server: NatsServer, tmp_path: Path) -> None:  # noqa: F811
    """A key that the server does not know is refused."""
    roles.make_keys(tmp_path, {"api": roles.Role()})
    endpoint = Endpoint(nats_server.endpoint("api").url, "api", str(roles.seed_file(tmp_path, "api")))
    with pytest.raises(Forbidden, match="refuses the credentials of role api"):
        await Link.open(endpoint)


async def test_nobody_there() -> None:
    """An address where nobody answers gives an error that names it, without the password."""
    with pytest.raises(TapeUnavailable, match=r"127.0.0.1:1: .*TAPEDECK_NATS_URL") as error:
        await Link.open(Endpoint("nats://ann:secret@127.0.0.1:1"), LinkLimits(connect_seconds_max=0.3))
    assert "secret" not in str(error.value)
    assert without_password("nats://ann:secret@host:1") == "nats://host:1"


async def test_over_max_payload_with_its_headers(nats_server: NatsServer) -> None:  # noqa: F811
    """A message over the server's limit together with its headers is refused here, and the connection stays."""
    link = await Link.open(nats_server.endpoint(OWNER))
    room = link.client.max_payload
    with pytest.raises(TooLarge, match="max_payload"):
        await link.request("tape.a", b"x" * (room - 10), 5, {"X-Header": "v" * 100})
    with pytest.raises(TooLarge, match="max_payload"):
        await link.request("tape.a", b"x" * (room + 1), 5)
    assert link.connected
    await link.close()


async def test_missing_and_foreign_streams(nats_server: NatsServer, admin_link: Link) -> None:  # noqa: F811
    """Opening never makes a stream; another epoch, or a stream that is not ours, is refused."""
    assert await streams.init(admin_link, "another") == EPOCH  # what exists stays
    with pytest.raises(TapeForeign, match="belongs to epoch another"):
        await JetStreamTape.open(admin_link, epoch="another")
    await streams.api(admin_link, "STREAM.DELETE.TAPE")
    with pytest.raises(TapeMissing, match="tapedeck init"):
        await JetStreamTape.open(admin_link)
    await streams.api(admin_link, "STREAM.CREATE.TAPE", {"name": "TAPE", "subjects": ["tape.>"]})
    with pytest.raises(TapeForeign, match="has no epoch"):
        await JetStreamTape.open(admin_link)
    with pytest.raises(TapeForeign):
        await streams.init(admin_link, EPOCH)
    await fresh_streams(admin_link)


async def test_tail_refuses_another_tape(nats_server: NatsServer, admin_link: Link) -> None:  # noqa: F811
    """A tail whose stream was replaced under it stops, instead of reading the other one."""
    tape = await JetStreamTape.open(admin_link)
    heard: list[int] = []

    async def hear(message: object) -> None:
        heard.append(1)

    tail = await tape.tail(1, hear)
    await tape.append(Append("tape.a", b"", "1"))
    await until(lambda: len(heard) == 1)
    await streams.api(admin_link, "STREAM.DELETE.TAPE")
    await streams.create(admin_link, "TAPE", "other-epoch", streams.StreamSettings())
    with pytest.raises((TapeForeign, TapeMissing)):
        await tail.ended()
    await fresh_streams(admin_link)
