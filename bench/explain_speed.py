"""Explanations against lime and shap, each as a ratio in one process.

    python bench/explain_speed.py [--rows 20000] [--only lime decomposition trees start kept memory recourse]

- lime: batched LIME for 1,000 rows (5,000 neighbours each) against lime itself. lime is timed on a few rows and the
  time of 1,000 is extrapolated; ours is timed whole.
- decomposition: what the gap in decisions is made of, against the difference of means of shap's PermutationExplainer,
  at the same standard error. shap is timed on a few rows; from the spread of its values over rows follows how many rows
  it needs for our standard error.
- trees: attributions of 2,000 rows of five kinds of trees against a background of 500 rows, beside shap.TreeExplainer
  with the same background (timed on a few rows, extrapolated; the values are compared) and the permutation method.
- start: the first explanation of a sample case in a fresh process, worker and all, against importing shap alone.
- kept: the same request again in a process that has asked before: the median of nine answers from disk.
- memory: the largest resident memory of an explanation of 5,000 and of 50,000 rows, in a fresh process each, without
  its worker; beside it that of only reading the table.
- recourse: the least change of 100 refused people of a sample case, and how much dearer the search ends up than asking
  about every combination.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
# In place of this folder, whose coverage.py numba would take for the package of that name.
sys.path[0] = str(ROOT)

FEATURES = 14
EXPLAINED = 1000


def people(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Fourteen numbers, two of them lower for one group; a label with interactions; the group."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["A", "B"], rows, p=[0.65, 0.35])
    x = rng.normal(size=(rows, FEATURES))
    x[:, 0] -= 0.8 * (group == "B")
    x[:, 1] -= 0.4 * (group == "B")
    x[:, 5] = np.round(x[:, 5])
    z = 1.5 * x[:, 0] + x[:, 1] * x[:, 2] + (x[:, 3] > 0.5) - 0.7 * x[:, 4] + 0.5 * x[:, 0] * (x[:, 5] > 0)
    label = (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(int)
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(FEATURES)]), label, group


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def worked(work: Callable[[], Any], times: int) -> float:
    """Processor seconds of one call, all threads: the median of `times`, after one that is not counted."""
    work()
    seconds = []
    for _ in range(times):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def models(frame: pd.DataFrame, label: np.ndarray) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    return {
        "logistic": LogisticRegression().fit(frame.to_numpy(), label),
        "HistGradientBoosting": HistGradientBoostingClassifier(random_state=0).fit(frame.to_numpy(), label),
        "forest": RandomForestClassifier(100, random_state=0, n_jobs=2).fit(frame.to_numpy(), label),
    }


def lime(frame: pd.DataFrame, fitted: dict[str, Any], peer_rows: int) -> None:
    from lime.lime_tabular import LimeTabularExplainer

    from audit.explain.lime_batch import lime_batch

    rows = frame.iloc[:EXPLAINED]
    for keep in (10, 5):
        for name, model in fitted.items():
            explainer = LimeTabularExplainer(frame.to_numpy(), random_state=0)

            def theirs(explainer: Any = explainer, model: Any = model, keep: int = keep) -> None:
                for row in rows.to_numpy()[:peer_rows]:
                    explainer.random_state.seed(0)
                    explainer.explain_instance(row, model.predict_proba, num_features=keep)

            def ours(model: Any = model, keep: int = keep) -> Any:
                return lime_batch(
                    lambda f: model.predict_proba(f.to_numpy())[:, 1], rows, frame, num_features=keep, seed=0
                )

            theirs_time = worked(theirs, 5) / peer_rows * EXPLAINED
            ours_time = worked(ours, 5)
            print(
                f"lime, K = {keep}, {name}: ours {ours_time:.2f} s of processor for {EXPLAINED:,} rows, lime "
                f"{theirs_time:.1f} s (extrapolated from {peer_rows} rows): {theirs_time / ours_time:.0f}x",
                flush=True,
            )


def decomposition(frame: pd.DataFrame, group: np.ndarray, model: Any, peer_rows: int) -> None:
    import shap

    from audit.explain.decompose import group_means, splits
    from audit.explain.outputs import Rule, transform
    from audit.explain.sample import choose
    from audit.explain.sampled import explain_sampled

    change = {"decision": transform("decision", Rule(0.5))}

    def predict(f: pd.DataFrame) -> np.ndarray:
        return np.asarray(model.predict_proba(f.to_numpy())[:, 1], dtype=np.float64)

    back = frame.iloc[-100:]

    def ours() -> Any:
        level = change["decision"](predict(frame))
        chosen = choose({"g": group}, np.ones(len(frame), dtype=bool), 4000, 500, 0)
        parts = explain_sampled(predict, frame.iloc[chosen.rows], back, change, draws=2).outputs["decision"]
        everyone = {g: np.flatnonzero(group == g) for g in "AB"}
        return splits(group_means(parts.values, parts.base, level[chosen.rows], chosen.groups["g"], everyone, level))[0]

    ours_time, split = timed(ours)
    explainer = shap.PermutationExplainer(
        lambda x: (model.predict_proba(x)[:, 1] >= 0.5) * 1.0, shap.maskers.Independent(back.to_numpy(), 100), seed=0
    )
    places = np.concatenate([np.flatnonzero(group == g)[: peer_rows // 2] for g in "AB"])
    theirs_time, explanation = timed(lambda: explainer(frame.to_numpy()[places], max_evals=500, silent=True))
    half = peer_rows // 2
    spread = explanation.values[:half].var(axis=0, ddof=1) + explanation.values[half:].var(axis=0, ddof=1)
    needed = 2 * spread / split.error**2
    used = np.argsort(-np.abs(split.value))[:6]
    rows = float(np.median(needed[used]))
    seconds = theirs_time / peer_rows * rows
    print(
        f"decomposition: ours {ours_time:.2f} s, standard errors {split.error[used].min():.4f} to "
        f"{split.error[used].max():.4f}, sum off by {abs(split.value.sum() - split.total):.1g}; shap needs {rows:,.0f} "
        f"rows for that and {seconds:,.0f} s (extrapolated from {peer_rows}): {seconds / ours_time:.0f}x"
    )


def trees(frame: pd.DataFrame, label: np.ndarray, peer_rows: int, repeats: int = 5) -> None:
    """2,000 people against a background of 500, as `assay explain` asks; processor seconds, medians, in turn."""
    import shap
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from xgboost import XGBClassifier

    from audit.explain.kinds import Floats
    from audit.explain.native import attributions
    from audit.explain.outputs import Rule, transform
    from audit.explain.sampled import explain_sampled

    kinds: dict[str, tuple[Any, str]] = {
        "LightGBM": (LGBMClassifier(n_estimators=100, verbose=-1, n_jobs=1), "log-odds"),
        "XGBoost": (XGBClassifier(n_estimators=100, n_jobs=1), "log-odds"),
        "HistGradientBoosting": (HistGradientBoostingClassifier(random_state=0), "log-odds"),
        "forest, 8 deep": (RandomForestClassifier(100, max_depth=8, random_state=0), "probability"),
        "extra trees, 8 deep": (ExtraTreesClassifier(100, max_depth=8, random_state=0), "probability"),
    }
    rows, back = frame.iloc[:2000].reset_index(drop=True), frame.iloc[-500:].reset_index(drop=True)
    both = pd.concat([rows, back], ignore_index=True)
    few = rows.iloc[:peer_rows]
    for name, (model, output) in kinds.items():
        model.fit(frame, label)
        loaded = SimpleNamespace(
            estimator=model, facts=SimpleNamespace(classes=("0", "1")), prepare=lambda f: f, class_index=int
        )
        asked = {"rows": np.array(len(rows)), "positive": np.array("1"), "output": np.array(output)}
        masker = shap.maskers.Independent(back.to_numpy(), max_samples=len(back))  # given as a table it is cut to 100
        explainer = shap.TreeExplainer(model, masker, feature_perturbation="interventional")
        change = {output: transform(output, Rule(0.5))}

        def predict(f: pd.DataFrame, model: Any = model) -> Floats:
            return np.asarray(model.predict_proba(f)[:, 1], dtype=np.float64)

        sides: dict[str, Callable[[], Any]] = {
            "ours": lambda loaded=loaded, asked=asked: attributions(loaded, both, asked)["values"],
            "shap": lambda explainer=explainer: explainer.shap_values(few.to_numpy(), check_additivity=False),
            "permutation": lambda predict=predict, change=change, output=output: (
                explain_sampled(predict, rows, back, change, draws=8).outputs[output].values
            ),
        }
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        values: dict[str, np.ndarray] = {}
        for _ in range(repeats):
            for side, work in sides.items():
                begun = time.process_time()
                values[side] = np.asarray(work())
                seconds[side].append(time.process_time() - begun)
        mine, theirs, drawn = (float(np.median(s)) for s in seconds.values())
        theirs *= len(rows) / len(few)
        known = values["shap"][..., 1] if values["shap"].ndim == 3 else values["shap"]
        off, noise = (
            np.abs(values["ours"][: len(few)] - known).max(),
            np.abs(values["ours"] - values["permutation"]).mean(),
        )
        start = float(np.asarray(explainer.expected_value).reshape(-1)[-1])
        apart = np.abs(known.sum(axis=1) + start - change[output](predict(few))).max()
        print(
            f"trees: {name}, {output} of 2,000 rows on a background of 500: ours {mine:.2f} s, shap.TreeExplainer "
            f"(interventional, extrapolated from {len(few)} rows) {theirs:.1f} s: {theirs / mine:.0f}x, largest "
            f"difference {off:.1g} (shap's own sum is off the model by {apart:.1g}); by permutation {drawn:.1f} s: "
            f"{drawn / mine:.1f}x, mean error {noise:.2g} of "
            f"{np.abs(values['ours']).mean():.2g}",
            flush=True,
        )


def start() -> None:
    code = (
        "import time; t = time.perf_counter()\n"
        "import sys, json; from pathlib import Path\n"
        "from audit.load import load_case; from audit.explain import run_explain\n"
        "run_explain(load_case(Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "first = time.perf_counter() - t; t = time.perf_counter()\n"
        "run_explain(load_case(Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "print(json.dumps([first, time.perf_counter() - t]))"
    )
    for name in ("german_credit", "adult"):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", code, str(ROOT / "sample_data" / f"{name}.toml"), folder]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            print(f"start: {name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        first, again = json.loads(done.stdout.splitlines()[-1])
        print(f"start: {name}: everything in a fresh process {first:.1f} s, again from disk {again * 1000:.0f} ms")
    shap_time, _ = timed(lambda: subprocess.run([sys.executable, "-W", "ignore", "-c", "import shap"], check=True))
    print(f"start: importing shap in a fresh process {shap_time:.1f} s")


def kept() -> None:
    from audit.explain import run_explain
    from audit.load import load_case

    for name in ("german_credit", "adult"):
        with tempfile.TemporaryDirectory() as folder:
            case = load_case(ROOT / "sample_data" / f"{name}.toml")
            ask = partial(run_explain, case, Path(folder), progress=quiet)
            first, answer = timed(ask)
            again = [timed(ask) for _ in range(9)]
        same = all(other == answer for _, other in again)
        middle, slowest = np.median([t for t, _ in again]), max(t for t, _ in again)
        print(
            f"kept: {name}: first {first:.1f} s, then from disk {middle * 1000:.0f} ms (slowest {slowest * 1000:.0f} "
            f"ms; the same answer: {same})"
        )


def quiet(stage: str, done: int, total: int) -> None:
    pass


MEMORY = """
import re, sys
from pathlib import Path
from audit.load import load_case, load_rows
case = load_case(Path(sys.argv[1]))
if sys.argv[2] == "read":
    load_rows(case)
