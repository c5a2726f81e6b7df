"""What a denied order says."""

from __future__ import annotations

import pytest

from api.services.denials import SENTENCES, denial_message
from events.rows import Code

DENIALS = [code for code in Code if code > Code.FOK_UNFILLED]


@pytest.mark.parametrize("code", DENIALS, ids=lambda code: code.name)
def test_every_denial_has_a_sentence(code: Code) -> None:
    """Whatever an order by hand is denied for is said in words, the limit among them where the code has one."""
    said = denial_message(code.name, 1234.5)
    assert said.endswith(".")
    assert ("1234.5" in said) == ("{limit" in SENTENCES[code])
