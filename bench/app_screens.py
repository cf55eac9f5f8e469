"""How long a warm screen takes, on the German credit sample, in Chromium: `bench/app_screens.py`.

Each screen is opened twice in one window; of the second time it prints the seconds until its title stands and until it
is settled, and the seconds of processor of server and browser, which do not depend on what else runs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TITLES = {
    "Set up": "Set up", "Who is in the data": "Who is in the data", "What the model does": "What the model does",
    "Mitigate and watch": "Mitigate and watch", "Report": "Report", "Start": "Assay",
}  # fmt: skip


def main() -> None:
    from app_start import SETTLED, app, worked

    from cli import main as assay

    with tempfile.TemporaryDirectory() as home:
        place, file = Path(home) / "cases" / ("a" * 32), str(ROOT / "sample_data" / "german_credit.toml")
        place.mkdir(parents=True)
        (place / "sample").write_text("german_credit.toml")
        for command in (["audit", file], ["mitigate", file, "--method", "reweighing"]):
            assert assay([*command, "--out", str(place / "run")]) == 0
        with app(home, f"data?case={place.name}") as (page, pid):
            page.wait_for_selector(SETTLED, timeout=120_000, state="attached")
            for number in range(2):
                for link, title in TITLES.items():
                    page.wait_for_timeout(3000)
                    own, all_, began = worked(pid), worked(os.getpid()), time.monotonic()
                    page.get_by_role("link", name=link, exact=True).first.click()
                    page.get_by_role("heading", name=title, exact=True).first.wait_for(timeout=120_000)
                    heading = time.monotonic() - began
                    page.wait_for_selector(SETTLED, timeout=120_000, state="attached")
                    took, ours = time.monotonic() - began, worked(pid) - own
                    if number:
                        print(f"{link}: title {heading:.2f} s, settled {took:.2f} s; processor: server {ours:.2f} s, "
                              f"browser {worked(os.getpid()) - all_ - ours:.2f} s; load {os.getloadavg()[0]:.0f}",
                              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
