"""A served model behind the face that every model has: what it decides for rows, asked in batches and kept.

Before anything is asked, a person has agreed to what is sent and to whom (`send_to`). What is sent are the case's
`features`, as they are listed there. The model itself cannot be looked at: its identity is not established, and the
version that the server names must be the same at the end as at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from audit import progress
from audit.case import Case, EndpointSpec
from audit.errors import ModelError
from audit.models.hybrids import LazyRows
from audit.models.loaded import DECISION, PROBABILITY, RAW, VALUE, class_index, one_class, same_class
from audit.models.served import measured
from audit.models.served.addresses import place_of
from audit.models.served.agree import agreed, classes_of, identity_note, no_rule, which_columns
from audit.models.served.kept import Answered, Kept, digest_of, now
from audit.models.served.line import Line, Raw, Server
from audit.models.served.measured import Alike, Probe, Unlike
from audit.models.served.protocols import line_to
from audit.models.worker import ModelInfo, Rows, Worker
from audit.numbers import many

_REFUSALS = {"native_attributions": "refused", "native_interactions": "refused", "to_onnx": "reason"}


class EndpointWorker(Worker):
    """A context manager as `Worker` is. `bind` comes first; leaving it without an error asks for the version again.

    Raises ModelError for an endpoint that is not asked, not reached, or that answers what is no answer; CaseError
    where a person must say something first.
    """

    builds_rows = False

    def __init__(self, spec: EndpointSpec) -> None:
        self._spec = spec
        self._line: Line | None = None
        self._kept = Kept(spec, spec.answers)
        self._server = Server()
        self._info: ModelInfo | None = None
        self._features: tuple[str, ...] = ()
        self._used: dict[str, Answered] = {}
        self._probe: Probe | None = None
        self._asked = 0
        self._most: int | None = None

    # -- begin and end -----------------------------------------------------------------------------------------------

    def __enter__(self) -> EndpointWorker:
        self._line = line_to(self._spec)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            self.close()

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    @property
    def line(self) -> Line:
        if self._line is None:
            raise ModelError("the endpoint is no longer asked", got="it was closed", todo="open it again")
        return self._line

    def bind(self, case: Case, frame: pd.DataFrame, features: Sequence[str]) -> None:
        """Agree, look at what the server says of itself, and ask about some of these rows; then `info` is known."""
        if self._info is not None:
            return
        agreed(case, features)
        self._features = tuple(features)
        rows = frame[list(features)].iloc[measured.drawn(len(frame))]
        if self._spec.offline:
            if self._kept.server is None:
                raise _not_kept(self._spec, "no answers of this endpoint are kept")
            self._server = self._kept.server
            first = self._raw(rows)
        else:
            self._server = self.line.facts()
            first = self._first(rows)
        self._known(case, frame, first)
        self._look(rows, first, measured.drawn(len(frame)))

    def _first(self, rows: pd.DataFrame) -> Raw:
        """The first answers: those that are kept, where the endpoint gives the same ones now; else all anew."""
        kept, spec = self._kept, self._spec
        if kept.server is None:
            kept.begin(self._server)
            return self._raw(rows)
        same = kept.server == self._server
        if same and (held := self._answers_held(rows)) is not None:
            now = self._raw(rows, anew=True)
            if measured.apart(held, now)[0] == 0:
                progress.say(
                    f"{spec.answers.name if spec.answers else 'Kept answers'}: answers of {kept.started} are kept; "
                    "the endpoint gives the same ones now, so those are used and not asked for again."
                )
                return self._raw(rows)
            same = False
        if same:
            return self._raw(rows)
        if not spec.renew:
            raise ModelError(
                "the endpoint no longer answers as it did when it was audited",
                got=f"{self._server.words()}, or other answers for the same people",
                expected=f"{kept.server.words()}, as at {kept.started}",
                todo="audit it again first (`assay audit` with the same --out); nothing was changed",
            )
        progress.say("The endpoint answers otherwise than the kept answers say: everything is asked anew.")
        kept.begin(self._server)
        self._used = {}
        return self._raw(rows)

    def finish(self) -> None:
        """The version is the same as at the start. Raises ModelError where it is not, or more than one answered."""
        versions = {line.version for line in self._used.values()} - {""}
        after = self._server if self._spec.offline or not self._asked else self.line.facts()
        if after == self._server and len(versions) <= 1:
            return
        seen = ", ".join(sorted(versions)) or self._server.model_version
        raise ModelError(
            "the endpoint's model changed while it was asked",
            got=f"at the start {self._server.words()}; at the end {after.words()}; answers by version {seen}",
            expected="one version from start to end",
            todo="wait until the server has changed over and audit again, or name one version in `url`",
        )

    @property
    def since(self) -> str:
        """When the first of the answers that are kept was given."""
        return self._kept.started

    @property
    def place(self) -> str:
        """ "host:port"."""
        return place_of(self._spec.url)

    def budget(self, rows: int) -> None:
        """From now on at most so many rows are asked for. Raises ModelError when more would be."""
        self._most = self._asked + rows

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def info(self) -> ModelInfo:
        """What is known of the model. Raises ModelError before `bind`."""
        if self._info is None:
            raise ModelError("an endpoint is asked before it is known what may be sent", todo="bind it first")
        return self._info

    def _known(self, case: Case, frame: pd.DataFrame, first: Raw) -> None:
        """`info`, from what the server says and from its first answers."""
        spec = self._spec
        notes = [identity_note(spec, self._server, len(self._features))]
        if spec.plain_text and spec.url.startswith(("http:", "grpc:")):
            notes.append(f"People's data went to {place_of(spec.url)} unencrypted, as the case says.")
        has_scores = first.scores is not None
        width = 1 if first.scores is None or first.scores.ndim == 1 else first.scores.shape[1]
        inside = first.scores is not None and bool(((first.scores >= 0) & (first.scores <= 1)).all())
        numeric = case.data.task == "regression"
        classes: tuple[str, ...] = ()
        named = True
        if first.decided is not None:
            classes, named = classes_of(case, frame, first.decided), True
        if has_scores and width > 1:
            columns = spec.columns or tuple(str(k) for k in range(width))
            named = bool(spec.columns)
            if len(columns) != width or (classes and not all(same_class(columns, c) is not None for c in classes)):
                raise which_columns(width, classes, spec.columns)
            classes = columns
        elif has_scores and classes and (len(classes) != 2 or len(spec.columns) != 1 or spec.columns[0] not in classes):
            raise which_columns(width, classes, spec.columns)
        if numeric:
            output, classes = VALUE, ()
        elif not has_scores:
            output = DECISION
        elif width > 1 or classes:
            output = PROBABILITY if inside else RAW
        else:
            output = VALUE
        decides = first.decided is not None and not numeric
        if output == PROBABILITY and not decides and not case.model.threshold_given:
            raise no_rule(width)
        self._info = ModelInfo(
            format=spec.protocol, sha256="", estimator=f"{self._server.words()}, at {place_of(spec.url)}",
            classes=classes, features=self._features, isolation=(), task="regression" if numeric else "classification",
            columns=len(self._features), output=output, notes=tuple(notes), named=named, decides=decides,
        )  # fmt: skip

    # -- asking ------------------------------------------------------------------------------------------------------

    def _ask(
        self, fields: dict[str, Any], table: Rows | None = None, arrays: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        assert not isinstance(table, LazyRows)
        op = fields.get("op", fields.get("do"))
        if op not in ("scores", "answer", "class_scores") or table is None:
            raise ModelError(
                "a served model is not fitted or taken apart here",
                got=str(op),
                expected="its answers: nothing else of it is at hand",
                todo="name its file as `path` where you have it",
            )
        raw, names = self._raw(table), self.info.classes
        if op == "class_scores":
            return {"scores": np.asarray(self._per_class(raw, len(table)), dtype=np.float64)}
        positive = str(fields.get("positive") or (arrays or {}).get("positive", ""))
        decided = self._places(raw.decided) if raw.decided is not None and self.info.decides else None
        if raw.scores is None:
            assert decided is not None
            scores = (decided == class_index(names, positive)).astype(np.float64)
        elif raw.scores.ndim == 1 and names and positive not in self._spec.columns:
            # The scores of one of two classes; the other is wanted.
            scores = -raw.scores if self.info.output == RAW else 1 - raw.scores
        elif raw.scores.ndim == 1:
            scores = raw.scores
        else:
            scores = one_class(raw.scores, class_index(names, positive), self.info.output)
        return {"scores": scores} if op == "scores" or decided is None else {"decided": decided, "scores": scores}

    def _per_class(self, raw: Raw, rows: int) -> np.ndarray:
        if raw.scores is not None and raw.scores.ndim == 2:
            return raw.scores
        if raw.decided is None:
            raise ModelError("the endpoint gives one number, and the label has more than two values")
        ones: np.ndarray = np.eye(len(self.info.classes))[self._places(raw.decided)].reshape(rows, -1)
        return ones

    def _places(self, decided: Sequence[str]) -> np.ndarray:
        known = {name: same_class(self.info.classes, name) for name in set(decided)}
        strange = sorted(name for name, at in known.items() if at is None)
        if strange:
            raise ModelError(
                "the endpoint decides for a class that nobody has named",
                got=", ".join(repr(s[:80]) for s in strange[:8]),
                expected="one of " + ", ".join(repr(c) for c in self.info.classes[:12]),
                todo="see what the server means by it; name every class on the left of `classes` under [model]",
            )
        return np.array([known[name] for name in decided], dtype=np.int64)

    def call(self, op: str, frame: pd.DataFrame | None = None, **arrays: Any) -> dict[str, np.ndarray]:
        if op in _REFUSALS:
            empty = {"onnx": np.zeros(0, dtype=np.uint8), "difference": np.array(np.nan)}
            why = np.array("the model runs elsewhere and only answers", dtype=object)
            return {_REFUSALS[op]: why, **(empty if op == "to_onnx" else {})}
        return super().call(op, frame, **arrays)

    def _raw(self, table: pd.DataFrame, *, anew: bool = False) -> Raw:
        """Every row's answer, in batches; a question that was answered before is not asked again unless `anew`."""
        size, parts = self._spec.batch, []
        for start in range(0, len(table), size):
            part = table.iloc[start : start + size]
            question = self.line.question(part, self._server)
            key = self._kept.key(question)
            line = None if anew else self._kept.get(key)
            if line is None:
                raw, reply_seconds, attempts = self._question(question, len(part))
                if anew:
                    parts.append(raw)
                    continue
                line = self._kept.put(key, raw, len(part), reply_seconds, attempts)
            self._used[key] = line
            parts.append(line.raw)
            if len(table) > size:
                progress.step(min(start + size, len(table)), len(table))
        return _joined(parts)

    def _question(self, question: bytes, rows: int) -> tuple[Raw, float, int]:
        if self._spec.offline:
            raise _not_kept(self._spec, "a question that was not asked before")
        if self._most is not None and self._asked + rows > self._most:
            raise ModelError(
                "explaining would ask the endpoint about more rows than was said",
                got=f"more than {many(self._most, 'row')}",
                expected="at most as many as were announced",
                todo="explain fewer `features`, or with fewer sensitive attributes; or have the model's file, whose "
                "rows cost nothing",
            )
        self._asked += rows
        reply = self.line.send(question, rows)
        return self.line.read(reply.body, rows), reply.seconds, reply.attempts

    def _answers_held(self, rows: pd.DataFrame) -> Raw | None:
        """The kept answers about these rows; None where one is missing."""
        size, parts = self._spec.batch, []
        for start in range(0, len(rows), size):
            line = self._kept.get(self._kept.key(self.line.question(rows.iloc[start : start + size], self._server)))
            if line is None:
                return None
            parts.append(line.raw)
        return _joined(parts)

    # -- looking at the service --------------------------------------------------------------------------------------

    def _look(self, rows: pd.DataFrame, first: Raw, places: np.ndarray) -> None:
        """Ask about the same people again, in the reverse order and each alone; or take what is kept of that."""
        key = self._kept.key(self.line.question(rows, self._server))
        probe = self._kept.probe(key)
        if probe is None:
            progress.stage(f"Asking about {many(len(rows), 'person')} again, each alone")
            again = _reversed(self._raw(rows.iloc[::-1], anew=True))
            alone, seconds, attempts = [], [], []
            for at in range(len(rows)):
                raw, took, tries = self._question(self.line.question(rows.iloc[[at]], self._server), 1)
                alone.append(raw)
                seconds.append(round(took, 6))
                attempts.append(tries)
            probe = Probe(
                key, now(), len(rows), tuple(places.tolist()), tuple(seconds), tuple(attempts),
                *(Unlike(*measured.apart(first, other)) for other in (again, _joined(alone))),
            )  # fmt: skip
            self._kept.put_probe(probe)
        self._probe = probe

    def served(self, groups: Any = None) -> dict[str, Any]:
        """For the record: the `served` entry of evidence.json. groups: by attribute, of the people `bind` was given."""
        lines, probe = list(self._used.values()), self._probe
        assert probe is not None, "the people are bound first"
        return {
            "url": self._spec.url,
            "protocol": self._spec.protocol,
            "sent_to": place_of(self._spec.url),
            "sent": list(self._features),
            "server": self._server.to_json(),
            "identity": "not established",
            "started": self._kept.started,
            "ended": max((line.time for line in lines), default=self._kept.started),
            "batch": self._spec.batch,
            "answers": {"file": None if self._spec.answers is None else self._spec.answers.name,
                        "sha256": digest_of(lines)},
            "asked_again": sum(line.attempts > 1 for line in lines),
            "alike": msgspec.to_builtins(Alike(probe.rows, probe.again, probe.alone)),
            "latency": {
                "batches": measured.seconds([line.seconds for line in lines]),
                "alone": measured.seconds(probe.seconds),
                "by_group": [] if groups is None else measured.by_group(probe, groups),
            },
        }  # fmt: skip


