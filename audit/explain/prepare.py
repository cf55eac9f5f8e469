"""Before a model is asked: what is to be explained, of whom, and the facts that an answer is kept under."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.code import code_clusters, groups_per_row
from audit.cube import Meaning
from audit.errors import CaseError, DataError
from audit.evidence import tool
from audit.explain.kinds import OUTPUTS, Floats, Ints
from audit.files import canonical
from audit.load import Rows, sha256_of
from audit.load.recourse import to_table
from audit.load.values import name_of

SCHEMA = "assay/explain/1"
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Settings:
    """How explanations are made.

    rows: the sample that is explained for everyone and by group; least: of each group at least so many, where there
    are. background: rows that stand for "a feature not known". draws: walks a row of the sample; rounds: orders for
    each background row of a person. samples, seeds: LIME's neighbours, and how often it is repeated.
    recourse_rows: refused people of each group whose recourse is sought; recourse_tries, recourse_tries_person: how
    many combinations are tried for each of them, and for each person explained, beyond the first search.
    interaction_rows, friedman_rows: rows for the trees' own interaction values, and for Friedman's H.
    hiding_rows: real and spliced rows in which each feature is changed alone, for the alarm of hiding.py.
    """

    output: str = "probability"
    rows: int = 2000
    least: int = 100
    background: int = 500
    draws: int = 8
    rounds: int = 2
    samples: int = 5000
    seeds: int = 5
    fidelity_rows: int = 200
    hiding_rows: int = 300
    recourse_rows: int = 100
    recourse_tries: int = 200
    recourse_tries_person: int = 20_000
    interaction_rows: int = 100
    friedman_rows: int = 40
    people: int = 3
    seed: int = 0

    def check(self) -> None:
        """Raises CaseError for a setting that cannot be used."""
        if self.output not in OUTPUTS:
            raise CaseError(
                "there is no such output to explain",
                got=repr(self.output),
                expected=", ".join(OUTPUTS),
                todo="name one",
            )
        for name, least in (
            ("rows", 2),
            ("background", 2),
            ("samples", 100),
            ("seeds", 1),
            ("draws", 2),
            ("rounds", 1),
            ("recourse_rows", 10),
            ("recourse_tries", 0),
        ):
            if getattr(self, name) < least:
                raise CaseError(
                    f"the setting {name} is too small", got=getattr(self, name), expected=f"at least {least}",
                    todo=f"raise {name}",
                )  # fmt: skip

    def bounded(self) -> Settings:
        """Smaller samples, for a model that is asked over a network: some 1 in 20 of the usual questions."""
        most = {
            "rows": 200, "least": 20, "background": 50, "draws": 4, "samples": 500, "seeds": 3, "fidelity_rows": 10,
            "hiding_rows": 50, "recourse_rows": 10, "recourse_tries": 20, "recourse_tries_person": 500,
            "interaction_rows": 20, "friedman_rows": 10,
        }  # fmt: skip
        return replace(self, **{name: min(getattr(self, name), value) for name, value in most.items()})

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The audited people as the model sees them, their groups and weights, and which rows are of one person."""

    frame: pd.DataFrame
    groups: Mapping[str, npt.NDArray[np.str_]]
    weight: Floats | None
    cluster: Ints | None


def subject(case: Case, rows: Rows, features: Sequence[str]) -> Subject:
    """The audited rows, numbered from 0. Raises DataError where none is audited or a feature is not there."""
    audited = rows.audited.reset_index(drop=True)
    if not len(audited):
        raise DataError(
            "there is nobody to explain", got="0 audited rows", expected="at least one", todo="check split and audit"
        )
    missing = [f for f in features if f not in audited.columns]
    if missing:
        raise DataError(
            "the data lack columns that the model takes",
            got=", ".join(repr(m) for m in missing[:8]),
            expected="all of the model's columns",
            todo="add the columns, or take them out of `exclude` if they were excluded by mistake",
        )
    weight = None
    if case.data.weight is not None:
        weight = audited[case.data.weight].to_numpy(dtype=np.float64)
    return Subject(audited[list(features)], groups_per_row(case, audited), weight, code_clusters(case, audited))


def check_people(people: Sequence[int], count: int) -> tuple[int, ...]:
    """The rows asked for, each once, in the order given. Raises DataError for one that is not there."""
    wanted = tuple(dict.fromkeys(int(p) for p in people))
    for p in wanted:
        if not 0 <= p < count:
            raise DataError(
                "there is no such row to explain",
                got=f"row {p}",
                expected=f"0 to {count - 1} (the audited rows, counted from 0)",
                todo="name a row among those that are measured",
            )
    return wanted


def decided(meaning: Meaning, favourable: bool) -> str:
    """The decision in the label's own words."""
    return meaning.positive if favourable == meaning.favourable_is_positive else meaning.negative


def shown(frame: pd.DataFrame, row: int) -> dict[str, str]:
    """A row's values as people read them."""
    cells = frame.iloc[row]
    each = zip(frame.columns, cells.array, cells.isna().to_numpy(), strict=True)
    return {str(c): MISSING if gone else name_of(value) for c, value, gone in each}


def frame_sha256(frame: pd.DataFrame) -> str:
    """The sha256 of a small frame's column names and values in words."""
    body = {
        "columns": [str(c) for c in frame.columns],
        "rows": [list(shown(frame, i).values()) for i in range(len(frame))],
    }
    return hashlib.sha256(canonical(body, compact=True)).hexdigest()


def facts(case: Case, settings: Settings, people: Sequence[int], allow: Sequence[str]) -> dict[str, Any]:
    """Everything that explain.json follows from. Reads files for their hashes only."""
    data, model = case.data, case.model
    return {
        "schema": SCHEMA,
        "tool": tool(),
        "model": None if model.path is None else sha256_of(model.path),
        **({} if model.endpoint is None else {"endpoint": [model.endpoint.url, model.endpoint.protocol]}),
        "data": sha256_of(data.path),
        "side": None if data.sensitive_path is None else sha256_of(data.sensitive_path),
        "threshold": model.threshold if model.threshold_given else None,
        "rule": {"link": model.link, "classes": dict(model.classes), "load": model.load, "consent": model.consent},
        "roles": {
            "label": data.label, "positive": data.positive, "favourable": data.favourable, "weight": data.weight,
            "sensitive": list(data.sensitive), "id": data.id, "split": data.split, "audit": data.audit,
            "cluster": data.cluster, "rare": "until none is left",
            "bins": {k: list(v) for k, v in data.bins.items()}, "exclude": list(data.exclude),
            "features": None if data.features is None else list(data.features),
        },
        "recourse": None if case.recourse is None else to_table(case.recourse),
        "settings": settings.to_json(),
        "people": list(people),
        "allow": sorted(allow),
    }  # fmt: skip
