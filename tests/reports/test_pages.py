"""Pages are made again byte for byte, or they are not believed: the table of forgeries of what is printed.

The forger is the auditor, who signs whatever pages they like with a valid key. None of the forgeries ends with
"verified". Those that come with signatures of their own are in test_pages_signed.py, those that go through the command
itself in test_pages_command.py; what other versions give in test_pages_looks.py.
"""

from __future__ import annotations

import pytest

from tests.reports import forged_more, forged_other, forged_pages, forged_signed, forged_words
from tests.reports.forge import FORGERIES, SIGNED, Real, check_refused, made

TABLES = (forged_more, forged_other, forged_pages, forged_signed, forged_words)
"""Each enters its own where it is loaded."""

pytestmark = pytest.mark.usefixtures("printed_once")


@pytest.mark.parametrize("name", FORGERIES)
def test_no_forgery_is_verified(name: str, real: Real, here: None) -> None:
    check_refused(made(real, name), real, name)


def test_the_table_is_as_large_as_it_was_asked_to_be() -> None:
    assert len([n for n, f in FORGERIES.items() if f.__module__ == forged_pages.__name__]) >= 63
    assert len([n for n, f in FORGERIES.items() if f.__module__ != forged_pages.__name__]) + len(SIGNED) >= 60
    assert forged_signed.STEPS
    assert len(TABLES) == 5
