"""Tables are the only list, of files: a row that is added is taken, read, told and forgotten everywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import lightgbm
import numpy as np
import pandas as pd
import pytest

import cli
from audit import errors
from audit.documents.table import DOCUMENTS, Document, Published, published
from audit.errors import ModelError
from audit.load import kinds, readers
from audit.load.kinds import KINDS, TableKind
from audit.models import Worker, describe, formats, onnx_export
from audit.models.convert import CONVERTED
from audit.models.formats import FORMATS, ModelFormat
from audit.models.own_loaders import WAYS
from audit.publish import publish_files
from audit.stress.spec import LEARNERS, Learner
from debias.whatif import table as variants
from debias.whatif.run import plan_of
from reports import issue
from screens import setup, spool, workspace
from tests.reports import kit

ROOT = Path(__file__).resolve().parents[1]
OLD = 8 * 86_400


def people(folder: Path, name: str = "p.csv") -> Path:
    """400 people with decisions."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"sex": rng.choice(["a", "b"], 400), "y": rng.choice(["no", "yes"], 400)})
    frame.assign(d=np.where(rng.random(400) < 0.7, frame.y, "yes"), x=np.arange(400.0)).to_csv(
        folder / name, index=False
    )
    case = folder / "case.toml"
    case.write_text(
        f'[case]\nname = "People"\npurpose = "Who is called"\n[data]\npath = "{name}"\nlabel = "y"\npositive = "yes"\n'
        'sensitive = ["sex"]\n[model]\ndecision = "d"\n'
    )
    return case


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def abandoned(home: Path, capsys: pytest.CaptureFixture[str], *names: str, content: bytes = b"x") -> set[str]:
    """Which of these uploads, a week old and named by no case, `assay forget --abandoned` deletes."""
    folder = workspace.new_case()
    people(folder.place)
    for name in names:
        os.utime(workspace.keep_upload(folder, name, content), (time.time() - OLD,) * 2)
    assert cli.main(["forget", "--abandoned"]) == 0
    capsys.readouterr()
    return {name for name in names if not (folder.place / name).exists()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_kind_of_table_added_is_read_told_kept_and_forgotten(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = people(tmp_path, "p.people")
    frame = (tmp_path / "p.people").read_bytes()
    (tmp_path / "p.people").write_bytes(b"%PDF" + frame)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 2
    assert kinds.in_words() in said(capsys)
    assert abandoned(home, capsys, "one.people") == set()
    row = TableKind("people", "people's own", (".people",), (b"%PDF",), "PEOPLE", "people")
    monkeypatch.setitem(KINDS, row.name, row)
    without = readers.TEXT
    monkeypatch.setattr(readers, "PEOPLE", replace(without), raising=False)
    (tmp_path / "p.people").write_bytes(frame.replace(b"sex,", b"%PDF,", 1))
    case.write_text(case.read_text().replace('["sex"]', '["%PDF"]'))
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 0
    (tmp_path / "p.people").write_bytes(frame)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 2
    assert "named as people's own and is not" in said(capsys)
    assert cli.main(["audit", str(case.with_name("none.toml")), "--out", str(tmp_path / "run")]) == 2
    assert ".people" in kinds.endings()
    assert abandoned(home, capsys, "two.people", "old.xls", "TWO.PQ") == {"two.people", "old.xls", "TWO.PQ"}
    assert "people" in setup.types(kinds.endings())


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_large_upload_of_every_kind_goes_to_disk(
    kind: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamlit.runtime.uploaded_file_manager import UploadedFileRec

    monkeypatch.setattr(spool.Spooled, "folder", tmp_path)
    manager = spool.Spooled("/upload")
    for ending in KINDS[kind].endings:
        name = f"large{ending.upper()}"
        manager.add_file("s", UploadedFileRec(name, name, "text/csv", b"x" * spool.LEAST_BYTES))
        assert manager.get_files("s", [name])[0].data == b""
    manager.remove_session_files("s")


def test_a_format_of_model_added_is_known_told_and_built(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.coin"
    file.write_bytes(b"coin 0.5")
    with pytest.raises(ModelError) as before:
        describe(file)
    assert "ONNX" in before.value.expected
    assert "a coin" not in before.value.expected
    built: list[bytes] = []
    module = SimpleNamespace(Coin=lambda content: built.append(content) or "the coin")
    monkeypatch.setitem(sys.modules, "audit.models.coin_model", module)  # type: ignore[arg-type]
    row = ModelFormat(
        "coin", "a coin", (".coin",), "coin_model:Coin", lambda content: content.startswith(b"coin"),
        damage=lambda content: None if content.endswith(b"5") else ("is a worn coin", "no 5"),
    )  # fmt: skip
    monkeypatch.setitem(FORMATS, row.name, row)
    assert describe(file).format == "coin"
    assert formats.load("coin", file.read_bytes(), ()) == "the coin"
    assert built == [b"coin 0.5"]
    file.write_bytes(b"coin 0.4")
    with pytest.raises(ModelError, match="is a worn coin"):
        describe(file)
    assert ", ONNX or a coin" in formats.in_words()
    assert "coin" in setup.types(formats.endings())
    assert abandoned(home, capsys, "a.coin", content=b"coin 0.5") == {"a.coin"}
    assert abandoned(home, capsys, "b.coin", content=b"damaged") == {"b.coin"}, "no note of a screen ends so"


def test_each_row_of_a_format_leads_to_what_it_names() -> None:
    """The class that is built, what looks at the bytes before, and what writes it as ONNX."""
    for row in FORMATS.values():
        assert formats._named(row.loader).format == row.name
        assert not row.check or callable(formats._named(row.check))
        assert all(callable(getattr(onnx_export, name)) for name in row.onnx)
    assert list(CONVERTED) == [".skops", ".onnx"]
    assert all(isinstance(readers.reader_of(kind), readers.Reader) for kind in KINDS)
    assert sum(not kind.begins for kind in KINDS.values()) == 1, "one kind is what is no other"


def lightgbm_text() -> bytes:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2))
    model = lightgbm.LGBMClassifier(n_estimators=2, num_leaves=4, verbose=-1, n_jobs=1).fit(x, x[:, 0] > 0)
    return str(model.booster_.model_to_string()).encode()


def group_thresholds(base: bytes) -> bytes:
    document = {
        "schema": "assay/group-thresholds/1", "notice": "", "model": {},
        "base": {
            "column": None, "format": "lightgbm", "content": base64.b64encode(base).decode(),
            "sha256": hashlib.sha256(base).hexdigest(),
        },
        "features": ["Column_0", "Column_1"],
        "positive": "1",
        "classes": {}, "link": None, "probability": True, "bins": {}, "attributes": ["sex"],
        "default": 0.5, "thresholds": [{"group": ["f"], "threshold": 0.4}, {"group": ["m"], "threshold": 0.5}],
    }  # fmt: skip
    return json.dumps(document).encode()


def test_uploaded_models_are_told_from_notes_by_what_is_in_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = lightgbm_text()
    assert abandoned(home, capsys, "before.txt", content=text) == {"before.txt"}
    assert abandoned(home, capsys, "rule.json", content=group_thresholds(text)) == {"rule.json"}
    broken = {"cut.skops", "cut.onnx", "cut.ubj", "cut.lgb", "CUT.XGB"}
    assert abandoned(home, capsys, *broken) == broken, "nobody's note ends so"
    assert abandoned(home, capsys, "owner.json", "note.txt", content=b'{"by": "Ada"}') == set()


def test_the_model_inside_group_thresholds_is_looked_at_as_any(tmp_path: Path) -> None:
    """Before its library reads it: a tree that points outside itself reads memory that is not the file's."""
    text = re.sub(rb"^tree_sizes=.*\n", b"", lightgbm_text(), flags=re.MULTILINE)
    wild = re.sub(rb"^left_child=-?\d+", b"left_child=99999", text, count=1, flags=re.MULTILINE)
    rows = pd.DataFrame({"Column_0": [0.0, 1.0], "Column_1": [0.0, 1.0], "sex": ["f", "m"]})
    for name, content in (("sound.json", text), ("wild.json", wild)):
        (tmp_path / name).write_bytes(group_thresholds(content))
    with Worker(tmp_path / "sound.json") as worker:
        assert worker.scores(rows, "1").shape == (2,)
    with pytest.raises(ModelError, match="points outside itself"), Worker(tmp_path / "wild.json") as worker:
        worker.scores(rows, "1")


def test_a_way_of_loading_added_may_be_named_in_a_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = people(tmp_path)
    (tmp_path / "m.dill").write_bytes(b"x")
    case.write_text(
        case.read_text().replace('decision = "d"', f'path = "m.dill"\npython = "{sys.executable}"\nload = "dill"')
    )
    assert cli.main(["check", str(case)]) == 2
    assert "one of joblib, " in said(capsys)
    monkeypatch.setitem(WAYS, "dill", WAYS["joblib"])
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 2
    assert "consent = " in said(capsys), "the way is known; nobody has consented"


def test_a_learner_added_is_fitted_by_its_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["whatif", str(people(tmp_path)), "--out", str(tmp_path / "run"), "--learner", "again", "--kind", "nothing"]
    row = variants.Kind(
        "nothing", "deciding", "decide", "What if nothing changed?",
        lambda parts: iter([("as it is", variants.Recipe(threshold=0.5))]), ("again",),
    )  # fmt: skip
    monkeypatch.setitem(variants.KINDS, row.name, row)
    assert cli.main(asked) == 2
    assert "logistic" in said(capsys)
    monkeypatch.setitem(LEARNERS, "again", Learner("again", "logistic regression again", "linear:Linear"))
    assert cli.main(asked) == 0
    assert len(json.loads((tmp_path / "run" / "whatif.json").read_bytes())["variants"]) == 1
    assert [plan_of(n).__name__ for n, one in LEARNERS.items() if one.plan] == ["Linear", "Boosting", "Linear"]


def test_a_document_added_is_published_as_its_row_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a group is too small, counts of all people are left out with it."""
    monkeypatch.setattr(kit, "ROWS", [*kit.ROWS, ("x", 1, 1), ("x", 1, 0)])
    files = kit.audited(tmp_path) | {"more.json": b'{"data": {"rows": 82}}'}
    assert "more.json" in publish_files(files)
    row = Document("more.json", None, "", "", Published.WITHHELD)
    monkeypatch.setitem(DOCUMENTS, row.name, row)
    out = publish_files(files)
    assert "more.json" not in out
    assert "more.json left out" in out["evidence.json"].decode()
    monkeypatch.setitem(DOCUMENTS, row.name, replace(row, published=Published.BLURRED))
    assert publish_files(files)["more.json"] != files["more.json"]


def test_what_follows_from_the_table_of_documents() -> None:
    assert issue.EMBEDDED == (
        "cube.json", "evidence.json", "explain.json", "mitigation.json", "search.json", "stress.json", "whatif.json",
    )  # fmt: skip
    assert issue.NEEDED == ("cube.json", "evidence.json")
    assert {n for how in Published for n in published(how)} == set(DOCUMENTS)


def test_a_half_written_file_of_every_document_is_forgotten(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit.audited(tmp_path)
    run = tmp_path / "run"
    for name in DOCUMENTS:
        (run / f".{name}.abc").write_bytes(b"{")
    (run / "mine.txt").write_text("mine")
    assert cli.main(["forget", str(run)]) == 0
    capsys.readouterr()
    assert [p.name for p in run.iterdir()] == ["mine.txt"]


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    """Exit codes: each class with a code of its own or of its parent, in the docstring; each code in README."""
    drawn = dict(re.findall(r"^\s*(?:[|`]-- |\|   [|`]-- )?(\w+)\s+exit (\d)", str(errors.__doc__), re.MULTILINE))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.AssayError)]
    own = {c.__name__: str(c.exit_code) for c in classes if "exit_code" in vars(c)}
    named = {c.__name__ for c in classes}
    assert own.items() <= drawn.items()
    assert all(f" {name} " in str(errors.__doc__) for name in named)
    match = re.search(r"Exit codes: (.*?)\.", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    assert re.findall(r"\b\d\b", match[1]) == ["0", *sorted(set(own.values()))]
