"""Dagster: an audit as an asset, its norms as a check that blocks what lies downstream."""

import json
import os
import subprocess

import dagster as dg

CASE, OUT = os.environ.get("ASSAY_CASE", "audits/case.toml"), os.environ.get("ASSAY_OUT", "out")


@dg.asset(check_specs=[dg.AssetCheckSpec("norms", asset="people_audit", blocking=True)])
def people_audit() -> dg.MaterializeResult:
    done = subprocess.run(["assay", "audit", CASE, "--out", OUT, "--gate", "--json"], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise dg.Failure(done.stderr)
    evidence, words = json.loads(done.stdout), done.stderr.rpartition("assay audit: ")[2]
    norms = dg.AssetCheckResult(check_name="norms", passed=done.returncode == 0, description=words)
    about = {"rows": evidence["data"]["rows"], "findings": dg.MetadataValue.md("\n".join(evidence["findings"]))}
    return dg.MaterializeResult(metadata=about, check_results=[norms])
