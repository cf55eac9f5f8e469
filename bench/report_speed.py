"""How long a report takes: printed and signed, verified with everything made again; its memory; how both grow.

    python bench/report_speed.py RUN_FOLDER [--repeat 3] [--printing]
    python bench/report_speed.py --growth [--groups 2 8 32 100] [--batches 52 260 520]

RUN_FOLDER is what `assay audit` (explain, mitigate) wrote. Seconds are those of one processor (CPU); wall-clock seconds
stand beside them. The reference is to load WeasyPrint and set one page of plain text, in a process of its own: divide
by it to compare machines, and times at which other work runs. The peer is pyHanko's own validation, which checks the
signatures and no figure. A report is printed and verified in processes of their own, since pages once set are kept for
the life of a process; "a running app" is a process that has printed before and has forgotten the pages, so that
it sets every one anew. A verification makes them again, in a further process whose seconds and memory count too.
--growth prints and verifies made-up audits of more and more groups, and the replay in which nothing happens cut into
more and more batches; its history is the loop's own, with the counts of every batch. veraPDF is run where it is on
PATH.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
ROOT = Path(__file__).resolve().parent.parent
PASSWORD = b"a long password"

HEAD = """
import json, resource, sys, time
from pathlib import Path
from reports.keys import load_key
def peak():
    # Not ru_maxrss where it can be helped: on Linux that of the process which started this one is carried over.
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(l.split()[1]) for l in status.read_text().splitlines() if l.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def cpu():
    # With the processes that this one started and that have ended: a report is judged in one of its own.
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime
def say(work):
    clock, before = time.perf_counter(), cpu()
    out = work()
    spent = [cpu() - before, time.perf_counter() - clock]
    print(json.dumps([*spent, max(peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024), out]))
"""
WORK = {
    "reference": "def work():\n"
    "    import weasyprint\n"
    "    return len(weasyprint.HTML(string='<p>' + 'One page of words. ' * 150).write_pdf())\n"
    "say(work)",
    "issue": "from reports.issue import issue_report\n"
    "def work():\n"
    "    key = load_key(Path(sys.argv[2]), b'a long password')\n"
    "    return issue_report(Path(sys.argv[1]), key, Path(sys.argv[3]), members=['Bo Board'], annex=sys.argv[4]).size\n"
    "say(work)",
    "issue again": "from reports.issue import issue_report\n"
    "from reports.pdf import forget\n"
    "def work():\n"
    "    key = load_key(Path(sys.argv[2]), b'a long password')\n"
    "    return issue_report(Path(sys.argv[1]), key, Path(sys.argv[3]), members=['Bo Board'], annex=sys.argv[4]).size\n"
    "work(); forget(); say(work)",
    "verify": "from reports.verify import verify_or_raise\n"
    "data = Path(sys.argv[1]).read_bytes()\n"
    "say(lambda: next(c.detail for c in verify_or_raise(data).checks if c.name == 'figures'))",
    "signatures only": "from reports.verify import verify\n"
    "data = Path(sys.argv[1]).read_bytes()\n"
    "verify(data, contents=False); say(lambda: len(verify(data, contents=False).checks))",
    "one bit changed": "from reports.verify import verify\n"
    "data = Path(sys.argv[1]).read_bytes(); data = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]\n"
    "verify(data); say(lambda: verify(data).ok)",
    "approve": "from reports.approve import approve\n"
    "data = Path(sys.argv[1]).read_bytes(); key = load_key(Path(sys.argv[2]), b'a long password')\n"
    "say(lambda: Path(sys.argv[3]).write_bytes(approve(data, key, decision='approve', reason='Inside.').pdf))",
    "pyhanko": "import io\nfrom pyhanko.pdf_utils.reader import PdfFileReader\n"
    "data = Path(sys.argv[1]).read_bytes()\n"
    "def work():\n"
    "    found = PdfFileReader(io.BytesIO(data)).embedded_regular_signatures\n"
    "    [s.compute_integrity_info() for s in found]\n"
    "    return len(found)\n"
    "say(work)",
}


def measured(name: str, *arguments: object, repeat: int = 1) -> tuple[float, float, float, object]:
    """CPU seconds, wall seconds (medians), peak memory in MB, and what the work said, each time in a new process."""
    runs = []
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, "-c", HEAD + WORK[name], *map(str, arguments)], cwd=ROOT, capture_output=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return (*(statistics.median(r[i] for r in runs) for i in range(3)), runs[-1][3])  # type: ignore[return-value]


def made_up(groups: int, folder: Path) -> Path:
    """A run folder on 200 people in each of `groups` groups, drawn by seed."""
    from audit.gaps import Settings
    from audit.load import load_case
    from audit.run import run_audit

    draw = random.Random(groups)
    with (folder / "rows.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["area", "truth", "decided"])
        for g in range(groups):
            out.writerows([f"Area {g:03}", int(draw.random() < 0.4), int(draw.random() < 0.3)] for _ in range(200))
    (folder / "case.toml").write_text(
        f'[case]\nname = "{groups} groups"\npurpose = "How a report grows"\n[data]\npath = "rows.csv"\n'
        'label = "truth"\npositive = "1"\nsensitive = ["area"]\n[model]\ndecision = "decided"\n'
    )
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=500))
    return folder / "run"


def watched(batches: int, folder: Path) -> Path:
    """A run folder on the replay in which nothing happens, its 26,000 people in so many batches, with its history."""
    import pandas as pd

    from audit.gaps import Settings
    from audit.load import load_case
    from audit.run import run_audit
    from debias.loop.run import run_watch

    replays = ROOT / "sample_data" / "replays"
    frame = pd.read_parquet(replays / "quiet.parquet")
    frame["batch"] = [i * batches // len(frame) for i in range(len(frame))]
    frame.to_parquet(folder / "quiet.parquet")
    for name in ("model.skops", "norms.toml", "quiet.toml"):
        shutil.copy(replays / name, folder / name)
    case = load_case(folder / "quiet.toml")
    run_audit(case, folder / "run", Settings(draws=500))
    run_watch(case, folder / "run")
    return folder / "run"


def run_watched(run: Path) -> bool:
    """Whether a run folder has a loop's history."""
    return (run / "watch.json").is_file()


