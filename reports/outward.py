"""`assay publish`: a finished audit beside the model in an MLflow registry, or as an event in a lineage store.

What goes out is what a report would hold: small groups are withheld, nobody is explained, no row is in it. The verdict
among the tags is no approval: that is the countersigned report.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from audit.documents import record_in
from audit.documents.base import Names, Record
from audit.documents.evidence import Evidence
from audit.errors import DataError, InputError, ModelError, nearest
from audit.evidence import sha256
from audit.files import canonical
from audit.models.registry import Registry
from audit.models.served.addresses import check_address
from audit.models.served.client import Access, Client
from audit.numbers import many
from audit.publish import publish_files
from reports.machine.openlineage import assertions, run_of, to_event
from reports.manifest import strict_json

EXPERIMENT, EVIDENCE = "assay", "evidence.json"
T = TypeVar("T")
LINEAGE_URL, LINEAGE_KEY = "OPENLINEAGE_URL", "OPENLINEAGE_API_KEY"
MOST_METRICS = 1000


class Written(Record, frozen=True, tag_field="to", tag="mlflow"):
    """Where an audit stands in an MLflow registry; metrics: how many; model: NAME/VERSION, where it is registered."""

    uri: str
    run_id: str
    metrics: int
    tags: dict[str, str]
    model: str | None
    files: Names


class SentEvents(Record, frozen=True, tag_field="to", tag="openlineage"):
    """The events that a lineage store took; assertions: how many norms."""

    uri: str
    run_id: str
    events: Names
    assertions: int


def publish(
    run: Path,
    to: str,
    *,
    uri: str | None = None,
    report: Path | None = None,
    ca: Path | None = None,
    plain_text: bool = False,
    now: dt.datetime,
) -> Written | SentEvents:
    """Write the audit in the folder `run` to "mlflow" or "openlineage"; says where it went.

    uri: the server, else MLFLOW_TRACKING_URI or OPENLINEAGE_URL. report: the signed PDF of this very audit, stored
    beside it (mlflow). Raises InputError and its children; nothing on this machine changes.
    """
    if to not in WAYS:
        raise InputError(
            "there is no such place to publish to", got=repr(to), expected=", ".join(WAYS), todo=nearest(to, WAYS)
        )
    files = {}
    for name in (EVIDENCE, "cube.json"):
        try:
            files[name] = (run / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"{name} is missing", got=str(run), expected="the folder of a finished audit",
                todo="run `assay audit` first",
            ) from error  # fmt: skip
    content = publish_files(files)[EVIDENCE]
    pdf = None if report is None else _same(report, content)
    evidence = record_in(Evidence, strict_json(content, EVIDENCE), EVIDENCE)
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


class _RunInfo(Record, frozen=True):
    run_id: str
    artifact_uri: str


class _Run(Record, frozen=True):
    info: _RunInfo


class _CreatedRun(Record, frozen=True):
    """MLflow's answer where a run was made."""

    run: _Run


class _Experiment(Record, frozen=True):
    experiment_id: str


class _RunOf(Record, frozen=True):
    info: _Experiment


class _ExistingRun(Record, frozen=True):
    """MLflow's answer about a run that is there."""

    run: _RunOf


class _ExistingExperiment(Record, frozen=True):
    experiment: _Experiment


class _Registered(Record, frozen=True):
    """Which version of which model in a registry was audited."""

    name: str
    version: str
    uri: str | None = None
    run_id: str | None = None

    @property
    def label(self) -> str:
        return f"{self.name}/{self.version}"


def _answer(kind: type[T], plain: Any) -> T:
    """What the tracking server answered. Raises ModelError for another form than MLflow's."""
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ModelError(
            "the tracking server's answer cannot be read", got="another form", expected="MLflow's REST API 2.0",
            todo="see whether --uri names an MLflow server",
        ) from error  # fmt: skip


