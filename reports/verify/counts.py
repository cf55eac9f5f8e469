"""series.json: every figure whose counts are embedded is judged again from them, by the loop's own rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.series_counts import judged_again, margins_in, same_figures, stream_of
from reports.verify.result import Broken, shown


def check_counts(series: Mapping[str, Any]) -> str:
    """Each batch's gaps and their states against the published counts; what has none is counted. Raises Broken."""
    counts = series["counts"]
    points = {p["number"]: p for p in series["timeline"] if p["kind"] == "batch"}
    again: set[tuple[int, str]] = set()
    for table in counts["tables"]:
        for number, streams in margins_in(table).items():
            for place, norm in enumerate(points.get(number, {"norms": ()})["norms"], 1):
                stream = stream_of(norm["metric"])
                if norm["from"] != "counts" or norm["attribute"] != table["attribute"] or stream not in streams:
                    continue
                found = judged_again(norm, streams[stream], counts["people"])
                bad = same_figures(found, norm)
                if bad is not None:
                    raise Broken(
                        f"batch {int(number)}: norm {place} does not follow from the counts, {bad}",
                        got=shown(norm[bad]), expected=shown(found[bad]),
                    )  # fmt: skip
                again.add((number, norm["key"]))
    without = {"loop": 0, "withheld": 0}
    for number, point in points.items():
        for place, norm in enumerate(point["norms"], 1):
            if norm["from"] == "counts":
                if (number, norm["key"]) not in again:
                    raise Broken(f"batch {int(number)}: norm {place} has no counts", got="none", expected="its counts")
                continue
            without[norm["from"]] += 1
            if norm["from"] == "withheld" and any(norm[k] is not None for k in ("value", "low", "high", "people")):
                raise Broken(f"batch {int(number)}: norm {place} is withheld and told", got=shown(norm["value"]))
    last = {n["key"]: n for n in series["timeline"][-1]["norms"]} if series["timeline"] else {}
    for norm in series["norms"]:
        if norm["from"] == "counts" and norm != last.get(norm["key"]):
            raise Broken("a norm does not stand as after the last batch", got=shown(norm["value"]))
    words = f"{len(again):,} figures of batches follow from their counts"
    if without["withheld"]:
        words += f"; {without['withheld']:,} are withheld, too few people came since the one before"
    if without["loop"]:
        words += f"; {without['loop']:,} cannot be recomputed, their counts are withheld or were not kept"
    return words