def standards(pdf: Path) -> str:
    """What veraPDF says, or that it was not run."""
    tool = shutil.which("verapdf")
    if tool is None:
        return "veraPDF: not run, it is not on PATH"
    verdicts = []
    for flavour in ("3a", "ua1"):
        done = subprocess.run([tool, "-f", flavour, "--format", "text", str(pdf)], capture_output=True, text=True)
        verdicts.append(f"{flavour} {done.stdout.split(' ')[0]}")
    return "veraPDF: " + ", ".join(verdicts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument(
        "--growth", action="store_true", help="only how size, time and memory grow; needs no run folder"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--printing", action="store_true", help="only what printing and signing take")
    parser.add_argument("--groups", type=int, nargs="*", default=[2, 8, 32, 100])
    parser.add_argument("--batches", type=int, nargs="*", default=[52, 260, 520])
    args = parser.parse_args()
    if args.run is None and not args.growth:
        parser.error("give a run folder, or --growth")

    import pikepdf

    from reports.keys import new_key

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ada, bo, pdf, two = (folder / n for n in ("ada.p12", "bo.p12", "report.pdf", "two.pdf"))
        new_key("Ada Auditor", ada, PASSWORD)
        new_key("Bo Board", bo, PASSWORD)
        if args.growth:
            grown("groups", args.groups, made_up, folder, ada, pdf)
            grown("batches watched", args.batches, watched, folder, ada, pdf)
            return
        n = args.repeat
        rows = [
            ("reference: one page of text by WeasyPrint", measured("reference", repeat=n)),
            *(
                (f"printed and signed, {title}, {place}", measured(work, args.run.resolve(), ada, pdf, annex, repeat=n))
                for annex, title in (("none", "no annex"), ("full", "full"))
                for work, place in (("issue", "a new process"), ("issue again", "a running app"))
            ),
        ]
        if not args.printing:
            rows += [
                ("verified: every signature, figure and page", measured("verify", pdf, repeat=n)),
                ("verified: without figures and pages", measured("signatures only", pdf, repeat=n)),
                ("refused: one bit changed", measured("one bit changed", pdf, repeat=n)),
                ("countersigned (verified first)", measured("approve", pdf, bo, two, repeat=n)),
                ("pyHanko alone: two signatures, no figure", measured("pyhanko", two, repeat=n)),
            ]
        unit = rows[0][1][0]
        print(f"| {'what':44} | CPU s | / reference | wall s | peak MB |\n|---|---|---|---|---|")
        for words, (cpu, wall, memory, _) in rows:
            print(f"| {words:44} | {cpu:.3f} | {cpu / unit:.1f} | {wall:.3f} | {memory:.0f} |")
        with pikepdf.open(pdf) as document:
            note = "" if args.printing else f" {rows[5][1][3]}."
            print(f"\nThe full one: {len(document.pages)} pages, {pdf.stat().st_size:,} bytes.{note}")
        print(standards(pdf) + "\n")


def grown(what: str, sizes: list[int], make: Any, folder: Path, key: Path, pdf: Path) -> None:
    """One row for each size: pages, bytes, and what printing and verifying take."""
    import pikepdf

    heads = ("pages", "bytes", "history, bytes", "printed and signed, CPU s", "peak MB", "verified, CPU s", "peak MB")
    print(f"| {what} | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    for size in sizes:
        place = folder / f"{what} {size}"
        place.mkdir()
        run = make(size, place)
        issue, check = measured("issue", run, key, pdf, "full"), measured("verify", pdf)
        with pikepdf.open(pdf) as document:
            pages = len(document.pages)
            history = len(document.attachments["series.json"].get_file().read_bytes()) if run_watched(run) else 0
        row = (f"{size:,}", pages, f"{pdf.stat().st_size:,}", f"{history:,}", f"{issue[0]:.2f}", f"{issue[2]:.0f}")
        print("| " + " | ".join(map(str, row)) + f" | {check[0]:.2f} | {check[2]:.0f} |", flush=True)
    print()


if __name__ == "__main__":
    main()
