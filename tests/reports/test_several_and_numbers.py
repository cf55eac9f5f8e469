"""Several classes and regressions from the case to the verified PDF; and what explains, mitigates or watches them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.documents import Documents
from audit.errors import CaseError
from audit.explain import run_explain
from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from debias.loop.sources import open_source
from debias.mitigate import run_mitigate
from reports.blocks import Paragraph, Sources, Table
from reports.issue import issue_report
from reports.rerun import run_again
from reports.sections import classes, regression
from reports.verify import verify
from reports.verify.reading import attachments_of
from tests.reports import kit
from tests.reports.pki import Pki

KINDS = ("classes", "regression")


def made(folder: Path, kind: str) -> Path:
    """A case with a model of its own, in `folder`."""
    import skops.io
    from sklearn.linear_model import LinearRegression, LogisticRegression

    rng = np.random.default_rng(0)
    n = 240
    x, z = rng.normal(size=n), rng.normal(size=n)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "x": x, "z": z, "day": range(n)})
    if kind == "classes":
        frame["truth"] = np.select([x + 0.3 * rng.normal(size=n) > 0.5, z > 0], ["c", "b"], "a")
        model: Any = LogisticRegression()
        about = 'positive = "b"'
    else:
        frame["truth"] = 3000 + 500 * x + 100 * rng.normal(size=n)
        model = LinearRegression()
        about = 'task = "regression"\nfavourable = "high"'
    frame.to_parquet(folder / "rows.parquet")
    skops.io.dump(model.fit(frame[["x", "z"]], frame["truth"]), folder / "m.skops")
    (folder / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "Who gets what"\n[data]\npath = "rows.parquet"\nlabel = "truth"\n'
        f'{about}\nsensitive = ["sex"]\nexclude = ["sex"]\ntime = "day"\n[model]\npath = "m.skops"\n'
    )
    return folder / "case.toml"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = {}
    for kind in KINDS:
        out[kind] = tmp_path_factory.mktemp(kind)
        run_audit(load_case(made(out[kind], kind)), out[kind] / "run", Settings(draws=200))
    return out


def words_of(blocks: Any) -> str:
    out = []
    for block in blocks:
        if isinstance(block, Paragraph):
            out.append(block.text)
        if isinstance(block, Table):
            out += [block.caption, " | ".join(block.columns), *(" | ".join(row) for row in block.rows), block.note]
    return "\n".join(out)


def sources(folder: Path) -> Sources:
    return kit.sources(Documents({"evidence.json": (folder / "run" / "evidence.json").read_bytes()}).evidence)


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_is_made_and_verified_and_comes_out_again(
    runs: dict[str, Path], kind: str, pki: Pki, tmp_path: Path
) -> None:
    """In the process that checks: it loads less than others do."""
    folder = runs[kind]
    issue_report(folder / "run", pki.auditor, tmp_path / "r.pdf", annex="short")
    pdf = (tmp_path / "r.pdf").read_bytes()
    files = attachments_of(pdf)
    verification = verify(pdf, rerun=run_again(load_case(folder / "case.toml"), files))
    assert verification.failed is None, verification.failed
    names = {c.name: c.status for c in verification.checks}
    assert names["figures"] == names["printed pages"] == names["rerun"] == "ok"
    evidence = json.loads(files["evidence.json"])
    assert kind in evidence
    assert ("regression" in evidence) == (evidence["rates"] == [])


def test_each_class_is_printed_with_its_people(runs: dict[str, Path]) -> None:
    made_of = sources(runs["classes"])
    section = classes.section(made_of)
    assert section is not None
    message = words_of(section.blocks)
    result = made_of.evidence.classes
    assert result is not None
    one = next(r for r in result.classes[2].rates if r.metric == "selection_rate" and r.group == ("f",))
    assert f"{one.numerator:.0f} of {one.denominator:.0f}" in message
    assert "The outcome has 3 classes: “a”, “b”, “c”" in message
    assert f"{result.family} comparisons" in message


def test_a_regression_is_printed_in_its_own_unit(runs: dict[str, Path]) -> None:
    made_of = sources(runs["regression"])
    section = regression.section(made_of)
    assert section is not None
    message = words_of(section.blocks)
    assert "worse off: " in message
    assert "A high prediction is good for a person" in message
    assert regression.signed_digits(-48.7731) == "−48.77"


def test_two_classes_have_neither_chapter() -> None:
    plain = kit.sources(kit.evidence_with())
    assert classes.section(plain) is None
    assert regression.section(plain) is None


def test_a_regression_is_not_explained_or_mitigated_in_one_message(runs: dict[str, Path], tmp_path: Path) -> None:
    case = load_case(runs["regression"] / "case.toml")
    for work in (lambda: run_explain(case, tmp_path), lambda: run_mitigate(case, "reweighing", tmp_path)):
        with pytest.raises(CaseError, match="a regression cannot be") as report:
            work()
        assert "audit the predictions" in str(report.value.todo)
    assert not list(tmp_path.iterdir())


def test_of_several_classes_the_positive_one_is_mitigated_and_the_loop_refuses(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    case = load_case(runs["classes"] / "case.toml")
    document = run_mitigate(case, "reweighing", tmp_path, draws=100)
    assert any("'b' or not" in n for n in document["notes"])
    assert document["arms"]["candidate"] is not None
    with pytest.raises(CaseError, match="a model of several classes cannot be watched"):
        open_source(case, [], tmp_path)
