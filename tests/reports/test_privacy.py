"""The attacker who subtracts, against every attachment of a report: small groups stay unknown.

One value of an attribute has four people, one intersection six. The attacker has all embedded files, reads every record
in them, and solves the equations that the tables are.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.case import Case, DataSpec, ModelSpec
from audit.explain import run_explain
from audit.gaps import Settings
from audit.load import load_policy
from audit.models.write import skops_bytes
from audit.run import run_audit
from audit.suppress import FLOOR
from debias.mitigate import run_mitigate
from reports import words
from reports.document import build_document
from reports.issue import collect, issue_report
from reports.manifest import Manifest
from reports.render import render_html
from reports.verify.reading import attachments_of
from tests.reports.pki import Pki

Names = tuple[str, ...]
SEXES, AREAS = ("f", "m", "x"), ("a", "b", "c")
SIZES = {("f", "a"): 90, ("f", "b"): 80, ("f", "c"): 6, ("m", "a"): 120, ("m", "b"): 70, ("m", "c"): 60, ("x", "a"): 4}
SECRET = {("x",), ("f", "c"), ("x", "a")}
NAMES = {"attribute", "group", "groups", "feature", "metric", "level"}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    pairs = [g for g, n in SIZES.items() for _ in range(n)]
    n = len(pairs)
    merit, proxy = rng.normal(size=n), rng.normal(size=n)
    paid = np.where(merit + 0.4 * proxy + rng.normal(scale=0.8, size=n) > 0, "paid", "late")
    return pd.DataFrame({"merit": merit, "proxy": proxy, "paid": paid, "sex": [s for s, _ in pairs],
                         "area": [a for _, a in pairs]})  # fmt: skip


@pytest.fixture(scope="module")
def files(frame: pd.DataFrame, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every attachment of a report on audit, explanation and mitigation."""
    from sklearn.linear_model import LogisticRegression

    folder = Path(tmp_path_factory.mktemp("private"))
    frame.to_parquet(folder / "rows.parquet")
    model = LogisticRegression().fit(frame[["merit", "proxy"]], frame["paid"])
    (folder / "model.skops").write_bytes(skops_bytes(model))
    data = DataSpec(path=folder / "rows.parquet", label="paid", positive="paid", favourable="paid",
                    sensitive=("sex", "area"), features=("merit", "proxy"))  # fmt: skip
    case = Case("Private", "Who gets a loan", data, ModelSpec("path", path=folder / "model.skops"), load_policy(None))
    run_audit(case, folder / "run", Settings(draws=100))
    run_explain(case, folder / "run")
    run_mitigate(case, "group_thresholds", folder / "run", attributes=["sex"], draws=40)
    issue_report(folder / "run", pki.auditor, folder / "r.pdf", members=["Bo Board"], annex="none")
    content = dict(attachments_of((folder / "r.pdf").read_bytes()))
    assert {"cube.json", "evidence.json", "explain.json", "mitigation.json", "manifest.json"} <= content.keys()
    assert collect(folder / "run").keys() <= content.keys()
    return content


def documents(files: dict[str, bytes]) -> Iterator[tuple[str, Any]]:
    """Every JSON document, those inside signed envelopes too. A file that cannot be read is a hole in the test."""
    for name, data in files.items():
        for number, part in enumerate(data.splitlines() if name.endswith(".jsonl") else [data]):
            document = json.loads(part)
            yield f"{name} {number}", document
            if isinstance(document, dict) and "payload" in document:
                yield f"{name} {number} payload", json.loads(base64.b64decode(document["payload"]))


def records(item: Any, attribute: Names = ()) -> Iterator[tuple[Names, Names, dict[str, Any]]]:
    """(attribute, group, record) wherever a record names one group."""
    if isinstance(item, dict):
        own = item.get("attribute", attribute)
        own = (own,) if isinstance(own, str) else tuple(own or ())
        group = item.get("group")
        if group is not None:
            yield own, (group,) if isinstance(group, str) else tuple(map(str, group)), item
        for value in item.values():
            yield from records(value, own)
    elif isinstance(item, list):
        for value in item:
            yield from records(value, attribute)


def test_no_record_of_any_attachment_says_a_number_about_a_small_group(files: dict[str, bytes]) -> None:
    """Zero and nothing are all that may stand beside its name."""
    seen = 0
    for name, document in documents(files):
        for attribute, group, record in records(document):
            seen += 1
            if group in SECRET:
                mapping = {k: v for k, v in record.items() if k not in NAMES and isinstance(v, int | float) and v}
                mapping = {k: v for k, v in mapping.items() if not isinstance(v, bool)}
                assert not mapping, (name, attribute, group, mapping)
    assert seen > 300


def test_no_two_tables_differ_by_a_few_people(files: dict[str, bytes]) -> None:
    """One table with the small group's people and one without them would give them away.

    Of the same rows: mitigation is compared on a part of them, drawn by seed.
    """
    sizes: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[int, str]] = {}
    for name, document in documents(files):
        for attribute, group, record in records(document):
            # Most rates' rows are those of their denominator: fewer are called positive than are there. A selection
            # rate's are everyone's, as a table's are.
            part = "denominator" in record and record.get("metric") != "selection_rate"
            size = None if part else record.get("rows", record.get("people"))
            if isinstance(size, int) and size:
                sizes.setdefault((attribute, group), {})[size] = name
    assert len(sizes) >= 8
    for key, result in sizes.items():
        every = sorted(result)
        for a, b in itertools.pairwise(every):
            assert b - a >= FLOOR, (key, result)


