"""An entry that leads to an object that is not there is none, until a later revision writes that object."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name

import cli
from tests.reports import kit
from tests.reports.forge import Real
from tests.reports.forged_signed import MDP


def test_an_entry_that_a_later_step_fills_is_refused(
    real: Real, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        later = int(pdf.trailer.Size) + 60

    def hidden(writer: Any) -> None:
        for key in ("/Collection", "/PieceInfo"):
            writer.root[pdf_name(key)] = generic.IndirectObject(later, 0, writer)
        writer.update_root()

    def filled(writer: Any) -> None:
        # An object of a kind that is known, which the catalog's entry has led to all along.
        writer._lastobj_id = later - 2

    reason = "I issued this report"
    first = kit.signed_update(
        real.pdf, real.pki.auditor, "Auditor", hidden, certify=True, reason=reason, docmdp_permissions=MDP
    )
    second = kit.signed_update(first, real.pki.bo, "Member1", filled)
    with pikepdf.open(io.BytesIO(second)) as pdf:
        assert "/Collection" in pdf.Root
    path = tmp_path / "report.pdf"
    path.write_bytes(second)
    assert cli.main(["verify", str(path)]) == 4
    assert "/Collection in" in capsys.readouterr().err
