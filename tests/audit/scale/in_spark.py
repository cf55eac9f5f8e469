"""Run by test_spark.py with pyspark on the path: counts cases in one session and writes FOLDER/found.json.

python in_spark.py FOLDER        every FOLDER/*/case.toml, with its cube; every FOLDER/audits/*/case.toml and
                                 FOLDER/narrow/*/case.toml, its whole audit; then DataFrames of a notebook
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import assay
import audit.scale.kinds as module
from audit.case import SparkSpec
from audit.cube import Cube, cube_of
from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from audit.scale.kinds import kinds
from audit.scale.spark import count_in_spark, held_of, session_of


def plain(cube: Cube) -> dict[str, Any]:
    scores = None
    if cube.scores is not None and cube.scores.exact:
        scores = [cube.scores.at.tolist(), cube.scores.n.tolist()]
    return {"levels": cube.levels, "n": cube.n.tolist(), "w": cube.w.tolist(), "w2": cube.w2.tolist(), "scores": scores}


def main(folder: Path) -> None:
    seen: dict[str, Any] = {}
    with session_of(SparkSpec(master="local[2]")) as session:
        session.conf.set("spark.sql.shuffle.partitions", "4")
        for case in sorted(folder.glob("*/case.toml")):
            try:
                counted, message, _ = count_in_spark(load_case(case))
                seen[case.parent.name] = plain(cube_of(counted.coded)) | {
                    "sha256": counted.sha256,
                    "said": dict(message),
                }
            except Exception as error:
                seen[case.parent.name] = {"error": f"{type(error).__name__}: {error}"}
        for case in sorted([*folder.glob("audits/*/case.toml"), *folder.glob("narrow/*/case.toml")]):
            run_audit(load_case(case), case.parent / "spark", Settings(draws=50))
        frame = session.read.parquet(str(folder / "frame.parquet"))
        roles: dict[str, Any] = {"sensitive": ["sex"], "label": "y", "positive": "yes", "favourable": "yes"}
        roles["draws"] = 50
        result = assay.audit(frame, decision="d", out=folder / "notebook", **roles)
        again = assay.audit(frame.toPandas(), decision="d", **roles)
        seen["notebook"] = {"equal": result.rates().equals(again.rates()), "gaps": result.gaps().equals(again.gaps())}
        floored = assay.audit(frame, decision="d", floor=30, **roles)
        seen["floor"] = sorted(set(floored.rates().query("attribute == 'sex'")["group"]))
        seen["asked"] = asked(session.read.parquet(str(folder / "skops" / "people.parquet")), folder)
        seen["letters"] = letters(session)
        seen["plan"] = kinds_plan(frame)
    (folder / "found.json").write_text(json.dumps(seen))


def letters(session: Any) -> dict[str, Any]:
    """A frame whose texts have an order in which capitals are no other letters; its numbers make many kinds of rows."""
    rows = session.range(40_000).selectExpr(
        "collate(element_at(array('f', 'F', 'm', 'm'), cast(id % 4 + 1 as int)), 'UTF8_LCASE') sex",
        "if(id % 3 = 0, 'yes', 'no') y", "collate(if(id % 5 = 0, 'yes', 'no'), 'UTF8_LCASE') d",
        "collate(element_at(array('nan', 'NAN', 'oslo'), cast(id % 3 + 1 as int)), 'UTF8_LCASE') town",
        "cast(id as double) x",
    )  # fmt: skip
    result = assay.audit(rows, decision="d", sensitive=["sex"], label="y", positive="yes", favourable="yes", draws=50)
    groups = sorted(set(result.rates().query("attribute == 'sex'")["group"]))
    written = {
        c["column"]: c["written"] for c in result.evidence["quality"]["missing"]["columns"] if c["column"] != "x"
    }
    return {"groups": groups, "written": {"d": written.get("d", 0), "town": written["town"]},
            "nan": rows.filter("cast(town as string) = 'nan'").count()}  # fmt: skip


def asked(frame: Any, folder: Path) -> dict[str, Any]:
    """A frame of a notebook whose rows a model file decides, in Spark's tasks and in memory."""
    roles: dict[str, Any] = {"sensitive": ["group of"], "label": "y", "positive": "yes", "favourable": "yes"}
    roles |= {"features": ["town", "group of", "age", "x"], "model": str(folder / "skops" / "m.skops"), "draws": 50}
    result = assay.audit(frame, out=folder / "asked", **roles)
    again = assay.audit(frame.toPandas(), **roles)
    return {"equal": result.rates().equals(again.rates()), "gaps": result.gaps().equals(again.gaps())}


def kinds_plan(frame: Any) -> list[str]:
    """The operators of Spark's own plan, from the last to the first."""
    seen: list[str] = []

    held = held_of(frame)
    kept = module.arrow

    def look(lazy: Any) -> Any:
        plan = lazy.to_native()._jdf.queryExecution().sparkPlan().toString()
        seen.extend(line.strip(" +-:").split("(")[0].split(" ")[0] for line in plan.splitlines() if line.strip())
        return kept(lazy)

    module.arrow = look
    try:
        kinds(held.frame, ["c0", "c1"], most=100)
    finally:
        module.arrow = kept
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]))
