"""What an engine or worker is called: who was killed and started again has its old name."""

from __future__ import annotations

from pathlib import Path

from api.bootstrap import host_name_at
from projections.duckdb import slots


def test_a_place_gives_the_name(tmp_path: Path) -> None:
    """Two at once have two names; the next one on a place that was let go has the name of the one before."""
    first, second = slots.claim(tmp_path / "paper"), slots.claim(tmp_path / "paper")
    names = [host_name_at(first), host_name_at(second)]
    assert len(set(names)) == 2
    first.release()
    again = slots.claim(tmp_path / "paper")
    assert host_name_at(again) == names[0]
    for place in (again, second):
        place.release()


def test_other_folders_give_other_names(tmp_path: Path) -> None:
    """Engines of two data folders on one machine, and a worker beside an engine, are never taken for each other."""
    places = [slots.claim(tmp_path / data / modes) for data in "ab" for modes in ("paper-live", "backtest")]
    names = [host_name_at(place) for place in places]
    assert len(set(names)) == 4
    assert all(name.replace("-", "").isalnum() and len(name) <= 48 for name in names)
    for place in places:
        place.release()
