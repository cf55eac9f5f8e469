"""Reports that another WeasyPrint has set, verified with the one that is installed: python bench/other_versions.py.

    python bench/other_versions.py [VERSION ...]      (default: 69.0 68.1; `make other-versions`)

Each version is installed into a folder of its own under the system's temporary folder, with what it needs, and only
the printing runs with it. What is printed: the exit code of `assay verify` (5: verified in part), and its line on the
pages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "sample_data" / "german_credit.toml"
VERSIONS = ("69.0", "68.1")


def assay(*arguments: str, packages: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process; `packages` go before what is installed."""
    environment = dict(os.environ, ASSAY_KEY_PASSWORD="other versions")
    if packages is not None:
        environment["PYTHONPATH"] = str(packages)
    line = [sys.executable, str(ROOT / "cli.py"), *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)


def must(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise SystemExit(f"{done.args} ended with {done.returncode}\n{done.stderr}")


def main(versions: list[str]) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        must(assay("audit", str(CASE), "--out", str(folder / "run")))
        must(assay("keys", "new", "--name", "Ada Auditor", "--out", str(folder / "key.p12")))
        wrong = 0
        for version in ["installed", *versions]:
            packages = None
            if version != "installed":
                packages = folder / version
                get = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]
                subprocess.run([*get, str(packages), f"weasyprint=={version}"], check=True)
            report = folder / f"{version}.pdf"
            arguments = ("report", str(folder / "run"), "--key", str(folder / "key.p12"), "--out", str(report))
            must(assay(*arguments, packages=packages))
            again = folder / f"{version}-again.pdf"
            done = assay("verify", str(report), "--json", "--print-again", str(again))
            checks = {c["check"]: c for c in json.loads(done.stdout)["checks"]}
            print(f"\nWeasyPrint {version}: assay verify ends with {done.returncode}")
            failed = [name for name, line in checks.items() if line["status"] == "failed"]
            for check in failed or ("faces", "printed pages"):
                line = checks[check]
                print(f"  {check}: {line['status']}: {line['detail']}")
                if line.get("got"):
                    print(f"    {line['got']}")
            print(f"  printed afresh: {again.stat().st_size:,} bytes" if again.exists() else "  not printed afresh")
            wrong += done.returncode != (0 if version == "installed" else 5)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(VERSIONS)))
