"""`assay publish`: a finished audit beside the model in an MLflow registry, or as an event in a lineage store.

What goes out is what a report would hold: small groups are withheld, nobody is explained, no row is in it. The verdict
among the tags is no approval: that is the countersigned report.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit.documents import record_in
from audit.documents.evidence import Evidence
from audit.errors import DataError, InputError, ModelError, nearest
from audit.evidence import sha256
from audit.files import canonical
from audit.models.registry import Registry
from audit.models.served.addresses import check_address
from audit.models.served.client import Access, Client
from audit.publish import publish_files
from reports.machine.openlineage import to_event
from reports.manifest import strict_json

EXPERIMENT = "assay"
LINEAGE_URL, LINEAGE_KEY = "OPENLINEAGE_URL", "OPENLINEAGE_API_KEY"
MOST_METRICS = 1000


def publish(
    run: Path,
    to: str,
    *,
    uri: str | None = None,
    report: Path | None = None,
    ca: Path | None = None,
    plain_text: bool = False,
    now: dt.datetime,
) -> dict[str, Any]:
    """Write the audit in the folder `run` to "mlflow" or "openlineage"; says where it went.

    uri: the server, else MLFLOW_TRACKING_URI or OPENLINEAGE_URL. report: the signed PDF of this very audit, stored
    beside it (mlflow). Raises InputError and its children; nothing on this machine changes.
    """
    if to not in WAYS:
        raise InputError(
            "there is no such place to publish to", got=repr(to), expected=", ".join(WAYS), todo=nearest(to, WAYS)
        )
    files = {}
    for name in ("evidence.json", "cube.json"):
        try:
            files[name] = (run / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"{name} is missing", got=str(run), expected="the folder of a finished audit",
                todo="run `assay audit` first",
            ) from error  # fmt: skip
    content = publish_files(files)["evidence.json"]
    pdf = None if report is None else _same(report, content)
    evidence = record_in(Evidence, strict_json(content, "evidence.json"), "evidence.json")
    return WAYS[to](evidence, content, pdf, uri, ca, plain_text, now)


def _same(report: Path, evidence: bytes) -> bytes:
    """The report's bytes, where it holds this very evidence. Raises DataError."""
    from reports.verify.reading import attachments_of

    try:
        pdf = report.read_bytes()
    except OSError as error:
        raise DataError(
            f"the report {report.name!r} cannot be read", got=error.strerror or str(error), expected="a report",
            todo="correct the path",
        ) from error  # fmt: skip
    if attachments_of(pdf).get("evidence.json") != evidence:
        raise DataError(
            f"{report.name!r} is no report of this audit",
            got="another evidence.json inside it",
            expected=f"evidence with sha256 {sha256(evidence)}",
            todo="issue the report again from this folder (`assay report`), or name its own folder",
        )
    return pdf


def verdict(evidence: Evidence) -> str:
    """Where the norms stand, in one word: broken, undecided, inside, or none where nothing could be judged."""
    known = [n for n in evidence.norms if n.value is not None]
    if any(n.breached for n in known):
        return "broken"
    return "none" if not known else "undecided" if any(n.status == "undecided" for n in known) else "inside"


def metrics(evidence: Evidence) -> dict[str, float]:
    """`assay/METRIC/KIND/ATTRIBUTE` -> value, of every gap that could be estimated; `.low` and `.high` beside it."""
    out: dict[str, float] = {}
    for gap in evidence.gaps:
        if gap.value is None:
            continue
        by = "+".join(re.sub(r"[^A-Za-z0-9_.-]", "_", a) for a in gap.attribute)
        name = f"assay/{gap.metric}/{gap.kind}/{by}"[:240]
        for suffix, value in (("", gap.value), (".low", gap.low), (".high", gap.high)):
            if value is not None:
                out.setdefault(name + suffix, value)
    return dict(list(out.items())[:MOST_METRICS])


