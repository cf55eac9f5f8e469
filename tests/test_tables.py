"""Tables are the only list: a name stands in its table and nowhere else, and a row that is added is seen everywhere."""

from __future__ import annotations

import ast
import functools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import cli
from audit import conform, dataset
from audit.conform import TOOLS
from audit.contract import gx, large, read
from audit.contract import kinds as checks
from audit.contract.read import dump
from audit.dataset import MEASURES
from audit.documents.mitigation import ARMS
from audit.documents.table import DOCUMENTS
from audit.load import kinds, load_case
from audit.metrics import METRICS, MetricRow
from audit.models import formats
from audit.models.own_loaders import WAYS
from audit.models.served import protocols
from audit.models.served.addresses import PLACES
from audit.models.served.protocols import PROTOCOLS, Protocol
from audit.policy import LOOP_METHODS
from audit.publish import publish_files
from audit.quality.table import DETECTORS, Detector
from audit.stress import corrupt
from audit.stress.spec import LEARNERS
from debias import fit_weights
from debias.methods import table
from debias.methods.method import CONSTRAINTS, DEMOGRAPHIC_PARITY
from debias.methods.table import METHODS, MethodRow
from debias.whatif import table as variants
from reports import words
from reports.check_offline import check
from scripts import tables

ROOT = Path(__file__).resolve().parents[1]

# Where a name stands besides its table, and why. Keys that only look like a metric's name: fields of other records.
ELSEWHERE = {
    "reports/check_offline/check.py": "it runs alone; that it has the table's formulas is tested here",
    "audit/policy.py": "the loop's ways, read before the room of the methods; tested here",
    "audit/calibration.py": "mean_score: a field of a bin",
    "debias/pareto.py": "selection_rate: a field of a point",
    "debias/pareto_figures.py": "selection_rate: a field of a point",
    "debias/fit_weights.py": "resampling: how weights were used",
    "screens/charts.py": "accuracy: an axis",
}
WORDS_OF_SQL = {"empty", "exists", "rows", "type", "mean", "median", "sum", "stdev", "quantiles", "length"}
"""Kinds of check whose names say other things elsewhere."""
HOMES = {"audit/metrics.py": METRICS, "debias/methods/method.py": METHODS}


@functools.cache
def trees() -> dict[str, ast.Module]:
    """file -> its syntax, parsed once."""
    paths = [
        p for room in ("audit", "debias", "reports", "screens", "assay") for p in sorted((ROOT / room).rglob("*.py"))
    ]
    return {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text(encoding="utf-8")) for p in paths}


@functools.cache
def literals() -> dict[str, Counter[str]]:
    """file -> whole string literals, docstrings left out."""
    out = {}
    for path, tree in trees().items():
        result = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        out[path] = Counter(result)
    return out


