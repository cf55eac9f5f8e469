"""Case files and policies that cannot be used: one message, with the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import AssayError, CaseError, PolicyError
from audit.load import load_case, load_policy

GOOD = """
[case]
name = "Adult income"
purpose = "Who is offered a premium account"
[data]
path = "t.csv"
label = "income"
positive = ">50K"
sensitive = ["sex", "age"]
[model]
decision = "decided"
"""


def refusal(folder: Path, text: str, *words: str, kind: type[AssayError] = CaseError) -> None:
    file = folder / "case.toml"
    file.write_text(text)
    with pytest.raises(kind) as caught:
        load_case(file)
    error = caught.value
    assert error.exit_code == 2
    assert error.problem
    assert error.got
    assert error.expected
    assert error.todo
    for word in words:
        assert word in error.message, error.message


def test_the_good_case_is_read(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(GOOD)
    assert load_case(tmp_path / "case.toml").data.favourable == ">50K"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("label =", "lable =", ("unknown key 'lable'", "did you mean 'label'?")),
        ("[model]", "[modell]", ("unknown key 'modell'", "did you mean 'model'?")),
        ("purpose =", "purpos =", ("'purpos'", "did you mean 'purpose'?")),
        ("decision =", "decison =", ("'decison'", "did you mean 'decision'?")),
        ('name = "Adult income"\n', "", ("[case] lacks the key 'name'",)),
        ('purpose = "Who is offered a premium account"\n', "", ("[case] lacks the key 'purpose'",)),
        ('path = "t.csv"\n', "", ("[data] lacks the key 'path'",)),
        ('positive = ">50K"\n', "", ("[data] lacks the key 'positive'",)),
        ('sensitive = ["sex", "age"]\n', "", ("[data] lacks the key 'sensitive'",)),
        ('[model]\ndecision = "decided"\n', "", ("lacks the key 'model'",)),
        ('decision = "decided"', "", ("names no model", "path, endpoint, decision, score")),
        ('decision = "decided"', 'decision = "d"\npath = "m.skops"', ("more than one kind", "path and decision")),
        ('decision = "decided"', 'decision = "d"\nscore = "p"', ("more than one kind", "decision and score")),
        ('decision = "decided"', 'decision = "d"\nthreshold = 0.3', ("already made",)),
        ('decision = "decided"', 'score = "p"\nthreshold = "high"', ("threshold", "a number")),
        ('decision = "decided"', 'score = "p"\nthreshold = nan', ("threshold", "a number")),
        ('decision = "decided"', "decision = 3", ("decision = 3", "text")),
        ('["sex", "age"]', "[]", ("names no column",)),
        ('["sex", "age"]', '"sex"', ("a list of column names",)),
        ('["sex", "age"]', '["sex", "sex"]', ("each name once",)),
        ('["sex", "age"]', '["sex", "income"]', ("'income'", "label and sensitive")),
        ('decision = "decided"', 'decision = "income"', ("'income'", "label and decision")),
        ('label = "income"', 'label = ""', ("not empty",)),
        ('positive = ">50K"', 'positive = [">50K"]', ("one value",)),
        ("[model]", "bins = { age = [40, 25] }\n[model]", ("bins of 'age'", "larger than the one before")),
        ("[model]", "bins = { age = [] }\n[model]", ("bins of 'age'",)),
        ("[model]", "bins = { age = 25 }\n[model]", ("bins of 'age'",)),
        ("[model]", "bins = { age = [true, 25] }\n[model]", ("bins of 'age'",)),
        ("[model]", "bins = { agee = [25] }\n[model]", ("`bins` names 'agee'", "did you mean 'age'?")),
        ("[model]", 'reference = { gender = "f" }\n[model]', ("`reference` names 'gender'",)),
        ("[model]", 'sensitive_path = "people.csv"\n[model]', ("`sensitive_path` needs `id`",)),
        ("[model]", 'split = "s"\n[model]', ("`split` needs `audit`",)),
        ("[model]", 'train = "s"\n[model]', ("need `split`",)),
        ("[model]", 'split = "s"\ntrain = "x"\naudit = "x"\n[model]', ("are the same",)),
        ("[model]", 'features = ["income", "x"]\n[model]', ("cannot be a feature", "label")),
        ("[model]", 'features = ["x"]\nexclude = ["x"]\n[model]', ("in `features` and in `exclude`",)),
        ('name = "Adult income"', "name = Adult income", ("not valid TOML", "quotation marks")),
        ('name = "Adult income"', 'name = "a"\nname = "b"', ("not valid TOML",)),
        ("[data]", "data = 3\n[date]", ("not valid TOML", "unknown", "unknown key")[1:2]),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    assert old in GOOD
    refusal(tmp_path, GOOD.replace(old, new, 1), *words)


def test_case_file_missing_or_no_text(tmp_path: Path) -> None:
    (tmp_path / "adult.toml").write_text(GOOD)
    with pytest.raises(CaseError, match=r"did you mean 'adult\.toml'\?"):
        load_case(tmp_path / "adlut.toml")
    with pytest.raises(CaseError, match="cannot be read"):
        load_case(tmp_path)
    (tmp_path / "wide.toml").write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(CaseError, match="UTF-16"):
        load_case(tmp_path / "wide.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(CaseError, match="too large"):
        load_case(tmp_path / "large.toml")
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000)
    with pytest.raises(CaseError, match="not valid TOML"):
        load_case(tmp_path / "deep.toml")


NORM = 'version = "1"\n[[norm]]\nmetric = "selection_rate"\nkind = "difference"\nlimit = 0.1\npromote = 0.05\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('version = "1"\n', "", ("lacks the key 'version'",)),
        ("selection_rate", "selection_rat", ("did you mean 'selection_rate'?",)),
        ('"difference"', '"diff"', ("difference",)),
        ("limit = 0.1", "limits = 0.1", ("did you mean 'limit'?",)),
        ("limit = 0.1\n", "", ("lacks the key 'limit'",)),
        ("limit = 0.1", "limit = 10", ("from 0 to 1",)),
        ("limit = 0.1", "limit = true", ("a number",)),
        ("promote = 0.05", "promote = 0.5", ("promote = 0.5", "under limit")),
        ('"difference"', '"ratio"', ("over limit",)),
        ("promote", "alpha = 0\npromote", ("alpha = 0", "between 0 and 1")),
        ("promote", 'attribute = "sex"\npromote', ("a list of column names",)),
        (NORM, 'version = "1"', ("no norm",)),
        (NORM, "norm = 3", ("lacks the key 'version'",)),
    ],
)
def test_policy_refused(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    assert old in NORM
    (tmp_path / "policy.toml").write_text(NORM.replace(old, new, 1))
    with pytest.raises(PolicyError):
        load_policy(tmp_path / "policy.toml")
    refusal(tmp_path, GOOD + '[policy]\nfile = "policy.toml"\n', *words, kind=PolicyError)


def test_policy_missing(tmp_path: Path) -> None:
    refusal(tmp_path, GOOD + '[policy]\nfile = "norms.toml"\n', "'norms.toml' does not exist", kind=PolicyError)
    refusal(tmp_path, GOOD + '[policy]\nfiles = "norms.toml"\n', "did you mean 'file'?")
