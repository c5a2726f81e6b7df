"""Contracts 003 and 004, signals: walked from the newest to the oldest, filtered, and what led to each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine.loop.decision_loop import DecisionLoop
from engine.loop.spec import loop_spec
from engine.strategies.registry import discover
from events import codec, frames
from events.facts import SessionStarted
from events.rows import Rows
from tests.api.worlds import World, until_state
from tests.documents.shapes import inventory, misfits

RECORDING = "rec_" + "a" * 16
EMA = {"strategy": "ema_cross", "params": {"fast": 60, "slow": 240}}
PAGE = inventory("s3.signals")["s3.signals"]["response_shape"] if inventory("s3.signals") else {}
SIGNAL = PAGE["signals"][0] if PAGE else {}
_made: dict[int, str] = {}


async def session(made: World) -> str:
    """A paper session that has traded the recorded hour; one for all cases."""
    if id(made.tape) not in _made:
        body = {"mode": "paper", "recording": RECORDING, "strategies": [EMA], "acceleration": 0}
        answer = await made.post("/api/sessions", body)
        assert answer.status_code == 200, answer.text
        _made[id(made.tape)] = answer.json()["session"]
        await until_state(made, answer.json()["session"], "completed")
        await made.caught_up()
    return _made[id(made.tape)]


async def page(made: World, query: str = "") -> dict[str, Any]:
    """One page; it has the contract's shape."""
    answer = await made.get(f"/api/signals?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert misfits(found, PAGE) == []
    return found


async def lists(made: World) -> None:
    """Newest first, scores between -1 and 1 by side; bad parameters name their field."""
    await session(made)
    found = (await page(made))["signals"]
    assert 0 < len(found) <= 50
    assert [one["meta"]["sequence"] for one in found] == sorted(
        (one["meta"]["sequence"] for one in found), reverse=True
    )
    for one in found:
        assert {"buy": one["score"] > 0, "sell": one["score"] < 0, "neutral": one["score"] == 0}[one["side"]]
        ratio = abs(one["meta"]["strength"]) / made.house.lookups.registry.typical_strengths[one["pattern"]]
        assert abs(one["score"]) == ratio / (1 + ratio)
    assert max(abs(one["score"]) for one in found) > 0.02
    for query, field in (
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=abc", "cursor"),
        ("minScore=2", "minScore"),
        ("since=yesterday", "since"),
        ("limt=3", "limt"),
    ):
        answer = await made.get(f"/api/signals?{query}")
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


async def walks(made: World) -> None:
    """Following nextCursor meets every signal once, while others come, and ends; as of then it is the same walk."""
    await session(made)
    whole = [one["id"] for one in (await page(made, "limit=500"))["signals"]]
    assert len(whole) < 500
    then = await made.last()
    met: list[str] = []
    query = "limit=7"
    while True:
        found = await page(made, query)
        assert found["total"] >= len(whole)
        met += [one["id"] for one in found["signals"]]
        if len(met) == 7:  # new ones come while somebody walks
            again = await made.post(
                "/api/sessions", {"mode": "paper", "recording": RECORDING, "strategies": [EMA], "acceleration": 0}
            )
            await until_state(made, again.json()["session"], "completed")
            await made.caught_up()
        if "nextCursor" not in found:
            break
        query = f"limit=7&cursor={found['nextCursor']}"
    assert met == whole
    assert [one["id"] for one in (await page(made, f"limit=500&as_of={then}"))["signals"]] == whole
    assert (await page(made))["total"] > len(whole)


async def filters(made: World) -> None:
    """Each filter leaves what it names, and only that."""
    await session(made)
    whole = (await page(made, "limit=500"))["signals"]
    score = sorted(abs(one["score"]) for one in whole)[len(whole) // 2]
    since = sorted(one["time"] for one in whole)[len(whole) // 2]
    for query, keeps in (
        ("symbol=BTC_USDT", lambda one: one["symbol"] == "BTC_USDT"),
        (f"minScore={score}", lambda one: abs(one["score"]) >= score),
        ("minScore=0.05", lambda one: abs(one["score"]) >= 0.05),
        (f"since={since}", lambda one: one["time"] >= since),
        ("minScore=1", lambda one: False),
        ("symbol=NO_SUCH", lambda one: False),
    ):
        found = await page(made, f"limit=500&{query}")
        assert [one["id"] for one in found["signals"]] == [one["id"] for one in whole if keeps(one)], query
        assert found["total"] == len(found["signals"])


async def filters_by_body(made: World) -> None:
    """The same filters in a body give the same page; unknown and bad fields are named."""
    await session(made)
    body = {"symbol": "BTC_USDT", "minScore": 0.0, "limit": 5}
    answer = await made.client.post("/api/signals/filter", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == await page(made, "symbol=BTC_USDT&minScore=0&limit=5")
    assert len(answer.json()["signals"]) == 5
    for change, field in (({"limit": 0}, "limit"), ({"minScore": "high"}, "minScore"), ({"who": 1}, "who")):
        wrong = await made.client.post("/api/signals/filter", json=body | change)
        assert (wrong.status_code, wrong.json()["field"]) == (400, field), wrong.text


async def explains(made: World) -> None:
    """A signal says which market row led to it: read up to that row, the loop says it; one row less, it does not."""
    name = await session(made)
    ordinal = 11
    answer = await made.get(f"/api/signals/{name}-{ordinal}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert misfits({key: found[key] for key in ("id", "symbol", "time", "score", "side")}, SIGNAL) == []
    assert found["session"]["params"]["fast"] == 60
    cause = found["cause"]
    assert await signals_until(made, name, cause["sequence"], cause["index"]) == ordinal + 1
    assert await signals_until(made, name, cause["sequence"], cause["index"] - 1) == ordinal
    assert cause["price"] == found["meta"]["price"]
    for unknown in ("nosuch-1", f"{name}-999999", "no-number", f"{name}-1a", "%00", name):
        answer = await made.get(f"/api/signals/{unknown}")
        assert answer.status_code in (400, 404), unknown


async def signals_until(made: World, name: str, sequence: int, index: int) -> int:
    """How many signals a fresh loop gives over the session's rows up to and with a place of the tape."""
    spec = None
    async for message in made.tape.read(1, subjects=(f"tape.session.{name}.fact",)):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, SessionStarted):
            spec = fact.spec
    assert spec is not None
    assert spec.input.first is not None
    loop, count = DecisionLoop(loop_spec(spec), discover()), 0
    async for message in made.tape.read(spec.input.first.sequence, subjects=(f"tape.market.{spec.input.source}",)):
        if message.sequence > sequence:
            break
        rows: Rows = frames.decode(message.body)[0].rows
        until = index + 1 if message.sequence == sequence else len(rows)
        count += len(loop.advance(rows[:until]).signals)
    return count


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s3.signals": lists,
    "s3.signals.by_id": explains,
    "s3.rule.signals_cursor": walks,
    "s3.rule.signals_filters": filters,
}
CASES_004: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.signals.list": lists,
    "s4.signals.by_id": explains,
    "s4.signals.filter": filters_by_body,
}