@functools.cache
def lists() -> dict[str, frozenset[str]]:
    """file:line -> the texts of each list, tuple, set or keys of a dict that holds nothing else, of three or more."""
    out = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            held: Sequence[ast.expr | None] = ()
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                held = node.elts
            elif isinstance(node, ast.Dict):
                held = node.keys
            texts = [e.value for e in held if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            if len(texts) == len(held) > 2:
                out[f"{path}:{node.lineno}"] = frozenset(texts)
    return out


def test_a_metric_and_a_method_are_named_in_their_table_alone() -> None:
    result = literals()
    for home, rows in HOMES.items():
        assert {n: result[home][n] for n in rows} == dict.fromkeys(rows, 1), home
    names = {*METRICS, *METHODS}
    strange = {
        path: sorted(names & set(count))
        for path, count in result.items()
        if path not in {*HOMES, *ELSEWHERE} and names & set(count)
    }
    assert not strange, "take the name from its table"
    assert all(names & set(result[path]) for path in ELSEWHERE), "an exception that is none any more"


def test_a_protocol_is_named_in_its_table_alone() -> None:
    result = literals()
    assert [p for p, count in result.items() if {"oip", "oip-grpc"} & set(count)] == [
        "audit/models/served/protocols.py"
    ]


def test_a_list_of_rows_stands_in_its_table_alone() -> None:
    """Corruptions, variants, learners, detectors, measures and tools: no other file holds a list of their names."""
    result = lists()
    for home, rows in (
        ("audit/stress/corrupt.py", corrupt.KINDS),
        ("debias/whatif/table.py", variants.KINDS),
        ("audit/stress/spec.py", LEARNERS),
        ("audit/quality/table.py", DETECTORS),
        ("audit/dataset.py", MEASURES),
        ("audit/conform.py", TOOLS),
        ("audit/documents/mitigation.py", ARMS),
        ("audit/models/served/addresses.py", PLACES),
        ("audit/contract/kinds.py", set(checks.KINDS) - WORDS_OF_SQL),
        ("audit/load/kinds.py", {e.lstrip(".") for e in kinds.endings()} | set(kinds.endings())),
        ("audit/models/formats.py", {e.lstrip(".") for e in formats.endings()} | set(formats.endings())),
        ("audit/models/own_loaders.py", set(WAYS)),
        ("audit/documents/table.py", set(DOCUMENTS)),
    ):
        names = set(rows)
        twice = {where for where, one in result.items() if len(names & one) > 2 and len(one - names) <= len(one) / 2}
        assert not {w for w in twice if w.split(":")[0] != home}, f"names of {home} stand again"


def test_docs_hold_the_tables_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (file, _) in tables.TABLES.items():
        text = (tables.DOCS / file).read_text(encoding="utf-8")
        assert tables.written(text, name) == text, "run `python -m scripts.tables`"
    extra = corrupt.Corruption("zeroed", "number", "{column} were 0", "a default", None, lambda c: c * 0)
    monkeypatch.setitem(corrupt.KINDS, extra.name, extra)
    text = (tables.DOCS / "stress.md").read_text(encoding="utf-8")
    assert "| `zeroed` | the values were 0 | a default |" in tables.written(text, "corruptions")


def test_who_stands_apart_says_the_same() -> None:
    """The offline check has its own formulas, the policy its own list of the loop's ways."""
    cells = {"known": check.KNOWN}
    for name, formula in check.RATES.items():
        counted, out_of = (cells.get(s.strip(), s.strip()) for s in METRICS[name].formula.split("/"))
        assert formula == f"{counted} / {out_of}"
    rates = {row.name for row in METRICS.values() if row.formula}
    assert rates - set(check.RATES) == {"selection_rate", "base_rate"}
    assert set(LOOP_METHODS) - {"threshold", "search"} <= set(METHODS)
    assert METHODS[LOOP_METHODS[-1]].needs_sensitive_at_decision


def test_constraints_and_methods_name_each_other() -> None:
    assert {c for m in METHODS.values() for c in m.constraints} == set(CONSTRAINTS)
    assert {c.metric for c in CONSTRAINTS.values()} <= set(METRICS)
    served = Counter(name for c in CONSTRAINTS.values() for name in c.serves)
    assert max(served.values()) == 1, "a norm is served by one constraint"


JACCARD = MetricRow(
    name="threat_score",
    title="threat score",
    formula="tp / tp fp fn",
    better="higher",
    hypothesis="threat_score",
    question="Of those who are {yes} or are called so, how many are both?",
    among="people who are {yes} or are called so",
    source="Gilbert 1884",
    glossary="Of those who are positive or called so, the share that is both.",
)


def people(folder: Path, norm: str) -> Path:
    """400 people with decisions; the case's one norm is about `norm`."""
    rng = np.random.default_rng(7)
    sex, label = rng.choice(["a", "b"], 400), rng.choice(["no", "yes"], 400)
    decided = np.where(rng.random(400) < 0.7, label, np.where(sex == "a", "yes", "no"))
    pd.DataFrame({"sex": sex, "y": label, "d": decided}).to_csv(folder / "p.csv", index=False)
    (folder / "policy.toml").write_text(
        f'version = "1"\n[[norm]]\nmetric = "{norm}"\nkind = "difference"\nlimit = 0.1\n', encoding="utf-8"
    )
    case = folder / "case.toml"
    case.write_text(
        '[case]\nname = "People"\npurpose = "Who is called"\n[data]\npath = "p.csv"\nlabel = "y"\npositive = "yes"\n'
        'sensitive = ["sex"]\n[model]\ndecision = "d"\n[policy]\nfile = "policy.toml"\n',
        encoding="utf-8",
    )
    return case


def asked(evidence: dict) -> None:  # type: ignore[type-arg]
    import streamlit as st

    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import model

    st.session_state.setdefault("attribute", ("sex",))
    model.by_question(record_in(Evidence, evidence, "evidence.json"))


def test_a_metric_added_is_measured_judged_explained_and_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = people(tmp_path, JACCARD.name)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "none")]) == 2, "no such metric yet"
    monkeypatch.setitem(METRICS, JACCARD.name, JACCARD)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
    frame = pd.read_csv(tmp_path / "p.csv")
    for r in evidence["rates"]:
        if r["metric"] == JACCARD.name and r["group"] in (["a"], ["b"]):
            mine = frame[frame.sex == r["group"][0]]
            either = ((mine.y == "yes") | (mine.d == "yes")).sum()
            assert r["value"] == pytest.approx(((mine.y == "yes") & (mine.d == "yes")).sum() / either)
    assert {g["kind"] for g in evidence["gaps"] if g["metric"] == JACCARD.name} == {"difference", "ratio"}
    assert [n["metric"] for n in evidence["norms"]] == [JACCARD.name]
    assert ("Threat score", JACCARD.glossary) in words.glossary()
    app = AppTest.from_function(asked, kwargs={"evidence": evidence}, default_timeout=60).run()
    assert not app.exception
    assert any("Of those who are 'yes' or are called so" in o for o in app.selectbox(key="question").options)


