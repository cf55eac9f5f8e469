"""The loop on many draws of the replays: what it does where nothing should be done, and what it finds where it should.

    python bench/loop_replays.py [--draws 20] [--batches 40]

Each draw is `sample_data/replays/make.py`'s replay with another seed, watched as `assay watch` does it.
Harmless: quiet, benign and mix in turn. Beside it the policy "retrain on any drifted feature": how many batches of
these draws show drift after correction, each of which it would retrain on.

Then accuracy and the gap of true positive rates on the people of the harmful replay after the shift: without a loop,
with it (a policy that promotes by itself, so that no one's haste or patience counts), and with a refit on all matured
rows after every batch.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
REPLAYS = ROOT / "sample_data" / "replays"
DELAY = 2


def script() -> Any:
    spec = importlib.util.spec_from_file_location("assay_replays", REPLAYS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case_of(folder: Path, name: str, frame: pd.DataFrame, *, automatic: bool = False) -> Any:
    """A case like the one that ships, on another draw."""
    from audit.load import load_case

    folder.mkdir(parents=True)
    frame.to_parquet(folder / f"{name}.parquet")
    for file in (f"{name}.toml", "model.skops", "norms.toml"):
        shutil.copy(REPLAYS / file, folder / file)
    if automatic:
        norms = folder / "norms.toml"
        norms.write_text(norms.read_text() + "automatic = true\n")
    return load_case(folder / f"{name}.toml")


def watched(case: Any, out: Path, batches: int | None) -> dict[str, Any]:
    from audit.files import read_json
    from debias.loop.run import run_watch

    run_watch(case, out, max_batches=batches)
    return dict(read_json(out / "watch.json"))


def many(make: Any, people: pd.DataFrame, folder: Path, draws: int, batches: int) -> None:
    """Counts over draws."""
    drifted, seen, built, confirmed = 0, 0, 0, 0
    for k in range(draws):
        name = ("quiet", "benign", "mix")[k % 3]
        place = folder / f"harmless{k}"
        record = watched(case_of(place, name, make.replay(name, people, seed=100 + k)), place / "out", batches)
        kinds = [e["kind"] for e in record["events"]]
        built += kinds.count("shadow") + kinds.count("build")
        confirmed += kinds.count("confirmed")
        drifted += sum(bool(b["drift"]) for b in record["timeline"])
        seen += len(record["timeline"])
        shutil.rmtree(place)
    print(f"\n{draws} harmless draws of {batches} batches: {confirmed} alarms, {built} challengers built.")
    print(
        f"Retraining on any drifted feature: {drifted} of {seen} batches, {drifted / draws:.1f} times a draw.",
        flush=True,
    )
    delays: list[int] = []
    for k in range(draws):
        place = folder / f"harm{k}"
        record = watched(case_of(place, "harm", make.replay("harm", people, seed=100 + k)), place / "out", 32)
        first = next((e for e in record["events"] if e["kind"] == "confirmed"), None)
        if first is not None:
            at = next(b["number"] for b in record["timeline"] if b["time"] >= first["time"])
            delays.append(at - make.PLANTED)
        shutil.rmtree(place)
    early = sum(d < 0 for d in delays)
    print(
        f"{draws} harmful draws: {len(delays)} found, {early} of them before the shift; batches from the shift to the "
        f"alarm (outcomes come {DELAY} batches late): median {statistics.median(delays):g}, longest {max(delays)}.",
        flush=True,
    )


def served(make: Any, people: pd.DataFrame, folder: Path, draws: int) -> None:
    """Accuracy and gap after the shift under three ways of running a model."""
    rows: dict[str, list[tuple[float, float]]] = {"no loop": [], "the loop": [], "refit every batch": []}
    moved = []
    model, _ = make.adult()
    features = list(make.FEATURES)
    for k in range(draws):
        frame = make.replay("harm", people, seed=200 + k)
        place = folder / f"served{k}"
        case = case_of(place, "harm", frame, automatic=True)
        late = frame["batch"].to_numpy() >= make.PLANTED
        fit = partial(make.boosted, features=make.FEATURES, label="income")
        decided, at = ways(case, place / "out", frame, model, fit, features, "income", ">50K")
        moved.append(at)
        for name, mine in decided.items():
            rows[name].append(figures(frame[late], mine[late]))
        shutil.rmtree(place)
    print(f"\n{draws} harmful draws, people after the shift; the loop promoted at batch {moved}.")
    print("| | accuracy | gap of true positive rates by sex |\n|---|---|---|")
    for name, found_ in rows.items():
        accuracy, gap = np.mean(found_, axis=0)
        print(f"| {name} | {accuracy:.4f} | {gap:.3f} |", flush=True)


def ways(
    case: Any, out: Path, frame: pd.DataFrame, model: Any, fit: Any, features: list[str], label: str, positive: str
) -> tuple[dict[str, np.ndarray], int | None]:
    """Decisions (n,) on rows in order, by the column "batch", of three ways of running a model; when it was changed."""
    from debias.loop.serve import Servers
    from debias.loop.store import Store

    record = watched(case, out, None)
    batch = frame["batch"].to_numpy()
    first = model.predict(frame[features]) == positive
    running = np.array([b["running"] for b in record["timeline"]])
    ours = first.copy()
    store = Store(out)
    with Servers(case, store) as servers:
        for name in dict.fromkeys(running[running != running[0]].tolist()):
            at = np.isin(batch, np.flatnonzero(running == name))
            ours[at] = servers.decide(store.served(name), frame[at], features).positive == 1
    again = first.copy()
    for b in range(DELAY + 1, int(batch.max()) + 1):
        known = frame[batch <= b - DELAY - 1]
        again[batch == b] = fit(known).predict(frame.loc[batch == b, features]) == positive
    moved = int((running != running[0]).argmax()) if (running != running[0]).any() else None
    return {"no loop": first, "the loop": ours, "refit every batch": again}, moved


def figures(frame: pd.DataFrame, decided: np.ndarray) -> tuple[float, float]:
    """Accuracy, and how far the true positive rates of women and men are apart."""
    good = (frame["income"] == ">50K").to_numpy()
    women = (frame["sex"] == "Female").to_numpy()
    rates = [decided[good & mine].mean() for mine in (women, ~women)]
    return float((decided == good).mean()), float(abs(rates[0] - rates[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--served", type=int, default=3, help="draws of the comparison of three ways")
    args = parser.parse_args()
    make = script()
    _, people = make.adult()
    with tempfile.TemporaryDirectory() as folder:
        if args.draws:
            many(make, people, Path(folder), args.draws, args.batches)
        if args.served:
            served(make, people, Path(folder), args.served)


if __name__ == "__main__":
    main()
