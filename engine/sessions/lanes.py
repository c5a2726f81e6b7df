"""The fixed order of a session's lanes: for each strategy as given, for each instrument as given."""

from __future__ import annotations

import msgspec

from events.facts import InstrumentTerms, SessionSpec, StrategySetting


class Lane(msgspec.Struct, frozen=True):
    """One strategy on one instrument; `number` is what output rows say."""

    number: int
    strategy: StrategySetting
    instrument: InstrumentTerms


def lanes_of(spec: SessionSpec) -> list[Lane]:
    """All lanes of a session, in order."""
    pairs = [
        (setting, instrument)
        for setting in spec.strategies
        for instrument in spec.instruments
        if not setting.symbols or instrument.symbol in setting.symbols
    ]
    return [Lane(number, setting, instrument) for number, (setting, instrument) in enumerate(pairs)]
