"""Decides by the pointer that `assay watch` keeps, and hands over what it served: the two ends of the circle."""

from __future__ import annotations

import csv
import uuid
from pathlib import Path
from typing import Any

import pandas as pd
import skops.io

import assay


class Decider:
    """Looks at running.json again before each decision (one stat of a file): a promotion needs no restart."""

    def __init__(self, pointer: Path, no: str = "no") -> None:
        self._pointer, self._no, self._stamp = pointer, no, 0
        self.problem: str | None = None
        self.running = assay.load_running(pointer)
        self._look()

    def _look(self) -> None:
        stamp = self._pointer.stat().st_mtime_ns
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            record = assay.load_running(self._pointer)
            self._model = None if record.file is None else skops.io.load(record.file)
            self.running, self.problem = record, None
        except assay.AssayError as error:
            self.problem = str(error)  # the model that was believed goes on

    def decide(self, person: dict[str, Any]) -> dict[str, Any]:
        """decision, score and model: to be answered, and logged."""
        self._look()
        running = self.running
        if self._model is None:
            score = float(person["score"])
        else:
            row = pd.DataFrame([{f: person[f] for f in running.features}])
            score = float(
                self._model.predict_proba(row)[0][[str(c) for c in self._model.classes_].index(running.positive)]
            )
        if running.threshold is None:
            yes = str(self._model.predict(row)[0]) == running.positive
        else:
            yes = score >= running.threshold
        return {"decision": running.positive if yes else self._no, "score": score, "model": running.id}


class Feed:
    """What was served, as files of `size` rows in the folder that `assay watch` reads, each put in place whole."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder, self._size, self._rows, self._count = folder, size, [], 0
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) < self._size:
            return
        part = self._folder / f".{uuid.uuid4().hex}.part"
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._rows[0])
            writer.writeheader()
            writer.writerows(self._rows)
        part.rename(self._folder / f"{self._count:08d}-{uuid.uuid4().hex[:8]}.csv")
        self._rows, self._count = [], self._count + 1
