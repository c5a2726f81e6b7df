"""Verbs as a user types them, in this process, on a data folder of the tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from click.testing import CliRunner

from api.cli.main import main
from api.cli.running import reached
from api.settings import Settings, load


class Done(NamedTuple):
    """What a verb did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The output as a JSON document."""
        return msgspec.json.decode(self.out)


class Desk:
    """A data folder with a tape, and the server that it is on."""

    def __init__(self, data: Path, env: Mapping[str, str]) -> None:
        self.data = data
        self.env = dict(env)
        self.recording = ""  # of the small file, complete
        self.backtest = ""  # of it, with ema_cross

    @property
    def settings(self) -> Settings:
        """As the verbs load them."""
        return msgspec.structs.replace(load(None, self.env), data=str(self.data))

    def verb(self, *arguments: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> Done:
        """Run `tapedeck ARGUMENTS`."""
        others = {name: None for name in os.environ if name.startswith("TAPEDECK_") and name != "TAPEDECK_CACHE_DIR"}
        given = {**others, **self.env, **(env or {})}
        result = CliRunner().invoke(main, ["--data", str(self.data), *arguments], input=stdin, env=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    def good(self, *arguments: str, **options: Any) -> Done:
        """Run a verb that must end well."""
        done = self.verb(*arguments, **options)
        assert done.code == 0, f"{arguments}: exit code {done.code}\n{done.out}\n{done.err}"
        return done

    def lasts(self) -> tuple[int, int]:
        """Last sequence of the tape and of the vault."""

        async def ask() -> tuple[int, int]:
            async with reached(self.settings) as line:
                return (await line.tape.info()).last, (await line.vault.info()).last

        return asyncio.run(ask())


def coinbase_file(path: Path, rows: int = 600) -> Path:
    """A file of trades a second apart, whose price swings twice."""
    lines = ["symbol,side,price,amount,timestamp"]
    begin = datetime(2023, 9, 5, 16, tzinfo=UTC)
    for at in range(rows):
        price = 20_000 + 400 * abs((at % 200) - 100) / 100 + at % 7
        side, amount = "buy" if at % 2 else "sell", 0.5 + at % 9 / 10_000
        time = (begin + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S")
        lines.append(f"BTC-USD,{side},{price:.2f},{amount:.4f},{time}.000000Z")
    path.write_text("\n".join(lines) + "\n")
    return path
