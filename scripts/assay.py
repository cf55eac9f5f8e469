"""What `.venv/bin/assay` starts: the command line of `cli.py`, from any working folder."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])
sys.argv[0] = "assay"

from cli import start  # noqa: E402 - the path above comes first

if __name__ == "__main__":
    start()
