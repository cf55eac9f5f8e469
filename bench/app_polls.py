"""What a job that waits sends to the browser: `bench/app_polls.py`, bytes and messages over ten seconds in Chromium.

A job that stands still (a command that sleeps) is opened on a screen; of each second it prints the frames of the
websocket that the browser received and sent. Then its progress is moved once a second, and the same is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SECONDS = 10


def main() -> None:
    from app_start import SETTLED, app

    with tempfile.TemporaryDirectory() as home:
        case, job = "a" * 32, "b" * 32
        place = Path(home) / "cases" / case
        (place / "run").mkdir(parents=True)
        (place / "sample").write_text("german_credit.toml")
        work = Path(home) / "jobs" / job
        work.mkdir(parents=True)
        waits = subprocess.Popen(["sleep", "600"])
        ticks = Path(f"/proc/{waits.pid}/stat").read_text().rpartition(")")[2].split()[19]
        record = {"id": job, "args": ["audit", "x"], "pid": waits.pid, "ticks": ticks, "started": time.time()}
        (work / "job.json").write_text(json.dumps(record))
        progress(work, 1)
        with app(home, f"data?case={case}&job={job}") as (page, _):
            frames: list[tuple[str, int]] = []

            def opened(socket: object) -> None:
                socket.on("framereceived", lambda data: frames.append(("received", len(data))))  # type: ignore[attr-defined]
                socket.on("framesent", lambda data: frames.append(("sent", len(data))))  # type: ignore[attr-defined]

            page.on("websocket", opened)
            page.reload(wait_until="commit")
            page.get_by_role("button", name="Cancel").wait_for(timeout=120_000)
            page.wait_for_selector(SETTLED, timeout=120_000, state="attached")
            page.wait_for_timeout(8000)
            for words, moves in (("a job that stands still", False), ("a job that moves once a second", True)):
                frames.clear()
                for second in range(SECONDS):
                    if moves:
                        progress(work, 2 + second)
                    page.wait_for_timeout(1000)
                for way in ("received", "sent"):
                    sizes = [n for w, n in frames if w == way]
                    print(f"{words}, {SECONDS} s, {way}: {len(sizes)} frames, {sum(sizes):,} bytes", flush=True)
            print(page.get_by_test_id("stProgress").inner_text())
        waits.terminate()
        waits.wait(30)


def progress(work: Path, done: int) -> None:
    (work / "progress.json").write_text(json.dumps({"stage": "Asking the model", "done": done, "total": 40}))


if __name__ == "__main__":
    main()
