"""`assay demo`: the whole main job on one case, no questions asked, with the seconds that each stage took."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from audit import progress
from audit.case import Case
from audit.errors import AssayError
from audit.files import canonical, write_whole
from audit.models.process import processors
from audit.numbers import fixed
from debias.methods.method import REWEIGHING
from reports import typesetter
from reports.signing_key import SigningKey

FITS = 6
"""Fits of the stress test in the demonstration."""


def run_demo(case: Case, out: Path, stress: bool = False) -> tuple[dict[str, Any], str]:
    """Audit, explain, mitigate, sign and verify into `out`; the document of --json and the same in words.

    The key is made for this run and its password is thrown away: the signature shows how signing works, and nothing
    about who signed. stress: with the worst corruptions and variants of the pipeline.
    """
    from audit.explain import run_explain
    from audit.run import run_audit
    from debias.mitigate import run_mitigate, summary
    from reports.issue import collected, issue_report
    from reports.keys import new_key
    from reports.verify import verify_or_raise
    from reports.verify.apart import Ready

    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal started
        now = time.perf_counter()
        seconds[name] = round(now - started, 2)
        started = now

    def audited() -> tuple[Any, dict[str, Any], SigningKey]:
        audit = run_audit(case, out)
        mitigation = run_mitigate(case, REWEIGHING, out)
        # Explaining takes longer: what signing and printing need is made ready meanwhile.
        key_file = out / "demo-key.p12"
        key_file.unlink(missing_ok=True)
        key = new_key("Assay demonstration (no one's signature)", key_file, secrets.token_hex(16).encode())
        typesetter.load()
        for name in ("pikepdf", "pyhanko.sign.signers"):
            import_module(name)
        return audit, mitigation, key

    with Ready() as ready:
        explanation, (audit, mitigation, key) = _side_by_side(partial(run_explain, case, out), audited)
        ready.figures(collected(out))  # in this thread: the kernel ends a process with the thread that began it
        lap("audit, explain and mitigate")
        stressed = _stressed(case, out, lap) if stress else []
        issued = issue_report(out, key, out / "report.pdf", printing=ready.pages)
        lap("report")
        verification = verify_or_raise((out / "report.pdf").read_bytes(), ready=ready)
        lap("verify")
    results = {key: audit.evidence[key] for key in ("findings", "norms")}
    document: dict[str, Any] = {
        "case": case.name,
        **results,
        "report": {"file": "report.pdf", "sha256": issued.sha256, "level": issued.level},
        "verified": verification.to_json(),
        "seconds": seconds,
    }
    write_whole(out / "demo.json", canonical(document))
    lines = [f"{case.name}: {case.purpose}", ""]
    lines += [f"- {s}" for s in results.get("findings", ())]
    lines += ["", "What the model leans on most: " + ", ".join(e["feature"] for e in explanation["global"][:5]) + "."]
    lines += ["", *summary(mitigation), "", *stressed, f"Signed: {out / 'report.pdf'} ({verification.verdict})"]
    lines += ["Seconds: " + ", ".join(f"{k} {fixed(v, 1)}" for k, v in seconds.items()) + "."]
    return document, "\n".join(lines)


def _side_by_side(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Both results, of stages that have nothing to do with each other; with one processor one after the other. The
    stages of the first are told. Where both fail, the second's error is raised: it began with what both rest on."""
    if processors() < 2:
        result = second()
        return first(), result

    def quietly() -> Any:
        progress.hush()
        return second()

    beside = ThreadPoolExecutor(1)
    try:
        other = beside.submit(copy_context().run, quietly)
        try:
            result = first()
        except AssayError:
            other.result()
            raise
        return result, other.result()
    finally:  # nobody waits for it who is asked to end: what it asks ends with the job
        beside.shutdown(wait=False)


def run_stressed(cases: Sequence[Path], out: Path) -> tuple[dict[str, Any], str]:
    """The demonstration of each case file in a folder of its own, with a contract, what could go wrong, and what-ifs.

    The first in this process and the others beside it: they have nothing to do with each other.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=progress.hush) as beside:
        others = [beside.submit(_one_stressed, path, out) for path in cases[1:]]
        results = [_one_stressed(cases[0], out), *(f.result() for f in others)]
    document = {"cases": [d for d, _ in results]}
    return document, "\n\n".join(words for _, words in results)


def _one_stressed(path: Path, out: Path) -> tuple[dict[str, Any], str]:
    from audit.load import load_case

    case = load_case(path)
    return run_demo(contracted(case, out), out / _folder(case), stress=True)


def contracted(case: Case, out: Path) -> Case:
    """The case with a contract proposed from the rows that its model learned from."""
    from audit.contract.propose import propose
    from audit.contract.read import dump, read_contract
    from audit.load import load_rows

    rows = load_rows(case, everything=True)
    reference = rows.frame if rows.train is None else rows.frame[rows.train]
    file = out / _folder(case) / "contract.toml"
    write_whole(file, dump(propose(reference, rows.features)).encode())
    return replace(case, contract=read_contract(file), contract_file=file)


def _folder(case: Case) -> str:
    return "".join(c if c.isalnum() else "-" for c in case.name.lower())


def _stressed(case: Case, out: Path, lap: Callable[[str], None]) -> list[str]:
    from debias.stress.run import lines as stress_lines
    from debias.stress.run import run_stress
    from debias.whatif.run import lines, run_whatif

    stress = run_stress(case, out, fits=FITS)
    lap("stress")
    variants = run_whatif(case, out, learner="logistic")
    lap("what if")
    return [*stress_lines(stress), "", *lines(variants), ""]