def test_the_equations_of_all_tables_leave_every_small_group_open(files: dict[str, bytes]) -> None:
    """Unknown: people by sex, area, outcome and decision. A count is known if it follows from what is published."""
    cells = [(s, a, y, d) for s in SEXES for a in AREAS for y in range(3) for d in range(2)]
    evidence, mitigation = json.loads(files["evidence.json"]), json.loads(files["mitigation.json"])
    cube = json.loads(files["cube.json"])
    tables = {"audit": (cube["margins"], evidence["counts"])}
    for arm, counted in mitigation["cubes"].items():
        if counted is not None:
            tables[arm] = (counted["margins"], mitigation["arms"][arm]["counts"])
    for who, (margins, counts) in tables.items():
        rows = []
        for margin in margins:
            places = [("sex", "area").index(a) for a in margin["attribute"]]
            for g, group in enumerate(margin["groups"]):
                if g in margin["withheld"]:
                    assert not [c for c in margin["cells"] if c[0] == g]
                    continue
                for y in range(3):
                    for d in range(2):
                        inside = [[c[i] for i in places] == group and c[2:] == (y, d) and c[0] != "x" for c in cells]
                        rows.append(np.array(inside, dtype=float))
        shown = {tuple(c["group"]) for c in counts if c["rows"]}
        assert not shown & SECRET, who
        matrix = np.array(rows)
        rank = np.linalg.matrix_rank(matrix)
        for sex, area in (g for g in SECRET if len(g) == 2 and g[0] != "x"):
            for y in range(2):
                for d in range(2):
                    asked = np.array([c == (sex, area, y, d) for c in cells], dtype=float)
                    assert np.linalg.matrix_rank(np.vstack([matrix, asked])) > rank, (who, sex, area, y, d)
            whole = np.array([c[:2] == (sex, area) for c in cells], dtype=float)
            assert np.linalg.matrix_rank(np.vstack([matrix, whole])) > rank, (who, sex, area)


def test_no_single_person_is_in_any_attachment(files: dict[str, bytes], frame: pd.DataFrame) -> None:
    """A person's own values, written out to any length, would single them out."""
    text = b"\n".join(files.values()).decode()
    rare = frame[frame["sex"] == "x"]
    for value in [*rare["merit"], *rare["proxy"]]:
        assert f"{value:.6f}"[:8] not in text
    assert json.loads(files["explain.json"])["people"] == []


def numbers(item: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a document, with where it stands."""
    if isinstance(item, dict):
        for k, v in item.items():
            yield from numbers(v, f"{path}/{k}")
    elif isinstance(item, list):
        for v in item:
            yield from numbers(v, path)
    elif isinstance(item, int | float) and not isinstance(item, bool):
        yield path, item


def test_no_number_less_the_people_in_tables_is_how_many_have_the_rare_value(files: dict[str, bytes]) -> None:
    """A note names the one value that fewer than ten have: all rows less those measured would be its number."""
    everyone = sum(SIZES.values())
    data = json.loads(files["evidence.json"])["data"]
    measured = everyone - SIZES["x", "a"]
    assert data["audited_rows"] == measured
    assert data["rows"] == measured + FLOOR
    assert data["rows_at_most"] is True
    for name, document in documents(files):
        parts = document.get("splits") if isinstance(document, dict) else None
        assert not parts or sum(v for v in parts.values() if isinstance(v, int)) != everyone, name
        sizes = ("rows", "people", "of_rows", "of_people", "audited_rows")
        items = [p for p, v in numbers(document) if v == everyone and p.endswith(sizes)]
        assert not items, (name, items)


def test_no_score_of_a_person_who_is_left_out_is_among_the_scores(files: dict[str, bytes]) -> None:
    margins = json.loads(files["cube.json"])["margins"]
    scored = [m["scores"] for m in margins if "scores" in m]
    used = {cell[2] for s in scored for cell in s["cells"]}
    assert scored
    assert all(used == set(range(len(s["at"]))) for s in scored)


def test_the_cover_says_a_bound_and_what_rests_on_rows_is_counted_without_them(files: dict[str, bytes]) -> None:
    evidence = json.loads(files["evidence.json"])
    assert "published" not in evidence
    assert evidence["slices"]["of_rows"] == evidence["quality"]["proxies"]["of_rows"] == 426
    assert evidence["individual"]["neighbours"]["of_people"] == 426
    assert evidence["individual"]["model_flips"] is None
    embedded = {k: v for k, v in files.items() if k != "manifest.json"}
    document = build_document(embedded, manifest=Manifest.from_bytes(files["manifest.json"]))
    html = render_html(document)
    assert "426 of at most 436 in the data" in html
    assert "at most 436 rows" in html
    assert ">430<" not in html
    assert "430 rows" not in html


def test_the_chapters_say_that_a_part_is_rounded(files: dict[str, bytes]) -> None:
    document = json.loads(files["mitigation.json"])
    assert words.part(document["splits"]["test"], document["notes"]).startswith("up to ")
    assert words.part(document["splits"]["test"], []) == f"{document['splits']['test']:,}"
