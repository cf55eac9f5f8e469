"""The child's side of `reports.verify.apart`: a frame with a report in, lines out. Runs behind the walls of
`audit.models.isolate`; nothing else is imported from here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from audit.documents import Documents
from audit.models.late import numpy_in_part
from reports import typesetter
from reports.log.proof import Proof
from reports.log.store import LogCopy
from reports.verify.asked import OPTIONS, Answer, Question, VerifyRequest
from reports.verify.judge import Judge
from reports.verify.known import Known
from reports.verify.result import Broken, Verification

_judge: Judge | None = None
_known = Known()
"""What was recomputed in this process."""


class _Unneeded(ModuleType):
    """In place of a library that another one loads only to have it at hand: all of it is empty classes."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


# pyHanko loads them to fetch timestamps and revocation lists, and to sign. In here nothing is fetched or signed, and no
# socket opens. The second is half of what loading pyHanko takes.
for _name in ("aiohttp", "pyhanko.sign.signers"):
    sys.modules.setdefault(_name, _Unneeded(_name))
sys.modules.setdefault("pkcs11", None)  # type: ignore[arg-type]  # not there: keys in hardware sign, and check nothing
# SciPy puts its functions for other kinds of arrays in place of the same functions, where they are asked for.
_arrays = ModuleType("scipy.special._support_alternative_backends")
vars(_arrays).update(__all__=[])
sys.modules.setdefault(_arrays.__name__, _arrays)
with numpy_in_part():
    import scipy.special
    from scipy.special._spfun_stats import multigammaln
# The one function that they bring and nothing else does. scipy.stats, by which regressions are recomputed, asks for it.
vars(scipy.special).setdefault("multigammaln", multigammaln)
NOT_RUN = "not made again, because a check failed"


Reply = tuple[dict[str, Any], dict[str, np.ndarray]]


def serve(fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Reply:
    """One question: "verify" (then "printed", where it waits for another process's "pages"; then perhaps "rerun"),
    "pages", "ahead", or "parts"."""
    typesetter.ends = True
    contents = {name: array.tobytes() for name, array in arrays.items()}
    question = msgspec.convert(dict(fields), Question)
    if question.do == "ahead":
        _ahead(Documents({n.removeprefix("file/"): d for n, d in contents.items()}), question.elsewhere)
        return _reply(Verification(()))
    if question.do == "parts":
        return _parts(contents.pop("pdf"))
    if question.do == "pages":
        return _reply(Verification(Judge(contents.pop("pdf"), VerifyRequest()).only_set()))
    return _lines(question, contents)


def _reply(verification: Verification, **more: Any) -> Reply:
    return msgspec.to_builtins(Answer(verification, **more)), {}


def _parts(pdf: bytes) -> Reply:
    judge = Judge(pdf, VerifyRequest(contents=False))
    judge.work()
    if judge.result().failed is not None:
        return _reply(judge.result())
    signatures = tuple(replace(s, embedded=None) for s in judge.found)
    return _reply(judge.result(), signatures=signatures)[0], _files(judge.files)


def _lines(question: Question, contents: dict[str, bytes]) -> Reply:
    """Those of "verify", "printed" or "rerun"."""
    global _judge
    out: dict[str, np.ndarray] = {}
    if question.do in ("verify", "printed"):
        _judge = _judged(question, contents)
        if _judge.waits:
            return _reply(_judge.result(), waits=True)
        if not question.rerun:
            _judge.no_rerun()
        elif _judge.result().failed is None:
            out = _files(_judge.files)
        if (again := _judge.printed_again()) is not None:
            out |= {"again": np.frombuffer(again, dtype=np.uint8)}
    else:
        assert _judge is not None
        if question.made:
            _judge.rerun({n.removeprefix("file/"): d for n, d in contents.items()})
        else:
            _judge.no_rerun(NOT_RUN)
    return _reply(_judge.result())[0], out


def _ahead(files: Documents, elsewhere: bool) -> None:
    """What follows from the files of a report that is being printed: its figures where another process sets the pages,
    else these. It is kept by all that it follows from, and so is found only for a report that embeds just that.
    Whatever is wrong with these files is said of the report, and not here."""
    with suppress(Broken):
        if not elsewhere:
            typesetter.load()
            from reports.verify.printed import print_again

            if len(files):
                print_again(files)
            return
        from reports.verify.contents import ahead

        ahead(files, _known)


def _judged(question: Question, contents: dict[str, bytes]) -> Judge:
    """The report of "verify", or the one before with the lines on its faces and pages."""
    if question.do == "verify":
        judge = Judge(
            contents.pop("pdf"), _parse_request(question, contents), elsewhere=question.elsewhere, known=_known
        )
        judge.work()
        return judge
    assert _judge is not None
    _judge.set_elsewhere(question.lines)
    return _judge


def _files(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    return {f"file/{name}": np.frombuffer(data, dtype=np.uint8) for name, data in files.items()}


def _parse_request(asked: Question, contents: Mapping[str, bytes]) -> VerifyRequest:
    log: LogCopy | Proof | None = None
    if asked.log:
        log = LogCopy(*(contents[f"log.{part}"] for part in ("entries", "note", "public")))
    elif asked.proof is not None:
        line, note = (contents[f"proof.{part}"] for part in ("line", "note"))
        log = Proof(line, asked.proof.index, tuple(bytes.fromhex(h) for h in asked.proof.path), note)
    return VerifyRequest(
        trust=contents.get("trust"),
        pins=asked.pins,
        crls=tuple(contents[f"crl{i}"] for i in range(asked.crls)),
        since=contents.get("since"),
        log=log,
        **{n: getattr(asked, n) for n in OPTIONS},
    )