else:
    from audit.explain import run_explain
    run_explain(case, Path(sys.argv[2]), progress=lambda *a: None)
# Not ru_maxrss: Linux lets a child begin with its parent's.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def memory() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from audit.models.write import skops_bytes

    frame, label, group = people(5000)
    content = skops_bytes(HistGradientBoostingClassifier(random_state=0).fit(frame, label))
    for rows in (5_000, 50_000):
        frame, label, group = people(rows)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            frame.assign(label=label, g=group).to_parquet(place / "t.parquet")
            (place / "m.skops").write_bytes(content)
            (place / "case.toml").write_text(
                '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "t.parquet"\nlabel = "label"\npositive = 1\n'
                'sensitive = ["g"]\nexclude = ["g"]\n[model]\npath = "m.skops"\n'
                '[recourse]\nactionable = ["x0", "x3"]\n'
            )
            peaks = {}
            for what in ("read", str(place / "out")):
                done = subprocess.run(
                    [sys.executable, "-c", MEMORY, str(place / "case.toml"), what], cwd=ROOT, capture_output=True,
                    text=True, check=True,
                )  # fmt: skip
                peaks[what] = float(done.stdout.splitlines()[-1])
        read, whole = peaks.values()
        added = whole - read
        print(f"memory: {rows:,} rows: {whole:.0f} MiB at most; reading alone {read:.0f}, explaining adds {added:.0f}")


