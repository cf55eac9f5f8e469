"""`assay demo`: the whole main job on one case, no questions asked, with the seconds that each stage took."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

from audit import progress
from audit.case import Case
from audit.files import canonical, write_whole


def run_demo(case: Case, out: Path) -> tuple[dict[str, Any], str]:
    """Audit, explain, mitigate, sign and verify into `out`; the document of --json and the same in words.

    The key is made for this run and its password is thrown away: the signature shows how signing works, and nothing
    about who signed.
    """
    from audit.explain import run_explain
    from audit.run import run_audit
    from debias.mitigate import run_mitigate, summary
    from reports.issue import issue_report
    from reports.keys import new_key
    from reports.verify import verify_or_raise

    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal started
        now = time.perf_counter()
        seconds[name] = round(now - started, 2)
        started = now

    audit = run_audit(case, out)
    lap("audit")
    explanation = run_explain(case, out)
    lap("explain")
    mitigation = run_mitigate(case, "reweighing", out)
    lap("mitigate")
    progress.stage("Signing")
    key_file = out / "demo-key.p12"
    key_file.unlink(missing_ok=True)
    key = new_key("Assay demonstration (no one's signature)", key_file, secrets.token_hex(16).encode())
    issued = issue_report(out, key, out / "report.pdf")
    lap("report")
    progress.stage("Verifying")
    verification = verify_or_raise((out / "report.pdf").read_bytes())
    lap("verify")
    document: dict[str, Any] = {
        "case": case.name,
        "findings": audit.evidence["findings"],
        "norms": audit.evidence["norms"],
        "report": {"file": "report.pdf", "sha256": issued.sha256, "level": issued.level},
        "verified": verification.to_json(),
        "seconds": seconds,
    }
    write_whole(out / "demo.json", canonical(document))
    lines = [f"{case.name}: {case.purpose}", ""]
    lines += [f"- {s}" for s in audit.evidence["findings"]]
    lines += ["", "What the model leans on most: " + ", ".join(e["feature"] for e in explanation["global"][:5]) + "."]
    lines += ["", *summary(mitigation), "", f"Signed: {out / 'report.pdf'} ({verification.verdict})"]
    lines += ["Seconds: " + ", ".join(f"{k} {v:.1f}" for k, v in seconds.items()) + "."]
    return document, "\n".join(lines)
