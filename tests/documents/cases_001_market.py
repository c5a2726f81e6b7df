"""Contract 001, the market: candles of a symbol, and the symbols there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s1.")
TIMEFRAMES = ("1m", "5m", "15m", "1h", "4h", "1d")


async def gives_candles(made: World) -> None:
    """A bare list for each timeframe, oldest first, within the range; a parameter that is missing or wrong is a 400."""
    shape = ENTRIES["s1.market.data"]["response_shape"]
    volumes = []
    for timeframe in TIMEFRAMES:
        answer = await made.get(f"/api/market/data?symbol=ETH_USDT&timeframe={timeframe}")
        assert misfits(answer.json(), shape) == []
        times = [one["timestamp"] for one in answer.json()]
        assert times == sorted(times) != []
        volumes.append(round(sum(one["volume"] for one in answer.json()), 6))
    assert len(set(volumes)) == 1
    start, end = "2023-11-14T22:15:00Z", "2023-11-14T22:20:00Z"
    within = await made.get(f"/api/market/data?symbol=ETH_USDT&timeframe=1m&start={start}&end={end}")
    assert [one["timestamp"][14:16] for one in within.json()] == ["15", "16", "17", "18", "19"]
    for query in ("timeframe=1m", "symbol=ETH_USDT", "symbol=ETH_USDT&timeframe=2m", "symbol=ETH_USDT&timeframe="):
        assert (await made.get(f"/api/market/data?{query}")).status_code == 400, query
    assert (await made.get("/api/market/data?symbol=NOPE_USDT&timeframe=1m")).status_code == 404


async def lists_symbols(made: World) -> None:
    """Plain names by asset type, which is echoed; all without one."""
    shape = ENTRIES["s1.market.symbols"]["response_shape"]
    everything = (await made.get("/api/market/symbols")).json()
    assert misfits(everything, shape) == []
    assert everything["asset_type"] == "all"
    found = {}
    for asset_type in ("crypto", "forex", "indices", "stocks"):
        body = (await made.get(f"/api/market/symbols?asset_type={asset_type}")).json()
        assert misfits(body, shape) == []
        assert body["asset_type"] == asset_type
        found[asset_type] = body["symbols"]
    assert {"BTC_USDT", "ETH_USDT"} <= set(found["crypto"])
    assert {one for names in found.values() for one in names} <= set(everything["symbols"])
    assert (await made.get("/api/market/symbols?asset_type=gold")).status_code == 400


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s1.market.data": gives_candles,
    "s1.market.symbols": lists_symbols,
}
