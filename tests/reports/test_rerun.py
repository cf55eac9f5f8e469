"""`verify --rerun`: everything of a report made again from model and data; another figure is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.explain import run_explain
from audit.gaps import Settings
from audit.load import load_case
from audit.publish import publish_files
from audit.run import run_audit
from debias.mitigate import run_mitigate
from reports.rerun import run_again
from reports.verify.figures import check_rerun
from reports.verify.result import Broken
from tests.reports import kit
from tests.reports.pki import Pki


@pytest.fixture(scope="module")
def both(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of a report on German credit, and the same made again."""
    out = tmp_path_factory.mktemp("german")
    case = load_case(root / "sample_data" / "german_credit.toml")
    run_audit(case, out, Settings(draws=200, seed=3))
    run_explain(case, out, people=[3], rows=150)
    run_mitigate(case, "reweighing", out, draws=200)
    names = ("evidence.json", "cube.json", "explain.json", "mitigation.json")
    files = publish_files({n: (out / n).read_bytes() for n in names})
    return files, run_again(case, files)


def test_all_of_it_comes_out_again(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    files, again = both
    assert set(again) == set(files)
    assert "found equal" in check_rerun(files, again)
    assert "not run again" not in check_rerun(files, again)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("evidence.json", ("gaps", 0, "value")),
        ("explain.json", ("global", 0, "mean_abs")),
        ("mitigation.json", ("flips", 0, "to_favourable")),
    ],
)
def test_another_figure_is_named(
    both: tuple[dict[str, bytes], dict[str, bytes]], name: str, path: tuple[str | int, ...]
) -> None:
    files, again = both
    document = json.loads(files[name])
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = place[path[-1]] + 1
    with pytest.raises(Broken, match=r"gaps: |explain\.json|mitigation\.json"):
        check_rerun({**files, name: json.dumps(document).encode()}, again)


def test_other_data_are_named(both: tuple[dict[str, bytes], dict[str, bytes]]) -> None:
    files, again = both
    document = json.loads(files["evidence.json"])
    document["data"]["sha256"] = "0" * 64
    with pytest.raises(Broken, match="the data is not the one"):
        check_rerun({**files, "evidence.json": json.dumps(document).encode()}, again)


def test_its_pages_are_believed(both: tuple[dict[str, bytes], dict[str, bytes]], pki: Pki) -> None:
    """A report with every kind of explanation and chart; with the person explained, and without."""
    files, _ = both
    for people in (True, False):
        manifest = kit.manifest_of(files, pki.auditor, extra={"people": people, "timestamp": False})
        kit.assert_believed(files, manifest, pki.auditor)