def _to_mlflow(
    evidence: Evidence, content: bytes, pdf: bytes | None, uri: str | None, ca: Path | None, plain: bool,
    now: dt.datetime,
) -> dict[str, Any]:  # fmt: skip
    known = evidence.model.registry or {}
    tags = {
        "assay.verdict": verdict(evidence),
        "assay.policy": evidence.policy.version,
        "assay.evidence.sha256": sha256(content),
        "assay.case": evidence.case.name[:250],
        # Also where there is none: that of an earlier audit must not stand beside this one's evidence.
        "assay.report.sha256": "none" if pdf is None else sha256(pdf),
        **({} if not known else {"assay.model": f"{known['name']}/{known['version']}"}),
    }
    millis = int(now.timestamp() * 1000)
    with Registry(uri or known.get("uri"), ca=ca, plain_text=plain, what="the tracking server") as server:
        experiment = _experiment(server, known.get("run_id"))
        made = server.post(
            "runs/create", once=True, experiment_id=experiment, start_time=millis, run_name=tags["assay.case"],
            tags=[{"key": k, "value": v} for k, v in tags.items()],
        )  # fmt: skip
        info = made["run"]["info"]
        run, where = str(info["run_id"]), urlsplit(str(info["artifact_uri"]))
        status = "FAILED"
        try:
            found = metrics(evidence)
            server.post(
                "runs/log-batch", run_id=run,
                metrics=[{"key": k, "value": v, "timestamp": millis, "step": 0} for k, v in found.items()],
                params=[{"key": "assay.purpose", "value": evidence.case.purpose[:500]}],
            )  # fmt: skip
            if where.scheme != "mlflow-artifacts":
                raise ModelError(
                    "the tracking server does not take files itself", got=f"artifacts at {where.scheme or 'a path'}",
                    expected="a server with --artifacts-destination", todo="start it so; metrics and tags are written",
                )  # fmt: skip
            folder = where.path.strip("/")
            server.put_artifact(f"{folder}/assay/evidence.json", content)
            if pdf is not None:
                server.put_artifact(f"{folder}/assay/report.pdf", pdf)
            if known:
                for key, value in tags.items():
                    server.post(
                        "model-versions/set-tag", name=known["name"], version=known["version"], key=key, value=value
                    )
            status = "FINISHED"
        finally:
            with contextlib.suppress(ModelError) if status == "FAILED" else contextlib.nullcontext():
                server.post("runs/update", run_id=run, status=status, end_time=millis)
        return {"to": "mlflow", "uri": server.uri, "run_id": run, "metrics": len(found), "tags": tags,
                "model": f"{known['name']}/{known['version']}" if known else None,
                "files": ["assay/evidence.json", *(["assay/report.pdf"] if pdf is not None else [])]}  # fmt: skip


def _experiment(server: Registry, run: str | None) -> str:
    """Where the model was trained, or the experiment called assay, made where it is not there."""
    if run:
        return str(server.get("runs/get", run_id=run)["run"]["info"]["experiment_id"])
    try:
        return str(server.get("experiments/get-by-name", experiment_name=EXPERIMENT)["experiment"]["experiment_id"])
    except ModelError as error:
        if "HTTP 404" not in error.got:
            raise
    return str(server.post("experiments/create", once=True, name=EXPERIMENT)["experiment_id"])


def _to_openlineage(
    evidence: Evidence, content: bytes, pdf: bytes | None, uri: str | None, ca: Path | None, plain: bool,
    now: dt.datetime,
) -> dict[str, Any]:  # fmt: skip
    where = (uri or os.environ.get(LINEAGE_URL, "")).rstrip("/")
    if not where:
        raise InputError(
            "nobody says where the lineage store is", got=f"no --uri, and {LINEAGE_URL} is empty",
            expected="its address, such as http://127.0.0.1:5000", todo=f"give --uri, or set {LINEAGE_URL}",
        )  # fmt: skip
    path = check_address(where, ("https", "http"), plain, "--uri" if uri else LINEAGE_URL).path.rstrip("/")
    named = LINEAGE_KEY if os.environ.get(LINEAGE_KEY, "").strip() else None
    what = "the lineage store"
    digest = sha256(content)
    sent = []
    with Client(Access(where, what, ca=ca, plain_text=plain, token_env=named)) as client:
        for kind in ("START", "COMPLETE"):
            event = to_event(evidence, digest=digest, when=now) | {"eventType": kind}
            if kind == "START":
                event |= {"inputs": [{k: v for k, v in i.items() if k != "inputFacets"} for i in event["inputs"]]}
            reply = client.ask("POST", path if "/lineage" in path else f"{path}/api/v1/lineage", canonical(event))
            if reply.status not in (200, 201, 202):
                raise ModelError(
                    f"{what} refused the event", got=f"HTTP {reply.status}: "
                    + client.shown(reply.body[:2000].decode("utf-8", "replace")),
                    expected="HTTP 200, 201 or 202", todo="see whether --uri names a lineage store, and its key is set",
                )  # fmt: skip
            sent.append(kind)
    return {"to": "openlineage", "uri": where, "run_id": event["run"]["runId"], "events": sent,
            "assertions": len(event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"])}  # fmt: skip


WAYS = {"mlflow": _to_mlflow, "openlineage": _to_openlineage}


def words(done: Mapping[str, Any]) -> str:
    """What was written, for a terminal."""
    if done["to"] == "openlineage":
        return f"Sent to {done['uri']}: run {done['run_id']}, {done['assertions']} norms as assertions."
    beside = f" and on the model {done['model']}" if done["model"] else ""
    return (
        f"Written to {done['uri']}: run {done['run_id']} with {done['metrics']} figures, {', '.join(done['files'])}; "
        f"tags on it{beside}, assay.verdict = {done['tags']['assay.verdict']} (no approval: that is the signed report)."
    )