def _not_kept(spec: EndpointSpec, got: str) -> ModelError:
    return ModelError(
        "not all answers are kept, and the endpoint may not be asked",
        got=got + (f" in {spec.answers}" if spec.answers is not None else ""),
        expected="a run folder whose answers.jsonl holds every answer that is needed",
        todo="leave --offline out, or name the folder (--out) of the audit that asked",
    )


def _joined(parts: Sequence[Raw]) -> Raw:
    """Answers one after the other. Raises ModelError where they are not of one kind."""
    if not parts:
        return Raw(np.empty(0), None)
    kinds = {(p.scores is None, 0 if p.scores is None else p.scores.shape[1:], p.decided is None) for p in parts}
    if len(kinds) > 1:
        raise ModelError(
            "the endpoint answers now with scores and now with decisions, or with another number of them",
            expected="one kind of answer for every batch",
            todo="name `output` or `decision` of the endpoint",
        )
    scores = None if parts[0].scores is None else np.concatenate([p.scores for p in parts if p.scores is not None])
    decided = None if parts[0].decided is None else tuple(d for p in parts for d in p.decided or ())
    versions = {p.version for p in parts} - {""}
    return Raw(scores, decided, versions.pop() if len(versions) == 1 else "")


def _reversed(raw: Raw) -> Raw:
    return Raw(
        None if raw.scores is None else raw.scores[::-1],
        None if raw.decided is None else raw.decided[::-1],
        raw.version,
    )
