"""`assay audit`: measure a case, or a data file with options in place of a case file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay._commands.given import case_of
from assay._commands.options import ALLOW, CASE, FOR_PROGRAMS, FROM_DATA, GATE, OFFLINE, OUT, SEED
from assay._commands.parsing import WHOLE, Option, Result, command
from audit import progress
from audit.errors import GateBroken, InputError
from audit.numbers import are, brief, fixed, many

if TYPE_CHECKING:
    from audit.documents.evidence import Evidence
    from audit.findings import NormResult

DRAWS = Option("--draws", type=WHOLE, default=2000, show_default=True, help="Draws behind each interval and p-value.")


@command(
    CASE, OUT, SEED, DRAWS, GATE, ALLOW, OFFLINE, *FROM_DATA, *FOR_PROGRAMS,
    more="In place of CASE.toml a data file may stand, with options that say what is what: the case file that they "
    "make is written to DIR/case.toml. Nothing is taken that was neither given nor certain.",
)  # fmt: skip
def audit(
    case: Path,
    out: Path,
    seed: int,
    draws: int,
    gate: bool,
    allow: Sequence[str],
    offline: bool,
    junit: Path | None,
    sarif: Path | None,
    markdown: Path | None,
    openlineage: Path | None,
    **from_data: Any,
) -> Result:
    from audit.contract.run import broken_in
    from audit.documents import Documents
    from audit.gaps import Settings
    from audit.run import run_audit
    from audit.sizes import measured, weighed
    from reports.presets import check_case

    asked = {"junit": junit, "sarif": sarif, "markdown": markdown, "openlineage": openlineage}
    files = {kind: path for kind, path in asked.items() if path is not None}
    _refuse_places(files, out)
    loaded = check_case(case_of(_case_file(case, out, from_data), offline))
    settings = Settings(seed=seed, draws=draws, reference=loaded.data.reference)
    document = run_audit(loaded, out, settings, allow=allow, alone=True).evidence
    content = (out / "evidence.json").read_bytes()
    evidence = Documents({"evidence.json": content}).evidence
    _for_programs(evidence, content, case, files)
    lines = [" ".join((f"{loaded.name}: {measured(evidence.data)} measured.", weighed(evidence.data))).strip()]
    known = evidence.data.label is not None
    lines += ["", *(f"- {s}" for s in evidence.findings if known or "whose outcome is" not in s)]
    lines += [] if known else ["- The data hold no outcomes, so it was not measured whether decisions were right."]
    lines += [f"- Contract: {s}" for s in (evidence.contract.sentences if evidence.contract else ())]
    norms = [n for n in evidence.norms if known or n.value is not None]
    lines += ["", evidence.policy.words] + [_norm_line(n) for n in norms]
    if len(norms) < len(evidence.norms):
        lines.append(
            f"- {many(len(evidence.norms) - len(norms), 'norm')} {are(len(evidence.norms) - len(norms))} "
            "about outcomes and cannot be estimated."
        )
    lines += ["", *(f"Note: {n}" for n in evidence.notes), f"Written: {out / 'evidence.json'}"]
    broken = [n for n in evidence.norms if n.breached] if gate else []
    failure = broken_in(evidence.contract) if gate else None
    if broken:
        checks = failure
        failure = GateBroken(
            f"{len(broken)} of {many(len(evidence.norms), 'norm')} of policy {loaded.policy.version} are broken by the "
            f"value that was measured, {sum(n.status == 'outside' for n in broken)} of them over the whole interval"
            + ("" if checks is None else f"; and {checks.problem}"),
            got="; ".join(_norm_line(n).strip("- ") for n in broken) + ("" if checks is None else f"; {checks.got}"),
            expected="every measured value within its limit",
            todo="address the gap (`assay mitigate`), or change the policy and say why",
        )
    return Result(document, "\n".join(lines), failure)


def _case_file(path: Path, out: Path, options: dict[str, Any]) -> Path:
    """The case named, or the one that a data file and options make: written to the run folder before it is used."""
    from audit.files import write_whole
    from audit.load.start import AuditOptions, bins_of, from_options

    options_given = sorted(k for k, v in options.items() if v not in (None, ()))
    if path.suffix == ".toml":
        if options_given:
            raise InputError(
                "the case file says what is audited, and so do options",
                got=", ".join(f"--{g}" for g in options_given),
                expected="options only beside a data file",
                todo="write them into the case file, or name the data file in place of it",
            )
        return path
    text = from_options(path, AuditOptions(**options | {"bins": bins_of(options["bins"])}), out)
    written = out / "case.toml"
    write_whole(written, text.encode())
    progress.say(f"assay audit: the case that was used is {written}")
    for line in text.splitlines():
        if line.startswith("# Note: "):
            progress.say(f"assay audit: {line[8:]}")
    return written


def _refuse_places(files: Mapping[str, Path], out: Path) -> None:
    """Said before the work: a place of another file, or of one that this audit writes itself."""
    import os

    from audit.places import refuse_another
    from reports.machine import BEGINS

    taken = {os.path.realpath(out / name) for name in ("evidence.json", "cube.json", "case.toml")}
    for kind, path in files.items():
        refuse_another(path, BEGINS[kind])
        if (place := os.path.realpath(path)) in taken:
            raise InputError(
                "two files of the audit have one name", got=f"--{kind} {path}", expected="a name for each",
                todo="name another file",
            )  # fmt: skip
        taken.add(place)


def _for_programs(evidence: Evidence, content: bytes, case: Path, files: Mapping[str, Path]) -> None:
    """The files that build servers and lineage stores read, where they were asked for; content: evidence.json."""
    from audit.files import canonical, write_own
    from reports.machine import BEGINS, write

    for kind, path in files.items():
        if kind == "openlineage":
            import datetime as dt
            import hashlib

            from reports.machine.openlineage import to_event

            digest = hashlib.sha256(content).hexdigest()
            text = canonical(to_event(evidence, digest=digest, when=dt.datetime.now(dt.UTC)))
        else:
            text = write(kind, evidence, str(case))
        write_own(path, text, BEGINS[kind])


_STANDS = {"inside": "inside the norm", "outside": "outside the norm", "undecided": "undecided, the interval spans it"}


def _norm_line(norm: NormResult) -> str:
    where = f"{norm.metric.replace('_', ' ')} {norm.kind} by {' and '.join(norm.attribute)}"
    if norm.value is None:
        return f"- {where}: not estimable ({norm.reason})"
    interval = f"[{fixed(norm.low, 3)}, {fixed(norm.high, 3)}]"
    return f"- {where}: {fixed(norm.value, 3)} {interval}, limit {brief(norm.limit)}: {_STANDS[norm.status]}"
