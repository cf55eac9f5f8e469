"""The figures of docs/house.md: what the code counts, by room. `python -m scripts.house` prints the table.

They are the counts that tests/test_house.py and tests/test_house_counts.py bound.
"""

from __future__ import annotations

from collections import Counter

from tests import test_house as house
from tests import test_house_counts as counts

ROOMS = (*house.PACKAGES, "assay")


def by_room(value: Counter[str]) -> str:
    """audit 1,000, debias 500."""
    return ", ".join(f"{room} {value[room]:,}" for room in ROOMS)


def figures() -> list[tuple[str, str]]:
    """What is counted, and the count."""
    lines, keys, decimals, files, names = Counter[str](), Counter[str](), Counter[str](), 0, 0
    for module, path in house.MODULES.items():
        name = path.relative_to(house.ROOT).as_posix()
        room, tree = name.split("/")[0], house.tree_of(path)
        lines[room] += len(path.read_text(encoding="utf-8").splitlines())
        files += 1
        keys[room] += 0 if name in counts.EDGES else counts.by_key(tree)
        names += sum(1 for _ in counts.named_so(tree)) if module not in counts.FACTS else 0
        decimals[room] += 0 if name in counts.NUMBERS else counts.decimals(tree)
    words: dict[str, set[str]] = {}
    for room in ROOMS:
        for place, text in counts.literals_of(room):
            for six in counts.six_words(text) if place.partition(":")[0] not in counts.ALONE else ():
                words.setdefault(six, set()).add(place.partition(":")[0])
    here, there = counts.fragments("screens"), counts.fragments("reports")
    doors = [f"{door}.py" for door in house.DOORS if door != "assay"]
    return [
        ("lines of code by room, without tests", by_room(lines)),
        ("files", f"{files:,}"),
        ('`["key"]` subscripts outside the JSON edge', f"{sum(keys[r] for r in ROOMS)} ({by_room(keys)})"),
        ("variables, functions and classes called said, given, found, told or made", f"{names:,}"),
        ("files at the JSON edge, each with its reason", str(len(counts.EDGES))),
        ("modules that import themselves by way of others", str(len(house.circles(house.edges())))),
        ("functions over a complexity of 10", str(len(counts.branching([*house.PACKAGES, "assay", *doors])))),
        ("numbers written with decimals in place", f"{sum(decimals[r] for r in ROOMS)}"),
        ("six words in a row both in screens/ and reports/", str(len(here.keys() & there.keys()))),
        ("six words in a row in two files of any rooms", str(sum(len(f) > 1 for f in words.values()))),
    ]


if __name__ == "__main__":
    print("| what is counted | count |\n|---|---|")
    print("\n".join(f"| {what} | {count} |" for what, count in figures()))
