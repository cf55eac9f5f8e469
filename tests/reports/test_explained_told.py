"""explain.json against the tables and itself: each lie certified with a valid key, and judged by the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.explain.sentences import RecourseGap
from audit.publish import publish_files
from tests.reports import kit
from tests.reports.pki import Pki
from tests.shared import german

Files = dict[str, bytes]
Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A run on German credit with explanations, of one person too, as a report takes it."""
    out = german(tmp_path_factory)
    return publish_files(
        {n: (out / n).read_bytes() for n in ("cube.json", "evidence.json", "explain.json")}, people=True
    )


def verified(files: Files, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    kit.judge_here(monkeypatch, kit.page)
    (tmp_path / "r.pdf").write_bytes(kit.report(files, pki.auditor, extra={"people": True, "timestamp": False}))
    return cli.main(["verify", str(tmp_path / "r.pdf")])


def decided(d: Any) -> Any:
    """The gap in decisions between the groups farthest apart."""
    return next(g for g in d["decomposition"] if (g["kind"], g["output"]) == ("extreme", "decision"))


def moved(figure: Any, key: str, by: float) -> None:
    """The figure, with its interval."""
    figure.update({k: figure[k] + by for k in (key, "low", "high")})


def a_smaller_gap(d: Any) -> None:
    """Every part, its interval and the whole, half as large: all but the tables agree."""
    gap = decided(d)
    gap["total"] /= 2
    for part in gap["features"]:
        part.update({k: part[k] / 2 for k in ("value", "low", "high")})


def groups_that_change_places(d: Any) -> None:
    gap = decided(d)
    gap["highest"], gap["lowest"] = gap["lowest"], gap["highest"]


def a_group_of_nobody(d: Any) -> None:
    decided(d)["highest"] = ["nobody"]


def more_are_found(d: Any) -> None:
    group = next(g for g in d["recourse"]["groups"] if g["found"] > 1)
    group["found"] -= 1


def another_sentence(d: Any) -> None:
    d["recourse"]["notice"][0] = "Recourse is alike in all groups."


def a_smaller_difference(d: Any) -> None:
    """With its sentence."""
    gap = next(g for g in d["recourse"]["gaps"] if g["of"] == "share" and g["estimable"])
    told = RecourseGap(**{k: tuple(v) if isinstance(v, list) else v for k, v in gap.items()})
    at = d["recourse"]["notice"].index(told.words)
    gap["value"] = 0.001
    d["recourse"]["notice"][at] = replace(told, value=0.001).words


def a_model_that_hides(d: Any) -> None:
    """The figures of an alarm, and the words of none."""
    d["hiding"]["features"][0].update(real=0.9, real_error=0.01, spliced=0.01, spliced_error=0.001)


LIES: dict[str, tuple[str, Change]] = {
    "a part of a gap": (
        "whether the parts of a gap sum to it",
        lambda d: moved(decided(d)["features"][0], "value", 0.1),
    ),
    "a smaller gap": ("whether the gap explained is that of the tables", a_smaller_gap),
    "the other group": ("whether the gap explained is that of the tables", groups_that_change_places),
    "a group of nobody": ("whether a gap explained is between groups of the audit", a_group_of_nobody),
    "a part of a person's score": (
        "whether the parts of person 1 sum to the output",
        lambda d: d["people"][0]["shap"][0].update(value=0.5),
    ),
    "a person's score": (
        "whether the parts of person 1 sum to the output",
        lambda d: d["people"][0].update(score=0.01),
    ),
    "a refusal as an offer": (
        "whether the decision on person 1 is favourable",
        lambda d: d["people"][0].update(favourable=not d["people"][0]["favourable"]),
    ),
    "more people": (
        "the people of a group explained",
        lambda d: d["groups"][0].update(people=d["groups"][0]["people"] + 1),
    ),
    "more rows than people": (
        "whether a group explained has so many rows",
        lambda d: d["groups"][0].update(rows=d["groups"][0]["people"] + 1),
    ),
    "surrogates of nobody": (
        "whether a group's surrogates are of its people",
        lambda d: d["fidelity"][0].update(rows=10**6),
    ),
    "a mean beside its interval": (
        "how many intervals of explanations are not around their figure",
        lambda d: d["groups"][0].update(mean=d["groups"][0]["mean"] + 0.1),
    ),
    "an importance above its interval": (
        "whether an importance is within its interval",
        lambda d: d["global"][0].update(mean_abs=d["global"][0]["high"] + 0.1),
    ),
    "a gate that was passed": (
        "whether attributions add up",
        lambda d: d["additivity"].update(max_error=d["additivity"]["tolerance"] * 2),
    ),
    "fewer who have recourse": ("the share with recourse", more_are_found),
    "another sentence": ("the sentences on recourse", another_sentence),
    "a smaller difference": ("the gap in the share of recourse", a_smaller_difference),
    "a model that hides": ("whether there is a sign of hiding", a_model_that_hides),
    "more refused than there are": (
        "whether recourse was sought for people of the group",
        lambda d: d["recourse"]["groups"][0].update(refused=10**6),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_an_explanation_is_refused(
    lie: str, files: Files, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    where, change = LIES[lie]
    assert verified(kit.edited(files, "explain.json", change), pki, tmp_path, monkeypatch) == 4
    assert f"totals: {where} is told otherwise than it is" in " ".join(capsys.readouterr().err.split())


def test_an_honest_explanation_verifies(
    files: Files, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(files["explain.json"])
    assert document["people"]
    assert document["recourse"]["groups"]
    assert verified(files, pki, tmp_path, monkeypatch) == 0


def test_a_model_that_answers_twice_otherwise_is_believed_to(
    files: Files, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing adds up, and the document says that."""

    def change(d: Any) -> None:
        d["additivity"].update(passed=False, max_error=0.01)
        d["people"][0]["score"] += 0.01

    assert verified(kit.edited(files, "explain.json", change), pki, tmp_path, monkeypatch) == 0


LOADED = """
import sys
import numpy as np
from reports.verify.inside import serve
fields, _ = serve({"do": "verify", "elsewhere": True}, {"pdf": np.fromfile(sys.argv[1], dtype=np.uint8)})
checks = fields["verification"]["checks"]
print(*[c["name"] for c in checks if c["status"] == "failed"], *sys.modules)
"""


def test_checking_explanations_and_a_mitigation_loads_no_pandas(
    tmp_path_factory: pytest.TempPathFactory, pki: Pki, tmp_path: Path
) -> None:
    """It is a quarter of what checking takes, and no line needs it."""
    out = german(tmp_path_factory)
    names = ("cube.json", "evidence.json", "explain.json", "mitigation.json")
    every = publish_files({n: (out / n).read_bytes() for n in names}, people=True)
    (tmp_path / "r.pdf").write_bytes(kit.report(every, pki.auditor, extra={"people": True, "timestamp": False}))
    command = [sys.executable, "-c", LOADED, str(tmp_path / "r.pdf")]
    loaded = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert {"reports.verify.explained", "reports.verify.arms", "debias"} <= set(loaded)
    assert not {"pandas", "pyarrow", "sklearn", "totals", "mitigation"} & set(loaded)