def test_a_method_added_is_offered_and_runs_its_own_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = []

    def fit(request):  # type: ignore[no-untyped-def]
        called.append(request.constraint)
        return fit_weights.by_weights(request, weighted=True)

    row = MethodRow(
        "half_weights", "Half weights", "pre", False, ("own",), (DEMOGRAPHIC_PARITY,), "Weights half the way.", "ours",
        fit=fit, space={}, starts=({},),
    )  # fmt: skip
    monkeypatch.setitem(METHODS, row.name, row)
    case = people(tmp_path, "selection_rate")
    frame = pd.read_csv(tmp_path / "p.csv").assign(x=np.arange(400.0))
    frame.to_csv(tmp_path / "p.csv", index=False)
    assert cli.main(["mitigate", str(case), "--method", "half_weight", "--out", str(tmp_path / "no")]) == 2
    assert "half_weights" in capsys.readouterr().err
    assert cli.main(["mitigate", str(case), "--method", row.name, "--out", str(tmp_path / "run")]) == 0
    assert called == [DEMOGRAPHIC_PARITY]
    assert json.loads((tmp_path / "run" / "mitigation.json").read_bytes())["method"] == row.name
    assert row.name in {m.name for m in table.METHODS.values() if DEMOGRAPHIC_PARITY in m.constraints}


def test_a_protocol_added_is_read_and_a_corruption_added_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.load.endpoints import read
    from audit.stress.spec import known_kinds

    monkeypatch.setitem(PROTOCOLS, "soap", Protocol("soap", ("https",), PROTOCOLS["oip"].line))
    spec = read({"url": "https://127.0.0.1:1/v2/models/m", "protocol": "soap"}, Path())
    assert type(protocols.line_to(spec)).__name__ == "Oip"
    extra = corrupt.Corruption("zeroed", "number", "{column} were 0", "a default", None, lambda c: c * 0)
    monkeypatch.setitem(corrupt.KINDS, extra.name, extra)
    assert known_kinds(("zeroed",)) == ("zeroed",)


def test_a_corruption_added_is_allowed_in_a_case_and_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = people(tmp_path, "selection_rate")
    case.write_text(case.read_text() + '[stress]\nkinds = ["thrice"]\n', encoding="utf-8")
    wrong = ["stress", str(case), "--out", str(tmp_path / "run"), "--no-train"]
    assert cli.main(wrong) == 2
    assert "'thrice'" in capsys.readouterr().err
    extra = corrupt.Corruption("thrice", "rows", "these people stood in the data three times", "two joins", copies=2)
    monkeypatch.setitem(corrupt.KINDS, extra.name, extra)
    assert cli.main(wrong) == 0
    output = capsys.readouterr().out
    assert "these people stood in the data three times" in output
    document = json.loads((tmp_path / "run" / "stress.json").read_bytes())["serving"]["entries"]
    assert {e["kind"] for e in document} == {"thrice"}


def test_a_variant_added_is_a_kind_that_can_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = people(tmp_path, "selection_rate")
    pd.read_csv(tmp_path / "p.csv").assign(x=np.arange(400.0)).to_csv(tmp_path / "p.csv", index=False)
    asked_for = ["whatif", str(case), "--out", str(tmp_path / "run"), "--learner", "logistic", "--kind", "nothing"]
    assert cli.main(asked_for) == 2
    assert "imputation" in capsys.readouterr().err
    row = variants.Kind(
        "nothing", "deciding", "decide", "What if nothing changed?",
        lambda parts: iter([("as it is", variants.Recipe(threshold=0.5))]),
    )  # fmt: skip
    monkeypatch.setitem(variants.KINDS, row.name, row)
    assert cli.main(asked_for) == 0
    (built,) = json.loads((tmp_path / "run" / "whatif.json").read_bytes())["variants"]
    assert (built["variant"], built["step"], built["changed"]) == ("as it is", "deciding", 0)