def _to_mlflow(
    evidence: Evidence, content: bytes, pdf: bytes | None, uri: str | None, ca: Path | None, plain: bool,
    now: dt.datetime,
) -> Written:  # fmt: skip
    known = None if not evidence.model.registry else record_in(_Registered, evidence.model.registry, "evidence.json")
    case = evidence.case.name[:250]
    tags = {
        "assay.verdict": verdict(evidence),
        "assay.policy": evidence.policy.version,
        "assay.evidence.sha256": sha256(content),
        "assay.case": case,
        # Also where there is none: that of an earlier audit must not stand beside this one's evidence.
        "assay.report.sha256": "none" if pdf is None else sha256(pdf),
        **({} if known is None else {"assay.model": known.label}),
    }
    millis = int(now.timestamp() * 1000)
    with Registry(uri or (known.uri if known else None), ca=ca, plain_text=plain, what="the tracking server") as server:
        experiment = _experiment(server, known.run_id if known else None)
        response = server.post(
            "runs/create", once=True, experiment_id=experiment, start_time=millis, run_name=case,
            tags=[{"key": k, "value": v} for k, v in tags.items()],
        )  # fmt: skip
        info = _answer(_CreatedRun, response).run.info
        run, where = info.run_id, urlsplit(info.artifact_uri)
        status = "FAILED"
        try:
            figures = metrics(evidence)
            server.post(
                "runs/log-batch", run_id=run,
                metrics=[{"key": k, "value": v, "timestamp": millis, "step": 0} for k, v in figures.items()],
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
            if known is not None:
                for key, value in tags.items():
                    server.post("model-versions/set-tag", name=known.name, version=known.version, key=key, value=value)
            status = "FINISHED"
        finally:
            with contextlib.suppress(ModelError) if status == "FAILED" else contextlib.nullcontext():
                server.post("runs/update", run_id=run, status=status, end_time=millis)
        files = ("assay/evidence.json", *(("assay/report.pdf",) if pdf is not None else ()))
        return Written(server.uri, run, len(figures), tags, known.label if known else None, files)


def _experiment(server: Registry, run: str | None) -> str:
    """Where the model was trained, or the experiment called assay, made where it is not there."""
    if run:
        return _answer(_ExistingRun, server.get("runs/get", run_id=run)).run.info.experiment_id
    try:
        response = server.get("experiments/get-by-name", experiment_name=EXPERIMENT)
        return _answer(_ExistingExperiment, response).experiment.experiment_id
    except ModelError as error:
        if "HTTP 404" not in error.got:
            raise
    return _answer(_Experiment, server.post("experiments/create", once=True, name=EXPERIMENT)).experiment_id


def _to_openlineage(
    evidence: Evidence, content: bytes, pdf: bytes | None, uri: str | None, ca: Path | None, plain: bool,
    now: dt.datetime,
) -> SentEvents:  # fmt: skip
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
            event = to_event(evidence, digest=digest, when=now, kind=kind)
            reply = client.ask("POST", path if "/lineage" in path else f"{path}/api/v1/lineage", canonical(event))
            if reply.status not in (200, 201, 202):
                raise ModelError(
                    f"{what} refused the event", got=f"HTTP {reply.status}: "
                    + client.shown(reply.body[:2000].decode("utf-8", "replace")),
                    expected="HTTP 200, 201 or 202", todo="see whether --uri names a lineage store, and its key is set",
                )  # fmt: skip
            sent.append(kind)
    return SentEvents(where, run_of(digest), tuple(sent), len(assertions(evidence)))


WAYS: Mapping[str, Callable[..., Written | SentEvents]] = {"mlflow": _to_mlflow, "openlineage": _to_openlineage}


def words(done: Written | SentEvents) -> str:
    """What was written, for a terminal."""
    if isinstance(done, SentEvents):
        return f"Sent to {done.uri}: run {done.run_id}, {done.assertions} norms as assertions."
    beside = f" and on the model {done.model}" if done.model else ""
    stands = done.tags.get("assay.verdict")
    return (
        f"Written to {done.uri}: run {done.run_id} with {many(done.metrics, 'figure')}, {', '.join(done.files)}; "
        f"tags on it{beside}, assay.verdict = {stands} (no approval: that is the signed report)."
    )
