"""What a finding says, from its fields alone: the same in terminal, screen and report; a verifier makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.findings import percent
from audit.stress.corrupt import KINDS


def words_of(entry: Mapping[str, Any]) -> str:
    """If 'age' were recorded in tens, for people with relationship is Wife. Raises KeyError for an unknown kind."""
    what = KINDS[entry["kind"]].words.format(column=repr(entry["column"]))
    part = "" if entry["share_of_them"] >= 1 else f" {percent(entry['share_of_them'])} of the"
    who = " and ".join(f"{x['column']} {x['how']} {x['value']}" for x in entry["predicate"])
    return f"if {what}, for{part} people with {who}"


def plausible(entry: Mapping[str, Any]) -> str:
    """How such an error comes about."""
    return KINDS[entry["kind"]].plausible


def figure_name(entry: Mapping[str, Any]) -> str:
    """true positive rate difference by sex."""
    name = str(entry["metric"]).replace("_", " ")
    kind = entry.get("figure", entry.get("kind"))
    return name if kind == "rate" else f"{name} {kind} by {' and '.join(entry['attribute'])}"


def noticed(entry: Mapping[str, Any]) -> str:
    """Which line of a contract would have caught it, and after how many batches the watch."""
    caught, watch = entry.get("caught"), entry.get("watch")
    if "caught" not in entry:
        return "only by a contract on the training data"
    said = "no line of a contract"
    if caught:
        column = caught["line"].get("column")
        kind = next(k for k in caught["line"] if k not in ("column", "columns", "mostly", "severity", "because"))
        said = f"the contract's {kind.replace('_', ' ')}" + (f" of {column}" if column else "")
        said += " (proposed)" if caught["proposed"] else ""
    tried = entry["watched"]
    if watch:
        many = watch["batches"]
        said += f"; the watch after {many} batch{'' if many == 1 else 'es'} of {tried['batch']:,}"
    elif tried["batches"]:
        said += f"; the watch not within {tried['batches']} batches of {tried['batch']:,}"
    else:
        said += "; the watch looks at what comes in, not at outcomes"
    return said


def best_of(entries: Any) -> list[Any]:
    """What was confirmed as worse, the largest change first; of two entries alike in words and figure one."""
    found = [e for e in entries if e["worse"]]
    return sorted(found, key=lambda e: -abs(e["change"]))


def not_found(entries: Any) -> list[str]:
    """Names of the figures for which nothing was confirmed."""
    good = {figure_name(e) for e in entries if e["worse"]}
    return list(dict.fromkeys(figure_name(e) for e in entries if figure_name(e) not in good))