def test_a_detector_added_is_told_and_leaves_only_where_it_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Detector(
        name="sevens", asks="How many sevens?", source="ours", look=lambda at: {"rows": len(at.frame)},
        sentences=lambda at: [f"Of {len(at.frame)} rows, seven are read again."], at_once=True,
    )  # fmt: skip
    monkeypatch.setitem(DETECTORS, row.name, row)
    case, run = people(tmp_path, "selection_rate"), tmp_path / "run"
    assert cli.main(["audit", str(case), "--out", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "Note: Of 400 rows, seven are read again." in out
    assert "seven are read again" in err, "told while it runs"
    evidence = json.loads((run / "evidence.json").read_bytes())
    assert evidence["quality"]["sevens"] == {"rows": 400}
    assert cli.main(["show", str(run), "--chapter", "data"]) == 0
    assert "seven are read again" in " ".join(capsys.readouterr().out.split())
    files = {name: (run / name).read_bytes() for name in ("evidence.json", "cube.json")}
    leaves = json.loads(publish_files(files)["evidence.json"])["quality"]
    assert set(leaves) == set(evidence["quality"]) - {"sevens"}
    assert "`sevens` | How many sevens?" in tables.written(
        "<!-- table detectors --><!-- end detectors -->", "detectors"
    )


def test_a_kind_of_check_added_is_read_from_toml_and_a_suite_made_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In memory and in the database of a large file."""
    case = people(tmp_path, "selection_rate")
    case.write_text('contract = "contract.toml"\n' + case.read_text(), encoding="utf-8")
    frame = pd.read_csv(tmp_path / "p.csv").assign(x=np.arange(400))
    frame.to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "contract.toml").write_text('[[check]]\ncolumn = "x"\neven = true\n', encoding="utf-8")
    asked_for = ["contract", str(case), "--check", "--json"]
    assert cli.main(asked_for) == 2, "no such kind yet"
    assert "same_as_column" in capsys.readouterr().err
    row = checks.Kind(
        "even", 1, "{column} is even", ("expect_column_values_to_be_even",),
        rows=lambda t, columns, inputs: (t.known(columns[0]), t.numbers(columns[0]) % 2 != 0),
        fails=lambda base, asked: f"{base.number(asked.columns[0])} % 2 <> 0",
    )  # fmt: skip
    monkeypatch.setitem(checks.KINDS, row.name, row)
    results = tmp_path / "results.json"
    assert cli.main([*asked_for, "--results", str(results)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["checks"][0]["kind"], document["checks"][0]["failed"]) == ("even", 200)
    assert "'x' is even; 200 of 400 rows fail" in document["sentences"][0]
    (one,) = json.loads(results.read_bytes())["results"]
    assert one["expectation_config"]["type"] == "expect_column_values_to_be_even"
    suite = {"expectations": [{"type": "expect_column_values_to_be_even", "kwargs": {"column": "x"}}]}
    (tmp_path / "suite.json").write_text(json.dumps(suite))
    case.write_text(case.read_text().replace("contract.toml", "suite.json"), encoding="utf-8")
    assert cli.main(asked_for) == 0
    assert json.loads(capsys.readouterr().out)["checks"][0]["failed"] == 200
    loaded = load_case(case)
    monkeypatch.setattr(large, "MOST_VALUES", 3)
    (result,) = large.check_large(loaded).outcomes
    assert (result.failed, result.rows, result.reason) == (200, 400, None)
    assert loaded.contract is not None
    assert "even = true" in dump(loaded.contract)


def test_what_a_kind_takes_is_read_and_written() -> None:
    """Each in both files; a kind without SQL is one that asks about each value."""
    assert {kind.takes for kind in checks.KINDS.values()} == set(checks.Takes)
    assert set(gx._KNOWN) == set(checks.Takes)
    assert set(checks.Takes) - set(read._READ) == {checks.Takes.ORDER, checks.Takes.NOTHING}
    assert set(read._WRITTEN) == set(read._READ)
    assert all(kind.of_header or (kind.figure is None) == (kind.query is None) for kind in checks.KINDS.values())


def test_a_measure_and_a_tool_added_are_measured_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = dataset.DataMeasureRow("hellinger", "Hellinger distance", "HD", "half of it", lambda a, d: 0.125)
    monkeypatch.setitem(MEASURES, extra.name, extra)
    tool = conform.Tool("sas", "SAS", "as SAS counts", ("ratio",), lambda at: iter([(None, {"ratio": 0.75})]))
    monkeypatch.setitem(TOOLS, tool.name, tool)
    run = tmp_path / "run"
    assert cli.main(["audit", str(people(tmp_path, "selection_rate")), "--out", str(run)]) == 0
    evidence = json.loads((run / "evidence.json").read_bytes())
    assert {d["value"] for d in evidence["dataset"] if d["metric"] == "hellinger"} == {0.125}
    assert evidence["conformance"]["tools"]["sas"] == "as SAS counts"
    capsys.readouterr()
    assert cli.main(["show", str(run), "--annex", "full", "--json"]) == 0
    printed = capsys.readouterr().out
    assert '"HD"' in printed
    assert '"SAS"' in printed
    assert "as SAS counts" in printed
    app = AppTest.from_function(measured, kwargs={"evidence": evidence}, default_timeout=60).run()
    assert not app.exception
    assert "Hellinger distance" in app.dataframe[0].value.to_string()


def measured(evidence: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import data

    data.measures_table(record_in(Evidence, evidence, "evidence.json"), ("sex",))
