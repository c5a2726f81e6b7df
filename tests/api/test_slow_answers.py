"""What counts as too slow among hostile requests."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.api.fuzzed import Slow, check_slow

METHODS = Counter({"GET": 1_000, "POST": 2_000, "PUT": 900})
READ, WRITE = Slow("GET", "/api/sessions", 2.5), Slow("POST", "/api/executions", 2.5)


def test_a_slow_first_answer_counts() -> None:
    """A read must not be slow even once, of what is no read one in a thousand may be."""
    check_slow([], METHODS)
    check_slow([WRITE] * 2, METHODS)
    check_slow([WRITE], Counter({"POST": 5}))
    with pytest.raises(AssertionError, match="more than 2 were slow"):
        check_slow([WRITE] * 3, METHODS)
    with pytest.raises(AssertionError, match=r"reads that were slow.*/api/sessions"):
        check_slow([READ], METHODS)
