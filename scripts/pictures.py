"""Take the README's pictures from the real thing: a screen of the app and the board's page of a signed report.

.venv/bin/python scripts/pictures.py RUN_FOLDER     (a folder that `assay demo` wrote; needs the test tools)
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"


def main(run: Path) -> None:
    from playwright.sync_api import sync_playwright

    subprocess.run(
        [
            "pdftoppm",
            "-r",
            "72",
            "-f",
            "2",
            "-l",
            "2",
            "-singlefile",
            "-png",
            str(run / "report.pdf"),
            str(IMAGES / "report"),
        ],
        check=True,
    )
    with tempfile.TemporaryDirectory() as home:
        os.environ["ASSAY_HOME"] = home
        sys.path.insert(0, str(ROOT))
        from screens.workspace import sample_case

        folder = sample_case("adult.toml")
        shutil.copytree(run, folder.run)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        app = subprocess.Popen([*command, "--browser.serverPort", str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            time.sleep(8)
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1180, "height": 1180})
                page.goto(f"http://127.0.0.1:{port}/model?case={folder.id}")
                page.get_by_text("Ask of the decisions").wait_for(timeout=60_000)
                page.locator(".js-plotly-plot").first.wait_for(timeout=60_000)
                page.get_by_role("combobox", name="Question").first.wait_for(timeout=60_000)
                time.sleep(4)
                page.screenshot(path=str(IMAGES / "screen.png"))
                browser.close()
        finally:
            app.terminate()
            app.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
