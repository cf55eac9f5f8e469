"""One declaration of the case file and of the policy: what it refuses is said with what was got, expected and to do."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from audit.errors import InputError
from audit.load import load_case, load_policy
from audit.load.policies import LoopSection, PolicyFile
from audit.load.schema import Section
from audit.load.toml import key, write
from audit.load.written import CaseFile
from audit.policy import LoopRules

ROOT = Path(__file__).resolve().parents[3]
CASE: dict[str, Any] = {
    "case": {"name": "n", "purpose": "p", "owner": "us"},
    "data": {
        "path": "t.csv", "label": "y", "positive": 1, "favourable": 1, "sensitive": ["sex", "age", "race"], "id": "i",
        "sensitive_path": "q.csv", "reference": {"sex": "m"}, "bins": {"age": [20, 40.5]}, "weight": "w",
        "cluster": "c", "time": "t", "split": "s", "train": "a", "audit": "b", "features": ["f", "g"], "exclude": ["h"],
        "task": "classification", "indicators": {"race": ["b1", "b2"]}, "stages": ["s1", "s2"],
        "legitimate": {"hours": "paid by the hour"}, "proxy": {"eth": {"column": "surname", "table": "n.csv"}},
        "codes": {"st": {"*": "x"}}, "sheet": "S", "header": ["a", "b"], "skip_lines": 2, "dates": "day-first",
    },
    "model": {
        "endpoint": {
            "url": "https://h.example/v2/models/m", "protocol": "oip", "columns": ["0", "1"], "batch": 10, "timeout": 3,
            "retries": 2, "token_env": "A_TOKEN", "token_header": "X-Key", "plain_text": False, "inputs": "tensor",
        },
        "classes": {"0": "a", "1": 1}, "link": "logit", "threshold": 0.5,
    },
    "policy": {"adopted_by": "me", "presets": ["gdpr"]},
    "population": {"source": "census", "shares": {"sex": {"m": 0.5, "f": 0.5}}},
    "recourse": {"actionable": ["f", "g"], "ranges": {"f": [1, 2]}, "direction": {"f": "increase"},
                 "together": [["f", "g"]]},
    "watch": {"batch": 10, "label_delay": 1, "source": "in", "served": {"decision": "d"}, "settle": 2, "heartbeat": 5},
    "contract": {"check": [{"column": "age", "between": [1, 2]}]},
    "stress": {"budget": 0.05, "depth": 2, "columns": ["f"], "plausible": {"f": ["missing"]}},
    "whatif": {"learner": "case"},
    "answers": {"gdpr": {"a": "b"}},
}  # fmt: skip
POLICY: dict[str, Any] = {
    "version": "1",
    "norm": [{"metric": "selection_rate", "kind": "difference", "attribute": ["sex"], "limit": 0.1, "promote": 0.05}],
    "loop": {**dataclasses.asdict(LoopRules()), "approvers": ["ab" * 32]},
}
WRONG: list[Any] = [3, -1.5, "", True, ["a", "a"], [2, 1], {"x": 3}]


def toml(document: dict[str, Any]) -> str:
    lines = [f"{key(k)} = {write(_plain(v))}" for k, v in document.items() if not isinstance(v, dict)]
    for name, table in document.items():
        if isinstance(table, dict):
            lines += [f"[{key(name)}]", *(f"{key(k)} = {write(_plain(v))}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in inner:
        yield (*at, name)
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield from places(value, (*at, name))


def with_value(document: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    out = copy.deepcopy(document)
    inner: Any = out
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return out


def refusal(load: Any, file: Path) -> InputError | None:
    try:
        load(file)
    except InputError as error:
        return error
    return None


def test_what_the_schema_takes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "case.toml"
    file.write_text(toml(CASE))
    case = load_case(file)
    assert (case.data.bins["age"], case.data.reference, case.watch.settle) == ((20.0, 40.5), {"sex": "m"}, 2.0)
    assert case.model.classes == {"0": "a", "1": "1"}
    assert msgspec.convert(CASE, CaseFile).data.header == ("a", "b")
    file.write_text(toml(POLICY))
    assert load_policy(file).loop == dataclasses.replace(LoopRules(), approvers=("ab" * 32,))
    msgspec.convert(POLICY, PolicyFile)


@pytest.mark.parametrize(
    ("record", "document", "load"), [(CaseFile, CASE, load_case), (PolicyFile, POLICY, load_policy)]
)
def test_what_the_schema_refuses_is_refused_in_words(
    tmp_path: Path, record: type[Section], document: dict[str, Any], load: Any
) -> None:
    """Each value replaced by others: whatever it is, an answer or one message with all its parts, and never less
    strict than the published schema."""
    file, refused = tmp_path / "file.toml", 0
    for place in places(document):
        for value in WRONG:
            wrong = with_value(document, place, value)
            file.write_text(toml(wrong))
            try:
                msgspec.convert(wrong, record)
                bad = False
            except msgspec.ValidationError:
                bad = True
            error = refusal(load, file)
            assert error or not bad, f"{place} = {value!r} is read, and the schema refuses it"
            if error:
                refused += 1
                assert all((error.problem, error.got, error.expected, error.todo)), (place, value)
    assert refused > 150


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("watch", "batch"), 0, ("'batch' in [watch]", "batch = 0", 'a whole number from 1 on, or "time"')),
        (("watch", "label_delay"), True, ("'label_delay' in [watch]", "a whole number from 0 on")),
        (("watch", "heartbeat"), "5 s", ("a number of seconds from 1 to 31622400",)),
        (("watch", "served", "scores"), "s", ("served has an unknown key 'scores'", "did you mean 'score'?")),
        (("data", "header"), True, ("'header' in [data]", "a list of column names")),
        (("data", "skip_lines"), -1, ("'skip_lines' in [data]", "a whole number of lines above the column names")),
        (("data", "codes", "st", "*"), 3, ("'*' in `codes` of 'st'", "text in quotation marks")),
        (("data", "proxy", "eth"), 3, ("the proxy of 'eth'", "a column and a table")),
        (("data", "dates"), "day first", ("'dates' in [data] is not known", "did you mean 'day-first'?")),
        (("model", "endpoint"), "https://h", ("`endpoint` under [model] is no table", "the protocols are oip")),
        (("model", "endpoint", "batch"), 1.5, ("'batch' in `endpoint` under [model]", "a whole number")),
        (("model", "endpoint", "retries"), 11, ("a number from 0 to 10",)),
        (("model", "endpoint", "plain_text"), "no", ("true or false",)),
        (("population", "shares", "sex", "m"), -1, ("'m' in shares of 'sex'", "a number from 0")),
        (("recourse", "direction", "f"), "up", ("`direction` in [recourse]", "one of increase, decrease")),
        (("recourse", "together"), [["f"]], ("lists of two columns or more",)),
        (("contract",), 3, ("'contract' in the case file", "a section [contract]")),
        (("stress", "depth"), 4, ("1, 2 or 3 conditions",)),
        (("answers", "gdpr"), "yes", ("'gdpr' in [answers]",)),
    ],
)  # fmt: skip
def test_words_of_a_refusal(tmp_path: Path, place: tuple[str, ...], value: Any, words: tuple[str, ...]) -> None:
    file = tmp_path / "case.toml"
    file.write_text(toml(with_value(CASE, place, value)))
    with pytest.raises(InputError) as caught:
        load_case(file)
    for word in words:
        assert word in caught.value.message


def test_a_token_in_the_place_of_its_name_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "case.toml"
    for value in ("sk-1234 secret", ["sk-1234"]):
        file.write_text(toml(with_value(CASE, ("model", "endpoint", "token_env"), value)))
        with pytest.raises(InputError, match="a token never stands in a case file") as caught:
            load_case(file)
        assert "sk-1234" not in caught.value.message


def sections(record: type[Section]) -> Iterator[type[Section]]:
    yield record
    for hint in get_type_hints(record).values():
        todo = [hint]
        while todo:
            one = todo.pop()
            if isinstance(one, type) and issubclass(one, Section):
                yield from sections(one)
            todo += get_args(one)


def test_every_key_is_documented() -> None:
    pages = "".join((ROOT / "docs" / f"{p}.md").read_text() for p in ("case-file", "watch", "served-models", "stress"))
    known = {k for record in (CaseFile, PolicyFile) for s in sections(record) for k in s.__struct_fields__}
    named = set(re.findall(r"[`{\[]\s*([a-z_]+)\b", pages)) | set(re.findall(r"\b([a-z_]+)\s*=", pages))
    assert len(known) > 100
    assert known <= named, known - named
    assert set(LoopSection.__struct_fields__) == {f.name for f in dataclasses.fields(LoopRules)}
