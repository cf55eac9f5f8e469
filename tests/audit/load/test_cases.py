"""Case files and policies: what is written is read back; what is left out has its default."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.case import Case, DataSpec, EndpointSpec, ModelSpec
from audit.errors import CaseError
from audit.load import dump_case, load_case, load_policy
from audit.load.policies import DEFAULT
from audit.load.toml import key, quote, write
from audit.metrics import norm_metrics
from audit.models.served.protocols import PROTOCOLS

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda t: bool(t.strip()))
COLUMN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10).filter(lambda t: bool(t.strip()))
FILE = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=12).filter(
    lambda t: bool(t.strip()) and t not in (".", "..")
)
NUMBER = st.floats(-1e12, 1e12).map(lambda x: x + 0.0)


@st.composite
def endpoints(draw: st.DrawFn, folder: Path) -> EndpointSpec:
    protocol = draw(st.sampled_from(list(PROTOCOLS)))
    json_only = protocol == "json"
    name = st.sampled_from([None, "p", "out[*].p"])
    return EndpointSpec(
        url=f"{PROTOCOLS[protocol].schemes[0]}://models.example:8443/v2/models/loans",
        protocol=protocol,
        send_to=draw(st.sampled_from([None, "models.example:8443"])),
        output="out[*].p" if json_only else draw(name),
        decision=draw(name),
        columns=draw(st.sampled_from([(), ("0", "1")])),
        inputs=draw(st.sampled_from([None, "columns", "tensor"])),
        batch=draw(st.integers(1, 1000)),
        timeout=draw(st.sampled_from([1.5, 30.0])),
        retries=draw(st.integers(0, 10)),
        ca=draw(st.sampled_from([None, folder / "ca.pem"])),
        token_env=draw(st.sampled_from([None, "A_TOKEN"])),
        token_header=draw(st.sampled_from(["Authorization", "X-Api-Key"])),
        plain_text=draw(st.booleans()),
        request='{"people": "$rows"}' if json_only else None,
        answers=draw(st.sampled_from([None, folder / "answers.jsonl"])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    columns = draw(st.lists(COLUMN, min_size=8, max_size=8, unique=True))
    label, column, identity, weight, split, time, a, b = columns
    kind = draw(st.sampled_from(["path", "decision", "score", "endpoint"]))
    given_threshold = kind != "decision" and draw(st.booleans())
    positive = draw(TEXT)
    has_split = draw(st.booleans())
    values = draw(st.lists(TEXT, min_size=2, max_size=2, unique=True))
    maybe = lambda value: draw(st.sampled_from([None, value]))
    folder = Path("/data")
    return Case(
        name=draw(TEXT),
        purpose=draw(TEXT),
        data=DataSpec(
            path=folder / draw(FILE),
            label=maybe(label),
            positive=positive,
            favourable=draw(st.sampled_from([positive, draw(TEXT)])),
            sensitive=(a, b),
            id=identity,
            sensitive_path=maybe(folder / draw(FILE)),
            reference=draw(st.dictionaries(st.sampled_from([a, b]), TEXT)),
            bins=draw(
                st.dictionaries(
                    st.sampled_from([a, b]),
                    st.lists(NUMBER, min_size=1, max_size=4, unique=True).map(lambda edges: tuple(sorted(edges))),
                )
            ),
            weight=maybe(weight),
            time=maybe(time),
            split=split if has_split else None,
            train=values[0] if has_split else None,
            audit=values[1] if has_split else None,
            features=draw(st.sampled_from([None, (a, "other column")])),
            exclude=draw(st.sampled_from([(), (b,)])),
        ),
        model=ModelSpec(
            kind=kind,
            path=folder / draw(FILE) if kind == "path" else None,
            column=column if kind in ("decision", "score") else None,
            endpoint=draw(endpoints(folder)) if kind == "endpoint" else None,
            threshold=draw(NUMBER) if given_threshold else 0.5,
            threshold_given=given_threshold,
        ),
        policy=load_policy(),
    )


@given(case=cases())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    file = tmp_path_factory.mktemp("case") / "case.toml"
    dump_case(case, file)
    assert load_case(file) == dataclasses.replace(case, source=file)


@given(text=st.text(st.characters(codec="utf-8")))
def test_every_text_survives_as_value_and_as_key(text: str) -> None:
    assert tomllib.loads(f"{key(text)} = {quote(text)}") == {text: text}


@given(number=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | st.booleans())
def test_every_number_survives(number: float) -> None:
    assert tomllib.loads(f"x = {write(number)}")["x"] == number


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_not_written(number: float) -> None:
    with pytest.raises(ValueError):
        write(number)


def small(folder: Path, more: str = "", model: str = 'score = "p"') -> Case:
    file = folder / "case.toml"
    file.write_text(
        f'[case]\nname = "n"\npurpose = "p"\n[data]\npath = "t.csv"\nlabel = "y"\nsensitive = ["sex"]\n{more}\n'
        f"[model]\n{model}\n",
        encoding="utf-8",
    )
    return load_case(file)


def test_defaults(tmp_path: Path) -> None:
    case = small(tmp_path, "positive = 1")
    assert case.data.positive == case.data.favourable == "1"
    assert case.data.path == tmp_path / "t.csv"
    assert case.data.features is None
    assert case.data.exclude == ()
    assert case.model.threshold == 0.5
    assert not case.model.threshold_given
    assert case.policy == load_policy()
    assert case.source == tmp_path / "case.toml"


@pytest.mark.parametrize(
    ("written", "name"),
    [("1", "1"), ("1.0", "1"), ('"1"', "1"), ("0.5", "0.5"), ("true", "True"), ("2026-11-01", "2026-11-01")],
)  # fmt: skip
def test_values_are_named_alike(tmp_path: Path, written: str, name: str) -> None:
    assert small(tmp_path, f"positive = {written}").data.positive == name


def test_paths_are_beside_the_case_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = (
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "../data/part-*.parquet"\npositive = "y"\n'
        'sensitive = ["s"]\n'
        '[model]\npath = "m.skops"\n[policy]\nfile = "../norms.toml"\n'
    )
    (tmp_path / "cases" / "c.toml").write_text(text)
    (tmp_path / "norms.toml").write_bytes(DEFAULT.read_bytes())
    case = load_case(Path("../cases/c.toml"))
    assert case.data.path == tmp_path / "data" / "part-*.parquet"
    assert case.model.path == tmp_path / "cases" / "m.skops"
    assert case.policy.source == tmp_path / "norms.toml"
    dump_case(case, tmp_path / "elsewhere" / "again.toml")
    written = (tmp_path / "elsewhere" / "again.toml").read_text()
    assert str(tmp_path) not in written
    assert load_case(tmp_path / "elsewhere" / "again.toml").data == case.data


def test_a_mark_at_the_beginning_is_read(tmp_path: Path) -> None:
    small(tmp_path, 'positive = "ja"')
    file = tmp_path / "case.toml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_case(file).data.positive == "ja"


def test_a_case_without_words_is_not_written(tmp_path: Path) -> None:
    case = dataclasses.replace(small(tmp_path, "positive = 1"), purpose=" ")
    with pytest.raises(CaseError, match="no purpose"):
        dump_case(case, tmp_path / "new.toml")
    broken = dataclasses.replace(case, purpose="p", name="\ud800")
    with pytest.raises(CaseError, match="cannot be written as TOML"):
        dump_case(broken, tmp_path / "new.toml")
    assert not (tmp_path / "new.toml").exists()


def test_the_policy_that_ships() -> None:
    policy = load_policy()
    assert policy.version == "2026-11-01"
    assert policy.sha256 == hashlib.sha256(DEFAULT.read_bytes()).hexdigest()
    assert policy.source is None
    assert {(n.metric, n.kind) for n in policy.norms} >= {("selection_rate", "difference"), ("selection_rate", "ratio")}
    for norm in policy.norms:
        assert norm.attribute == ()
        assert norm.metric in norm_metrics()
        assert (norm.promote < norm.limit) == (norm.kind == "difference")


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "norms.toml"
    file.write_text(
        'version = "7"\n[[norm]]\nmetric = "accuracy"\nkind = "ratio"\nattribute = ["sex", "race"]\nlimit = 0.9\n'
    )
    policy = load_policy(file)
    norm = policy.norms[0]
    assert (norm.attribute, norm.limit, norm.promote, norm.alpha) == (("sex", "race"), 0.9, 0.9, 0.05)
    assert policy.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
