"""`assay demo`."""

from __future__ import annotations

from pathlib import Path

from assay._commands.parsing import FOLDER, Option, Result, command


@command(
    Option("--out", type=FOLDER, default="assay-demo", show_default=True, metavar="DIR", help="Where it is written."),
    Option("--watch", is_flag=True, help="The loop on replays with planted shifts instead."),
    Option("--stress", is_flag=True, help="With a contract, the worst corruptions and what-ifs, on two samples."),
)
def demo(out: Path, watch: bool, stress: bool) -> Result:
    samples = Path(__file__).resolve().parents[2] / "sample_data"
    if watch:
        from debias.loop.demo import run_replays

        return Result(*run_replays(samples / "replays", out))
    from audit.load import load_case
    from reports.demo import run_demo, run_stressed

    if stress:
        return Result(*run_stressed([samples / f"{n}.toml" for n in ("adult", "german_credit")], out))

    return Result(*run_demo(load_case(samples / "adult.toml"), out))
