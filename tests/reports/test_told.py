"""What is told in several places, or follows from a cube without being a figure: each forged, through `verify`."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest

from audit.publish import publish_files
from reports.sign import certify
from reports.verify import verify
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.shared import german

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A run on German credit with explanations and a mitigation, as a report takes it."""
    out = german(tmp_path_factory)
    built = ("cube.json", "evidence.json", "explain.json", "mitigation.json")
    return publish_files({n: (out / n).read_bytes() for n in built})


def detail(pdf: bytes, check: str) -> str:
    return next(c.detail for c in verify(pdf, printer=kit.page).checks if c.name == check and c.status == "ok")


def test_an_honest_report_agrees_wherever_something_is_told(files: Files, pki: Pki) -> None:
    words = detail(kit.report(files, pki.auditor), "totals")
    count = int(words.split(" ")[0])
    changes = len(json.loads(files["mitigation.json"])["changes"])
    assert count > 6 * changes
    assert words.endswith("totals and names follow from the cube, or are the same wherever they are told")


def mitigation(change: Callable[[Any], object]) -> tuple[str, Callable[[Any], object]]:
    return "mitigation.json", change


def explained(change: Callable[[Any], object]) -> tuple[str, Callable[[Any], object]]:
    return "explain.json", change


def added(holder: Any, key: str, step: float = 1) -> None:
    holder[key] = holder[key] + step


def turned(holder: Any, key: str) -> None:
    holder[key] = not holder[key]


def alone(d: Any) -> Any:
    """The first change of a single column that is a rate: what got worse stands first."""
    return next(c for c in d["changes"] if len(c["attribute"]) == 1 and c["kind"] == "rate")


def clear_of(d: Any) -> Any:
    """A change whose interval is known."""
    return next(c for c in d["changes"] if c["low"] is not None)


def beside_its_interval(change: Any) -> None:
    above = abs(change["delta"]) + 0.1
    change.update(low=above, high=above + 0.1, clear=True)


FORGED: dict[str, tuple[str, Callable[[Any], object]]] = {
    "the case of the mitigation": mitigation(lambda d: d["case"].update(name="Other")),
    "the sha256 of the mitigation's data": mitigation(lambda d: d["data"].update(sha256="0" * 64)),
    "the rows of the mitigation": mitigation(lambda d: added(d["data"], "rows")),
    "whether the method of the mitigation is known": mitigation(lambda d: d.update(method="a miracle")),
    "the title of the method": mitigation(lambda d: d.update(title="Reweighing, approved by the regulator")),
    "the words of the method": mitigation(lambda d: d.update(words="Removes all bias.")),
    "whether decisions take a person's group": mitigation(
        lambda d: d.update(method="group_thresholds", title="", stage="", words="", source="")
    ),
    "whose norms the mitigation is held against": mitigation(lambda d: d["policy"].update(standing="own")),
    "the sha256 of the model mitigated": mitigation(lambda d: d["base"].update(sha256="0" * 64)),
    "the people of the arm": mitigation(lambda d: added(d["splits"], "test")),
    "the accuracy of the arm": mitigation(lambda d: added(d["arms"]["candidate"], "accuracy", -0.01)),
    "the reference of the mitigation's settings": mitigation(lambda d: d["settings"].update(reference={"sex": "male"})),
    "the order of the mitigation's settings": mitigation(lambda d: d["settings"].update(order=1)),
    "norms the arm candidate leaves out": mitigation(lambda d: d["arms"]["candidate"]["norms"].pop()),
    "norms the arm matched leaves out": mitigation(lambda d: d["arms"]["matched"].pop("norms")),
    "how many changes are left out": mitigation(lambda d: d["changes"].remove(alone(d))),
    "change 1, delta": mitigation(lambda d: added(d["changes"][0], "delta", 0.01)),
    "change 1, before": mitigation(lambda d: added(d["changes"][0], "before", 0.01)),
    "change 1, matched": mitigation(lambda d: d["changes"][0].update(matched=0.123)),
    "change 1, worse": mitigation(lambda d: turned(d["changes"][0], "worse")),
    "clear": mitigation(lambda d: turned(clear_of(d), "clear")),
    "its interval": mitigation(lambda d: beside_its_interval(clear_of(d))),
    "the gaps aimed at": mitigation(lambda d: d["constraint"]["by"].pop()),
    "the tolerance": mitigation(lambda d: added(d["constraint"], "tolerance", 0.01)),
    "what is set apart": mitigation(
        lambda d: d["constraint"].update(apart=[{"attribute": ["merit"], "group": ["x"], "why": "few"}])
    ),
    "the gap reached": mitigation(lambda d: d["constraint"].update(reached=0.0)),
    "whether the aim was met": mitigation(lambda d: turned(d["constraint"], "met")),
    "flips 1, people": mitigation(lambda d: added(d["flips"][0], "rows")),
    "flips 1, counts": mitigation(lambda d: d["flips"][0].update(to_favourable=10**6)),
    "flips 1, p_value": mitigation(lambda d: d["flips"][0].update(p_value=0.0123)),
    "flips 2, p_adjusted": mitigation(lambda d: d["flips"][1].update(p_adjusted=0.0123)),
    "the people of the explanations": explained(lambda d: added(d["data"], "audited_rows")),
    "the data of the explanations": explained(lambda d: d["data"].update(sha256="0" * 64)),
    "the sha256 of the model explained": explained(lambda d: d["model"].update(sha256="0" * 64)),
}


@pytest.mark.parametrize("where", FORGED)
def test_what_is_told_otherwise_is_named(where: str, files: Files, pki: Pki) -> None:
    name, change = FORGED[where]
    forged = kit.edited(files, name, change)
    verification = [c for c in verify(kit.report(forged, pki.auditor), printer=kit.page).checks if c.status == "failed"]
    assert any(where in c.detail and "is told otherwise than it is" in c.detail for c in verification), verification


def test_the_bytes_under_the_seal_are_counted(small: Reports) -> None:
    """All but the hole that ByteRange leaves for the container, which is counted here from the file's own text."""
    pdf = small.certified
    first, length, second, last = (int(n) for n in re.findall(rb"/ByteRange\s*\[([\d ]+)\]", pdf)[-1].split())
    assert first == 0
    assert second + last == len(pdf)
    assert detail(pdf, "seal").startswith(f"{length + last:,} bytes have the digest")


def test_a_drawing_that_draws_itself_is_followed_once(small: Reports, pki: Pki) -> None:
    """Certified and decided on: its pages before and after the decision are compared with all that they refer to."""
    with pikepdf.open(io.BytesIO(small.draft)) as pdf:
        box = pikepdf.Array([0, 0, 9, 9])
        form = pdf.make_stream(b"", Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form, BBox=box)
        form.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary({"/L": form}))
        pdf.pages[0].Resources["/XObject"] = pikepdf.Dictionary({"/L": form})
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True, min_version="1.7", force_version="1.7")
    issued = certify(out.getvalue(), pki.auditor, field="Auditor", reason="I issued this report").pdf
    decided = kit.signed_update(issued, pki.bo, "Member1", lambda writer: None)
    verification = verify(decided, printer=kit.page)
    assert [c.name for c in verification.checks if c.status == "failed"] == ["printed pages"], verification.checks
    assert next(c.status for c in verification.checks if c.name == "changes") == "ok"
