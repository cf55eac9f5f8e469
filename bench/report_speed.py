"""How long a report takes: printed and signed, verified with everything made again, and its size and memory.

    python bench/report_speed.py RUN_FOLDER [--repeat 3]

RUN_FOLDER is what `assay audit` (explain, mitigate) wrote. The peer in the same process is pyHanko's own validation,
which checks the signatures and no figure; the last line says how much of our time the figures and pages take.
"""

from __future__ import annotations

import argparse
import io
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def timed(work: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """The median of `repeat` runs in seconds, and the last result."""
    seconds, result = [], None
    for _ in range(repeat):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def pyhanko_only(pdf: bytes) -> int:
    """What a verifier does that knows nothing of audits: each signature, and what changed after it."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    signatures = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures
    for signature in signatures:
        signature.compute_integrity_info()
    return len(signatures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()

    from reports.approve import approve
    from reports.issue import issue_report
    from reports.keys import new_key
    from reports.verify import verify, verify_or_raise

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        auditor = new_key("Ada Auditor", place / "ada.p12", b"a long password")
        member = new_key("Bo Board", place / "bo.p12", b"a long password")
        out = place / "report.pdf"
        first, _ = timed(lambda: issue_report(args.run, auditor, out, members=["Bo Board"]), 1)
        issue, issued = timed(lambda: issue_report(args.run, auditor, out, members=["Bo Board"]), args.repeat)
        pdf = out.read_bytes()
        whole, found = timed(lambda: verify_or_raise(pdf), args.repeat)
        signatures, _ = timed(lambda: verify(pdf, contents=False), args.repeat)
        broken = pdf[:5000] + bytes([pdf[5000] ^ 1]) + pdf[5001:]
        flipped, _ = timed(lambda: verify(broken), max(20, args.repeat))
        decide, signed = timed(lambda: approve(pdf, member, decision="approve", reason="Inside the norms."), 1)
        later, _ = timed(lambda: verify_or_raise(signed.pdf), args.repeat)
        peer, _ = timed(lambda: pyhanko_only(signed.pdf), args.repeat)
    figures = next(c.detail for c in found.checks if c.name == "figures")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        ("printed and signed, first time", first),
        (f"printed and signed, again ({issued.size:,} bytes)", issue),
        ("verified: one signature, every figure, every page", whole),
        ("verified: one signature, without figures and pages", signatures),
        ("refused: one bit changed", flipped),
        ("countersigned (verified first)", decide),
        ("verified: two signatures, every figure, every page", later),
        ("pyHanko alone: two signatures, no figure", peer),
    ]
    for words, seconds in rows:
        print(f"{words:58} {seconds:9.4f} s")
    print(f"{'ratio: two signatures with figures and pages / pyHanko':58} {later / peer:9.2f}")
    print(f"{'peak memory of the process':58} {memory:9.0f} MB")
    print(figures)


if __name__ == "__main__":
    main()