def recourse() -> None:
    from audit.explain.change import units
    from audit.explain.outputs import Rule
    from audit.explain.prepare import Settings, subject
    from audit.explain.recourse import search
    from audit.load import load_case, load_rows
    from audit.models import Worker

    budget = Settings().recourse_tries
    for name in ("german_credit", "adult"):
        case = load_case(ROOT / "sample_data" / f"{name}.toml")
        assert case.recourse is not None
        assert case.model.path is not None
        read = load_rows(case)
        with Worker(case.model.path) as worker:
            who = subject(case, read, worker.info.features)
            rule = Rule(case.model.threshold, case.data.positive == case.data.favourable)

            def predict(f: pd.DataFrame, worker: Any = worker, case: Any = case) -> np.ndarray:
                return worker.scores(f, str(case.data.positive))

            refused = np.flatnonzero(rule.favourable(predict(who.frame)) == 0)
            some = refused[np.random.default_rng(0).permutation(len(refused))[:100]]
            parts = units(case.recourse, who.frame)
            seconds, routes = timed(partial(search, predict, who.frame, some, parts, rule, budget))
            whole = search(predict, who.frame, some, parts, rule, 10**6)
        cost = np.array([np.nan if f.cost is None else f.cost for f in routes])
        least = np.array([np.nan if f.cost is None else f.cost for f in whole])
        missed = int((np.isfinite(least) & ~np.isfinite(cost)).sum())
        both = np.isfinite(least) & np.isfinite(cost)
        dearer = float((cost[both] - least[both]).mean())
        print(
            f"recourse: {name}: {len(some)} people {seconds:.1f} s, {sum(f.tried for f in routes):,} rows asked; found "
            f"for {int(np.isfinite(cost).sum())}, missed {missed}; mean {np.nanmean(cost):.3f}, {dearer:.4f} above "
            f"the least of every combination (all tried for {sum(f.complete for f in whole)} of {len(some)})"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--peer-rows", type=int, default=10)
    parser.add_argument(
        "--only", nargs="*", default=["lime", "decomposition", "trees", "start", "kept", "memory", "recourse"]
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    frame, label, group = people(options.rows)
    fitted = models(frame, label) if {"lime", "decomposition"} & set(options.only) else {}
    if "lime" in options.only:
        lime(frame, fitted, options.peer_rows)
    if "decomposition" in options.only:
        decomposition(frame, group, fitted["HistGradientBoosting"], 4 * options.peer_rows)
    if "trees" in options.only:
        trees(frame, label, 10 * options.peer_rows)
    if "start" in options.only:
        start()
    if "kept" in options.only:
        kept()
    if "memory" in options.only:
        memory()
    if "recourse" in options.only:
        recourse()
    return 0


if __name__ == "__main__":
    sys.exit(main())
