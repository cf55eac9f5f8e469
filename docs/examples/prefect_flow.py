"""Prefect 3: a nightly audit. python prefect_flow.py audits/case.toml out"""

import subprocess
import sys

from prefect import flow, task


@task(retries=0)  # a broken norm is no hiccup: asking again would not mend it
def audit(case: str, out: str) -> str:
    done = subprocess.run(["assay", "audit", case, "--out", out, "--gate"], capture_output=True, text=True)
    if done.returncode:  # 3: a norm is broken; 2: the input cannot be used
        raise RuntimeError(done.stderr)
    return done.stdout


@flow(log_prints=True)
def nightly(case: str, out: str) -> None:
    print(audit(case, out))


if __name__ == "__main__":
    nightly(sys.argv[1], sys.argv[2])  # or nightly.serve(cron="0 3 * * *", parameters={...})
