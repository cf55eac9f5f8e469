"""TODO"""

from __future__ import annotations

from collections.abc import Mapping

from audit.derived import FROM_ROWS, ONLY_WITH
from reports.attest import MODEL_CARD, STATEMENTS
from reports.manifest import NAME
from reports.verify.figures import LISTS, OWN, _alike, compare, load
from reports.verify.result import Broken


def check_rerun(files: Mapping[str, bytes], rerun: Mapping[str, bytes]) -> str:
    """The same run again from model and data: hashes equal, then every figure. Raises Broken.

    rerun : the files of the new run folder by name. Those that it lacks are named and not compared.
    """
    mine, again = load(files, "evidence.json"), load(rerun, "evidence.json")
    for part in ("data", "model"):
        a, b = mine.get(part, {}).get("sha256"), again.get(part, {}).get("sha256")
        if a != b:
            raise Broken(f"the {part} is not the one that the report was made of", got=b, expected=a)
    compared = 0
    for name in LISTS:
        right = again.get(name)
        if not isinstance(right, list):
            raise Broken("the new run is incomplete", got=f"no {name}")
        compared += compare(f"run again, {name}", mine.get(name), right)
    compared += sum(_alike(f"run again, {k}", mine[k], again.get(k)) for k in (*FROM_ROWS, *ONLY_WITH) if k in mine)
    for name, own in OWN.items():
        if name in files and name in rerun:
            right = {k: v for k, v in load(rerun, name).items() if k not in own}
            made = {k: v for k, v in load(files, name).items() if k not in own}
            compared += _alike(f"run again, {name}", made, right)
    same = [n for n in sorted(files) if n in rerun and files[n] == rerun[n]]
    made_of_these = (NAME, STATEMENTS, MODEL_CARD)  # each has a check of its own
    left = [n for n in sorted(files) if n not in rerun and n not in made_of_these]
    words = f"; not run again: {', '.join(left)}" if left else ""
    return (
        f"{compared:,} values computed again from model and data and found equal; same bytes: {', '.join(same)}{words}"
    )
