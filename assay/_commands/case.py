"""`assay init`, `assay check` and `assay convert`: what comes before an audit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from assay._commands.options import ALLOW, CASE, DATA
from assay._commands.parsing import FILE, Option, Result, command
from audit import progress
from audit.errors import InputError
from audit.numbers import brief, many


@command(DATA, Option("--out", type=FILE, metavar="CASE.toml", help="Write it (default: print it)."))
def init(data: Path, out: Path | None) -> Result:
    from audit.files import write_once
    from audit.load.start import proposed

    text, roles = proposed(data, out.parent if out else data.parent)
    if out is not None:
        write_once(out, text.encode())
    words = [text.rstrip()] if out is None else [f"Written: {out}", *(f"Asked: {q}" for q in roles.asked.values())]
    document = {"case": text, "roles": roles.to_json(), "written": None if out is None else str(out)}
    return Result(document, "\n".join(words))


@command(CASE)
def check(case: Path) -> Result:
    from dataclasses import asdict

    from audit.load import load_case
    from audit.preview import preview
    from reports.presets import check_case

    loaded = check_case(load_case(case))
    previewed = preview(loaded)
    return Result(asdict(previewed), "\n".join(previewed.lines(loaded)))


@command(
    click.Argument(["model"], type=FILE, metavar="MODEL"),
    Option("--python", type=FILE, metavar="PYTHON", help="The interpreter that made it, where opening it runs code."),
    Option("--load", metavar="HOW", help="With --python: joblib, pickle, cloudpickle, ... or module:function."),
    Option("--out", type=FILE, required=True, metavar="FILE", help="model.skops or model.onnx."),
    Option("--data", type=FILE, required=True, metavar="DATA", help="Rows on which both files are compared."),
    Option("--features", many=True, metavar="COLUMN...", help="Where the model does not name them."),
    Option("--consent", metavar="sha256:...", help="The digest of the file whose code you allow to run."),
    ALLOW,
    more="MODEL is a pickle, a joblib file, an MLflow folder, a CatBoost file ... A skops, LightGBM or XGBoost file "
    "becomes ONNX without --python.",
)
def convert(
    model: Path, python: Path | None, load: str | None, out: Path, data: Path, features: Sequence[str],
    consent: str | None, allow: Sequence[str],
) -> Result:  # fmt: skip
    from audit.load.tables import read_noted
    from audit.models.convert import convert as convert_model
    from audit.models.own import Environment

    if (python is None) != (load is None):
        raise InputError(
            "--python and --load go together", got="one of them", expected="the interpreter, and how it loads the file",
            todo="name both; or neither, for a skops, LightGBM or XGBoost file",
        )  # fmt: skip
    own = None
    if python is not None and load is not None:
        own = Environment(Path(os.path.abspath(python)), load, consent, model.resolve().parent, by_option=True)
    progress.stage("Reading the rows")
    done = convert_model(model, own, out, read_noted(data).frame, list(features), tuple(allow))
    words = (
        f"Written: {done.path}, checked on {many(done.rows, 'row')}: the same decisions, scores at most "
        f"{brief(done.apart, 2)} apart. Its record: {done.path}.json"
    )
    return Result(done.record, words)
