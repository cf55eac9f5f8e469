"""`assay.audit`: a frame becomes a run folder, and the run folder is audited as the command line would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay import _frames, _models, _spark
from assay._endpoint import section
from assay._result import Result
from audit.errors import CaseError, InputError
from audit.load.values import name_of
from audit.passing import make, remove

Column = Any
"""The name of a column of the frame, or one value a row (n,)."""


def audit(
    data: Any,
    *,
    sensitive: Sequence[str] | Mapping[str, Column] | str,
    label: Column = None,
    task: str | None = None,
    positive: object = None,
    favourable: object = None,
    model: Any = None,
    decision: Column = None,
    score: Column = None,
    threshold: float | None = None,
    link: str | None = None,
    classes: Mapping[Any, str] | None = None,
    features: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    weight: Column = None,
    id: Column = None,
    cluster: Column = None,
    time: str | None = None,
    bins: Mapping[str, Sequence[float]] | None = None,
    reference: Mapping[str, str] | None = None,
    legitimate: Mapping[str, str] | None = None,
    stages: Sequence[str] | None = None,
    case: Mapping[str, Mapping[str, Any]] | None = None,
    policy: str | Path | None = None,
    name: str = "Notebook",
    purpose: str = "What the model decides",
    out: str | Path | None = None,
    seed: int = 0,
    draws: int = 2000,
    allow: Sequence[str] = (),
    offline: bool = False,
    floor: int | None = None,
) -> Result:
    """Measure how decisions about people differ between groups.

    Parameters
    ----------
    data : Any
        A table of n rows: pandas, Polars, Arrow, a NumPy array (n, k) with columns x0, x1, ..., or a mapping of
        columns. It is not changed. A Spark DataFrame stays in Spark: its rows are counted there, with decisions or
        scores in a column or a model's file that its workers ask; counts come back, and a sample of rows unless there
        is a floor.
    sensitive : Sequence[str] | Mapping[str, Column] | str
        Columns whose groups are compared, or name -> values (n,) for attributes that are no column.
    label : Column
        What really happened: a column, or values (n,).
    task : str | None
        "regression" where the label is a number and a number is predicted; `favourable` is then "high", "low" or None.
    positive : object
        The value of the label that the model predicts or scores.
    favourable : object
        The value that is good for the person; asked for where neither names nor values say it.
    model : Any
        A fitted estimator of scikit-learn's kind (asked in this process, which the evidence says), the path of a
        model file (asked in a process of its own), `assay.endpoint(...)`, or the keys of `[model]` in a case file,
        for example `{"path": "m.pkl", "python": "venv/bin/python", "load": "joblib", "consent": "sha256:..."}`.
    decision : Column
        What was decided, in place of a model.
    score : Column
        A score of `positive`, in place of a model; decided positive from `threshold` up.
    threshold : float | None
        For a score, or in place of a model's own `predict`.
    link : str | None
        "logit" for a model that gives log-odds; they decide from a probability of 0.5 on.
    classes : Mapping[Any, str] | None
        The model's classes in the label's words, for example `{0: "denied", 1: "approved"}`.
    features : Sequence[str] | None
        The columns that the model reads, in its order (default: as the model names them).
    exclude : Sequence[str]
        Columns that the model must not see.
    weight : Column
        Survey weights (n,), greater than 0.
    id : Column
        Who or what a row is about.
    cluster : Column
        Which rows are of one person (n,), filled in every row: intervals and tests take each person as one.
    time : str | None
        A column that orders the rows.
    bins : Mapping[str, Sequence[float]] | None
        Left-closed edges for a numeric sensitive column, for example `{"age": [25, 40, 60]}`.
    reference : Mapping[str, str] | None
        The group that others are compared with (default: every pair, and the widest is named).
    legitimate : Mapping[str, str] | None
        Columns that you call legitimate, each with its reason: the gap among people who are alike in them.
    stages : Sequence[str] | None
        Decision columns of a process in order, for example `["screened", "interviewed", "hired"]`.
    case : Mapping[str, Mapping[str, Any]] | None
        Whatever else a case file may say (docs/case-file.md), by its table and key, for example
        `{"data": {"proxy": {...}}, "case": {"owner": "Retail"}, "population": {...}}`.
    policy : str | Path | None
        A file of norms (default: an example).
    name : str
        Of the case; printed on page 1.
    purpose : str
        What is decided about people, in words; printed on page 1.
    out : str | Path | None
        The run folder (default: a new one that is removed with the result).
    seed : int
        Of permutation tests and intervals.
    draws : int
        Behind each of them.
    allow : Sequence[str]
        Types in a model file that you have reviewed.
    offline : bool
        Of an endpoint: the answers that an earlier audit kept in `out`, and no other; nothing is sent.
    floor : int | None
        Of a Spark DataFrame: combinations of sensitive values with fewer rows do not leave the cluster, and no row is
        drawn.

    Returns
    -------
    Result
        Evidence, tidy frames, chart; explanation, mitigation and report follow from it.

    Raises
    ------
    AssayError
        One message with what was wrong, got, expected, and what to do.

    Examples
    --------
    >>> import assay
    >>> frame = {"sex": ["f", "m"] * 50, "hired": ["no", "yes"] * 50}
    >>> result = assay.audit(frame, decision="hired", sensitive=["sex"], draws=100)
    >>> result.gaps().query("metric == 'selection_rate' and kind == 'difference'")["value"].iloc[0]
    1.0
    """
    with _folder(out) as folder:
        spark = _spark.of(data, floor)
        table = spark or _frames.Columns(_frames.as_pandas(data), data)
        outcome = table.role("label", label)
        roles: dict[str, Any] = {"label": outcome}
        groups = _groups(table, sensitive)
        roles |= {r: table.role(r, v) for r, v in (("weight", weight), ("id", id), ("cluster", cluster))}
        _one_source({"model": model, "decision": decision, "score": score}, outcome)
        if spark is not None:
            spark.refuse(model)
        model_keys: dict[str, Any] = {}
        if isinstance(model, (str, Path)):
            model = {"path": model}
        if isinstance(model, Mapping):
            model_keys = section(model, features)
        if model is not None:
            reads = (
                list(features) if features is not None else _models.columns_of(model, table, {*exclude}, roles, groups)
            )
            model_keys = model_keys or _models.placed(model, table, reads, folder, threshold)
            features = reads
        elif decision is not None:
            model_keys = {"decision": table.role("decision", decision)}
        elif score is not None:
            model_keys = {"score": table.role("score", score)}
        else:
            model_keys = {"outcomes": True}
        model_keys |= {} if threshold is None else {"threshold": float(threshold)}
        model_keys |= {"link": link} if link is not None else {}
        model_keys |= {"classes": {name_of(k): name_of(v) for k, v in classes.items()}} if classes else {}
        values: dict[str, Any] = {
            **({"path": "data.parquet"} if spark is None else spark.place()),
            **roles,
            "sensitive": groups,
            "time": time,
            "bins": {k: [float(e) for e in v] for k, v in bins.items()} if bins else None,
            "reference": dict(reference) if reference else None,
            "legitimate": dict(legitimate) if legitimate else None,
            "stages": list(stages) if stages else None,
            "features": list(features) if features is not None and model is not None else None,
            "exclude": list(exclude) or None,
        }
        if task is not None and task != "classification":
            values |= {"task": task, "positive": positive, "favourable": favourable}
        else:
            values |= table.sign(
                outcome or model_keys.get("decision"), positive, favourable, scored="score" in model_keys
            )
        if spark is None:
            table.write(folder / "data.parquet")
        about = {"name": name, "purpose": purpose}
        norms = {"file": str(Path(policy).resolve())} if policy is not None else {}
        tables = {"case": about, "data": values, "model": model_keys, "policy": norms}
        _frames.write_case(folder / "case.toml", _frames.with_more(tables, case or {}))
        held = None if spark is None else spark.held
        return _run(
            folder / "case.toml", folder, out is None, seed=seed, draws=draws, allow=allow, offline=offline, held=held
        )


def _groups(table: _frames.Columns, sensitive: Sequence[str] | Mapping[str, Column] | str) -> list[str]:
    """The names of the sensitive columns; values that are no column become one."""
    if isinstance(sensitive, str):
        return [sensitive]
    if isinstance(sensitive, Mapping):
        return [table.role(k, v, as_name=k) or k for k, v in sensitive.items()]
    return list(sensitive)


def _one_source(sources: Mapping[str, Any], label: str | None) -> None:
    """Refuse two sources of decisions, and none without outcomes. Raises CaseError."""
    named = [name for name, value in sources.items() if value is not None]
    if len(named) > 1 or (not named and label is None):
        raise CaseError(
            "it is not said where the decisions come from",
            got=" and ".join(named) or "none of model, decision and score",
            expected="one of model=, decision= and score=, or label= alone to compare outcomes",
            todo="give one of them",
        )


def audit_case(
    case: str | Path,
    out: str | Path | None = None,
    *,
    seed: int = 0,
    draws: int = 2000,
    allow: Sequence[str] = (),
    offline: bool = False,
) -> Result:
    """Audit a case file, as `assay audit CASE.toml --out DIR` does.

    Parameters
    ----------
    case : str | Path
        The case file (docs/case-file.md).
    out : str | Path | None
        The run folder (default: a new one that is removed with the result).
    seed : int
        Of permutation tests and intervals.
    draws : int
        Behind each of them.
    allow : Sequence[str]
        Types in the model file that you have reviewed.
    offline : bool
        Of an endpoint: the answers kept in `out`, and no other; nothing is sent.

    Raises
    ------
    AssayError
        InputError where the case, its data or its model cannot be used.
    """
    with _folder(out) as folder:
        return _run(Path(case), folder, out is None, seed=seed, draws=draws, allow=allow, offline=offline)


def open_run(folder: str | Path) -> Result:
    """The result of an earlier audit.

    Parameters
    ----------
    folder : str | Path
        The DIR of `--out`, or the `out` of `assay.audit`.

    Raises
    ------
    AssayError
        InputError where it holds no audit.
    """
    place = Path(folder)
    if not (place / "evidence.json").exists():
        raise InputError(
            f"{place} holds no audit",
            got="no evidence.json",
            expected="a folder that `assay audit` or `assay.audit(out=...)` wrote",
            todo="name that folder",
        )
    case = place / "case.toml"
    return Result(place, case if case.exists() else None)


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """The run folder; a new one that only this person may read where none is named, which goes if no result comes of
    it: people's rows are in it."""
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        yield Path(out)
        return
    folder = make()
    try:
        yield folder
    except BaseException:
        remove(folder)
        raise


def _run(
    path: Path,
    folder: Path,
    passing: bool,
    *,
    seed: int,
    draws: int,
    allow: Sequence[str],
    offline: bool,
    held: Any = None,
) -> Result:
    from audit.case import offline as kept_only
    from audit.gaps import Settings
    from audit.load import load_case
    from audit.run import run_audit
    from reports.presets import check_case

    case = check_case(load_case(path))
    case = kept_only(case) if offline else case
    settings = Settings(seed=seed, draws=draws, reference=case.data.reference)
    run_audit(case, folder, settings, allow=allow, held=held)
    return Result(folder, path, passing=passing)
