"""`assay`: the commands of the contract. Each is a few lines; the work is done by audit, debias and reports.

Results go to stdout (with --json: one document and nothing else), progress and errors to stderr. Exit codes: 0 done,
1 a fault of ours, 2 the input cannot be used, 3 a norm is broken (--gate), 4 verification failed, 5 verified in part.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audit import progress
from audit.errors import AssayError, GateBroken, InputError, KeyFileError
from audit.sizes import measured, weighed

Result = tuple[dict[str, Any], str]
"""What a command returns: the document of --json, and the same in words."""


def audit(args: argparse.Namespace) -> Result:
    """measure; write evidence.json and cube.json; print the findings"""
    from audit.gaps import Settings
    from audit.load import load_case
    from audit.run import run_audit
    from reports.presets import check_case

    case = check_case(load_case(_case_file(args)))
    settings = Settings(seed=args.seed, draws=args.draws, reference=case.data.reference)
    done = run_audit(case, args.out, settings, allow=args.allow)
    evidence = done.evidence
    _for_programs(args, evidence)
    lines = [" ".join((f"{case.name}: {measured(evidence['data'])} measured.", weighed(evidence["data"]))).strip(), ""]
    known = evidence["data"].get("label") is not None
    lines += [f"- {s}" for s in evidence["findings"] if known or "whose outcome is" not in s]
    lines += [] if known else ["- The data hold no outcomes, so it was not measured whether decisions were right."]
    norms = [n for n in evidence["norms"] if known or n["value"] is not None]
    lines += ["", f"Policy {case.policy.version}:"] + [_norm_line(n) for n in norms]
    if len(norms) < len(evidence["norms"]):
        lines.append(f"- {len(evidence['norms']) - len(norms)} norms are about outcomes and cannot be estimated.")
    lines += ["", *(f"Note: {n}" for n in evidence["notes"]), f"Written: {args.out / 'evidence.json'}"]
    broken = [n for n in evidence["norms"] if n["breached"]]
    if args.gate and broken:
        _say(args, (evidence, "\n".join(lines)))
        raise GateBroken(
            f"{len(broken)} of {len(evidence['norms'])} norms of policy {case.policy.version} are broken by the value "
            f"that was measured, {sum(n['status'] == 'outside' for n in broken)} of them over the whole interval",
            got="; ".join(_norm_line(n).strip("- ") for n in broken),
            expected="every measured value within its limit",
            todo="address the gap (`assay mitigate`), or change the policy and say why",
        )
    return evidence, "\n".join(lines)


def convert(args: argparse.Namespace) -> Result:
    """write a model as a file that loads without running code, by the model's own interpreter; checked on your rows"""
    from audit.load.tables import read_noted
    from audit.models.convert import convert as made_of
    from audit.models.own import Environment

    python = Path(os.path.abspath(args.python))
    own = Environment(python, args.load, args.consent, args.model.resolve().parent, by_option=True)
    done = made_of(args.model, own, args.out, read_noted(args.data).frame, args.features)
    checked = done.record["checked"]
    words = (
        f"Written: {done.path}, checked on {checked['rows']} rows: the same decisions, scores at most "
        f"{checked['largest_difference']:.2g} apart. Its record: {done.path}.json"
    )
    return done.record, words


def _for_programs(args: argparse.Namespace, evidence: dict[str, Any]) -> None:
    """The files that build servers and lineage stores read, where they were asked for."""
    from audit.files import write_whole

    for kind in ("junit", "sarif", "markdown"):
        if (path := getattr(args, kind)) is not None:
            from reports.machine import write

            write_whole(path, write(kind, evidence, str(args.case)))
    if args.openlineage is not None:
        import datetime as dt
        import hashlib

        from audit.files import canonical
        from reports.machine.openlineage import to_event

        digest = hashlib.sha256((args.out / "evidence.json").read_bytes()).hexdigest()
        write_whole(args.openlineage, canonical(to_event(evidence, digest=digest, when=dt.datetime.now(dt.UTC))))


def _case_file(args: argparse.Namespace) -> Path:
    """The case named, or the one that a data file and options make: written to the run folder before it is used."""
    from audit.files import write_whole
    from audit.load.start import Given, bins_of, from_options

    path: Path = args.case
    options = {k: getattr(args, k) for k in _FROM_DATA}
    given = sorted(k for k, v in options.items() if v not in (None, []))
    if path.suffix == ".toml":
        if given:
            raise InputError(
                "the case file says what is audited, and so do options",
                got=", ".join(f"--{g}" for g in given),
                expected="options only beside a data file",
                todo="write them into the case file, or name the data file in place of it",
            )
        return path
    options["bins"] = bins_of(options["bins"])
    text = from_options(path, Given(**options), args.out)
    written: Path = args.out / "case.toml"
    write_whole(written, text.encode())
    print(f"assay audit: the case that was used is {written}", file=sys.stderr)
    for line in text.splitlines():
        if line.startswith("# Note: "):
            print(f"assay audit: {line[8:]}", file=sys.stderr)
    return written


_FROM_DATA = (
    "sensitive", "label", "decision", "score", "model", "threshold", "positive", "favourable", "weight", "id", "time",
    "cluster", "exclude", "bins", "name", "purpose",
)  # fmt: skip


def init(args: argparse.Namespace) -> Result:
    """propose a case file for a data file, with a reason for each line"""
    from audit.files import write_whole
    from audit.load.start import proposed

    text, roles = proposed(args.data, args.out.parent if args.out else args.data.parent)
    if args.out is not None:
        if args.out.exists():
            raise InputError(
                f"{args.out.name!r} exists already",
                got=f"a file {args.out}",
                expected="a new name",
                todo="choose another, or remove it: nothing that a person wrote is overwritten",
            )
        write_whole(args.out, text.encode())
    words = [text.rstrip()] if args.out is None else [f"Written: {args.out}"]
    words += [f"Asked: {q}" for q in roles.asked.values()] if args.out is not None else []
    return {"case": text, "roles": roles.to_json(), "written": None if args.out is None else str(args.out)}, "\n".join(
        words
    )


def check(args: argparse.Namespace) -> Result:
    """say what a case would read, and what stands in the way; nothing is measured"""
    from dataclasses import asdict

    from audit.load import load_case
    from audit.preview import preview
    from reports.presets import check_case

    case = check_case(load_case(args.case))
    found = preview(case)
    return asdict(found), "\n".join(found.lines(case))


_STANDS = {"inside": "inside the norm", "outside": "outside the norm", "undecided": "undecided, the interval spans it"}


def _norm_line(norm: dict[str, Any]) -> str:
    where = f"{norm['metric'].replace('_', ' ')} {norm['kind']} by {' and '.join(norm['attribute'])}"
    if norm["value"] is None:
        return f"- {where}: not estimable ({norm['reason']})"
    interval = f"[{norm['low']:.3f}, {norm['high']:.3f}]"
    return f"- {where}: {norm['value']:.3f} {interval}, limit {norm['limit']:g}: {_STANDS[norm['status']]}"


def explain(args: argparse.Namespace) -> Result:
    """SHAP and LIME, global, per group, per row"""
    from audit.explain import run_explain
    from audit.load import load_case

    case = load_case(args.case)
    document = run_explain(case, args.out, people=args.row, seed=args.seed, output=args.output, allow=tuple(args.allow))
    lines = [f"{case.name}: {document['output']} explained by {document['method']}."]
    if not document["explained"]:
        lines = [f"{case.name}: not explained."]
    if document.get("rerouted"):
        lines.append(f"Rerouted: {document['rerouted']}")
    if document.get("reason"):
        lines.append(str(document["reason"]))
    lines += [f"  {e['feature']:<24} {e['mean_abs']:.4f}" for e in document.get("global", [])[:10]]
    return document, "\n".join([*lines, f"Written: {args.out / 'explain.json'}"])


def mitigate(args: argparse.Namespace) -> Result:
    """fit a candidate, compare it with the original, write the model and the comparison"""
    from audit.load import load_case
    from debias.mitigate import run_mitigate, summary

    asked = [
        f
        for f, on in (("--search", args.search), ("--pick", args.pick is not None), ("--method", args.method))
        if on and not (f == "--method" and args.search)
    ]
    if len(asked) != 1 or (len(args.method) > 1 and not args.search):
        raise InputError(
            "it is not clear what to do",
            got=" and ".join(asked) if len(asked) != 1 and asked else f"{len(args.method)} methods",
            expected="one of --method NAME, --search and --pick NUMBER",
            todo="fit one candidate, search among many, or pick one of a search",
        )
    case = load_case(args.case)
    if args.search:
        return _search(args, case)
    tolerance = 0.02 if args.tolerance is None else args.tolerance
    if args.pick is not None:
        import datetime as dt
        import getpass

        from debias.pick import pick

        document = pick(
            case,
            args.out,
            args.pick,
            reason=args.reason,
            by=args.by or getpass.getuser(),
            now=dt.datetime.now(dt.UTC),
            tolerance=tolerance,
            gate=args.gate,
            allow=args.allow,
            onnx=args.onnx,
        )
    else:
        document = run_mitigate(
            case,
            args.method[0],
            args.out,
            seed=args.seed,
            constraint=args.constraint,
            tolerance=tolerance,
            attributes=args.attribute or None,
            gate=args.gate,
            allow=args.allow,
            onnx=args.onnx,
        )
    return document, "\n".join([*summary(document), f"Written: {args.out / 'mitigation.json'}"])


def _search(args: argparse.Namespace, case: Any) -> Result:
    from debias.front import FILE, run_search, table_of

    for flag, given in (("--gate", args.gate), ("--tolerance", args.tolerance is not None), ("--reason", args.reason)):
        if given:
            raise InputError(
                "a search tries many candidates and judges none", got=flag, expected="no such option with --search",
                todo="leave it out; name it when you pick one",
            )  # fmt: skip
    document = run_search(
        case,
        args.out,
        trials=args.trials,
        seed=args.seed,
        timeout=args.timeout,
        methods=args.method or None,
        constraint=args.constraint or "demographic_parity",
        attributes=args.attribute or None,
        allow=args.allow,
    )
    return document, "\n".join([*table_of(document), f"Written: {args.out / FILE}"])


def watch(args: argparse.Namespace) -> Result:
    """the continuous auditor-debiaser loop over batches in time order; resumes where it stopped"""
    from dataclasses import replace

    from audit.load import load_case, load_policy
    from debias.loop.decisions import check_trail, decide_challenger, gate_broken, state_of, words_of
    from debias.loop.run import run_watch

    case = load_case(args.case)
    if args.policy:
        case = replace(case, policy=load_policy(args.policy))
    if args.check:
        found = check_trail(args.out, args.db)
        return found, (
            f"The trail is whole: {found['entries']:,} entries, each with the hash of the one before it and its time "
            f"sealed.\nHead {found['head']}"
        )
    if args.approve or args.reject:
        if not args.reason:
            raise InputError("a decision needs a reason", got="no --reason", todo='add --reason "..."')
        document = decide_challenger(
            case, args.out, args.approve or args.reject, bool(args.approve), args.reason, args.by, args.db
        )
    elif args.state:
        document = state_of(case, args.out, args.db)
    else:
        document = run_watch(
            case, args.out, trail_url=args.db, follow=args.follow, max_batches=args.batches, allow=args.allow
        )
    written = [] if args.state else [f"Written: {args.out / 'watch.json'}"]
    result = document, "\n".join([*words_of(document), *written])
    broken = gate_broken(document)
    if args.gate and broken:
        _say(args, result)
        raise GateBroken(
            f"{len(broken)} norms of policy {case.policy.version} are clearly broken by the running model",
            got="; ".join(broken),
            expected="no norm clearly outside its limit",
            todo="look at what the loop waits for (--state), or change the policy and say why",
        )
    return result


def report(args: argparse.Namespace) -> Result:
    """the signed PDF of everything measured in DIR"""
    from reports.issue import issue_report
    from reports.keys import key_of

    key = key_of(args.key, lambda: _password(args), sys.stdin.buffer)
    issued = issue_report(
        args.dir,
        key,
        args.out,
        members=args.member,
        quorum=args.quorum,
        authority=args.timestamp,
        people=args.people,
        validation=_validation(args),
        log=args.log,
        protocol=args.protocol,
        deviations=args.deviation,
        compare=args.compare,
        allow_difference=args.allow_difference,
        annex="summary" if args.summary else args.annex,
        conditions=args.condition,
    )
    document = {"report": args.out.name, "sha256": issued.sha256, "level": issued.level, "signer": key.name}
    held = "" if args.log else "\nNot held against earlier reports on the same people: no --log was given."
    return document, f"Signed by {key.name} ({issued.level}): {args.out}\nsha256 {issued.sha256}{held}"


def approve(args: argparse.Namespace) -> Result:
    """a board member countersigns"""
    from audit.files import write_whole
    from reports.approve import approve as countersign
    from reports.approve import decision_envelope
    from reports.keys import key_of
    from reports.sign import timestamp_authority

    key = key_of(args.key, lambda: _password(args), sys.stdin.buffer)
    book = None
    if args.log:
        from reports.log import Log
        from reports.log.record import finish, publish

        book = Log(args.log)
        finish(args.report, book)
    signed = countersign(
        _read(args.report),
        key,
        decision=args.decision,
        reason=args.reason,
        conditions=args.conditions,
        until=args.until,
        member=args.member,
        timestamper=timestamp_authority(args.timestamp) if args.timestamp else None,
        validation=_validation(args),
    )
    if book is None:
        write_whole(args.report, signed.pdf)
    else:
        publish(args.report, signed.pdf, book, dict([decision_envelope(signed.pdf, key)]))
    document = {"report": args.report.name, "member": key.name, "decision": args.decision, "reason": args.reason}
    return document, f"{key.name}: {args.decision}. Written into {args.report}" + (" and the log" if book else "")


def seal(args: argparse.Namespace) -> Result:
    """an archive timestamp on a report, when the board has decided"""
    from audit.files import write_whole
    from reports.archive import archive
    from reports.sign import timestamp_authority

    pdf = archive(_read(args.report), timestamp_authority(args.timestamp), validation=_validation(args))
    write_whole(args.report, pdf)
    return {"report": args.report.name, "sealed": args.timestamp}, f"Sealed by {args.timestamp}: {args.report}"


def _validation(args: argparse.Namespace) -> Any:
    """What keeps a signature checkable later (--trust, --crl), or None."""
    from reports.sign import Validation

    if args.crl and not args.trust:
        raise InputError("a revocation list needs the root it belongs to", expected="--trust CA.pem beside --crl FILE")
    return Validation(_read(args.trust), tuple(_read(c) for c in args.crl)) if args.trust else None


def verify(args: argparse.Namespace) -> Result:
    """check signatures, embedded evidence and every figure; name the failed check"""
    from audit.files import write_whole
    from reports.log import read_copy
    from reports.log.proof import read_proof
    from reports.verify import verify as check
    from reports.verify.seal import MOST_BYTES

    content, rerun = _read(args.report, MOST_BYTES + 1), None
    if args.rerun:
        from functools import partial

        from audit.load import load_case
        from reports.rerun import run_again

        rerun = partial(run_again, load_case(args.rerun), allow=args.allow)
    result = check(
        content,
        trust=_read(args.trust) if args.trust else None,
        pins=args.pin,
        crls=[_read(c) for c in args.crl],
        since=_read(args.since) if args.since else None,
        require_quorum=args.require_quorum,
        print_again=args.print_again is not None,
        rerun=rerun,
        log=None if not args.log else read_proof(_read(args.log)) if args.log.is_file() else read_copy(args.log),
    )
    if result.again is not None:
        write_whole(args.print_again, result.again)
    if not result.ok:
        _say(args, (result.to_json(), "\n".join(result.lines())))
        raise result.error()
    return result.to_json(), "\n".join(result.lines())


def keys(args: argparse.Namespace) -> Result:
    """a signing key for people who have none"""
    from reports.keys import new_key

    key = new_key(args.name, args.out, _password(args, new=True))
    document = {"name": key.name, "fingerprint": key.fingerprint, "not_after": key.not_after.isoformat()}
    words = f"Key of {key.name}: {args.out}\nFingerprint {key.fingerprint}, valid until {key.not_after:%Y-%m-%d}."
    return document, words + "\nGive the fingerprint to those who will check your signature, by another way than this."


def register(args: argparse.Namespace) -> Result:
    """who decided what on which report, when, and until when; from the log of issued reports"""
    import datetime as dt

    from audit.files import write_whole
    from reports import register as registered
    from reports.log import Log
    from reports.log.record import enter, enter_protocol, proof_for

    book = Log(args.log)
    added = [enter(book, _read(path)) for path in args.add]
    if args.protocol:
        added.append(enter_protocol(book, args.protocol.name, _read(args.protocol)))
    view = book.view() if added else book.read()
    if args.proof:
        if not args.out:
            raise InputError("a proof needs a place", expected="--out FILE.tlog-proof beside --proof REPORT.pdf")
        write_whole(args.out, proof_for(view, _read(args.proof)))
    lines = registered.register(view.entries)
    stands = registered.standings(view.entries, dt.datetime.now(dt.UTC).date())
    if args.csv:
        write_whole(args.csv, registered.to_csv(lines).encode())
    document = {
        "log": {"key": view.verifier.text, "size": view.checkpoint.size, "root": view.checkpoint.root.hex()},
        "added": sum(added),
        "reports": [s.to_json() for s in stands],
        "lines": [line.to_json() for line in lines],
    }
    words = [registered.to_text(lines, stands), "", f"Log: {view.checkpoint.line}", f"Its key: {view.verifier.text}"]
    return document, "\n".join(words)


def forget(args: argparse.Namespace) -> Result:
    """delete a case with its data; --abandoned: uploads that nobody came back to"""
    from reports.forget import abandoned
    from reports.forget import forget as forget_case
    from screens.workspace import home

    if args.abandoned == bool(args.case):
        raise InputError("it is not clear what to forget", expected="either a CASE or --abandoned")
    if args.abandoned:
        done = abandoned(home() / "cases", home() / "jobs", dry=args.dry_run)
    else:
        done = forget_case(
            args.case, home(), runs=args.runs, originals=args.originals, keep_reports=args.keep_reports,
            dry=args.dry_run,
        )  # fmt: skip
    lines = [*(["Nothing was deleted: this is what would be."] if args.dry_run else []), *done.lines()]
    return done.to_json() | {"dry_run": args.dry_run}, "\n".join(lines)


def plan(args: argparse.Namespace) -> Result:
    """how many people an audit needs to see a gap"""
    from audit.plan import plan as made

    done = made(
        args.groups, args.gap, rate=args.rate, power=args.power, alpha=args.alpha, rows=args.rows, alike=args.alike,
        weights=args.weights,
    )  # fmt: skip
    return done.to_json(), "\n".join(done.lines())


def demo(args: argparse.Namespace) -> Result:
    """the whole main job on the sample data: audit, explain, mitigate, sign, verify; --watch: the loop on replays"""
    from audit.load import load_case
    from reports.demo import run_demo

    samples = Path(__file__).resolve().parent / "sample_data"
    if args.watch:
        from debias.loop.demo import run_replays

        return run_replays(samples / "replays", args.out)
    case = load_case(samples / "adult.toml")
    return run_demo(case, args.out)


def _password(args: argparse.Namespace, *, new: bool = False) -> bytes:
    """From --password-file, the variable ASSAY_KEY_PASSWORD, or a prompt."""
    if str(args.password_file) == "-":
        return sys.stdin.buffer.readline(4096).rstrip(b"\r\n")
    if args.password_file:
        return _read(args.password_file).rstrip(b"\r\n")
    if "ASSAY_KEY_PASSWORD" in os.environ:
        return os.environ["ASSAY_KEY_PASSWORD"].encode()
    if not sys.stdin.isatty():
        raise KeyFileError(
            "the key needs its password",
            got="no terminal to ask on",
            expected="the variable ASSAY_KEY_PASSWORD, or --password-file FILE",
            todo="set one of them",
        )
    from getpass import getpass

    first = getpass("Password of the key: ")
    if new and getpass("Once more: ") != first:
        raise KeyFileError("the two passwords differ", todo="type the same password twice")
    return first.encode()


def _read(path: Path, most: int = -1) -> bytes:
    """The file, or its first `most` bytes."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read",
            got=error.strerror or str(error),
            expected="a readable file",
            todo="check the path",
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assay", description="Audit decisions about people; sign what was found.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], Result]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=run.__doc__, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    def on_case(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("case", type=Path, metavar="CASE.toml")
        sub.add_argument("--out", type=Path, required=True, metavar="DIR")
        sub.add_argument("--seed", type=int, default=0)
        return sub

    def with_password(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument(
            "--password-file", type=Path, help="- for a line on standard input; else ASSAY_KEY_PASSWORD, else a prompt"
        )
        return sub

    def with_roots(sub: argparse.ArgumentParser, what: str) -> argparse.ArgumentParser:
        sub.add_argument("--trust", type=Path, metavar="CA.pem", help=what)
        sub.add_argument("--crl", type=Path, action="append", default=[], metavar="FILE", help="a revocation list")
        return sub

    kept = "roots and the certificates between; what they show is kept in the file, to be checked later"
    sub = command("demo", demo)
    sub.add_argument("--out", type=Path, default=Path("assay-demo"), metavar="DIR")
    sub.add_argument("--watch", action="store_true", help="the loop on replays with planted shifts instead")
    sub = command("init", init)
    sub.add_argument("data", type=Path, metavar="DATA")
    sub.add_argument("--out", type=Path, metavar="CASE.toml", help="write it (default: print it)")
    sub = command("convert", convert)
    sub.add_argument(
        "model", type=Path, metavar="MODEL", help="a pickle, joblib file, MLflow folder, CatBoost file ..."
    )
    sub.add_argument("--python", type=Path, required=True, metavar="PYTHON", help="the interpreter that made it")
    sub.add_argument("--load", required=True, metavar="HOW", help="joblib, pickle, cloudpickle, ... or module:function")
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="model.skops or model.onnx")
    sub.add_argument("--data", type=Path, required=True, metavar="DATA", help="rows on which both files are compared")
    sub.add_argument("--features", nargs="*", default=[], metavar="COLUMN", help="where the model does not name them")
    sub.add_argument("--consent", metavar="sha256:...", help="the digest of the file whose code you allow to run")
    sub = command("check", check)
    sub.add_argument("case", type=Path, metavar="CASE.toml")
    sub = on_case(command("audit", audit))
    sub.description = (
        "Measure a case. In place of CASE.toml a data file may stand, with options that say what is what: the case "
        "file that they make is written to DIR/case.toml. Nothing is taken that was neither given nor certain."
    )
    told = sub.add_argument_group("for other programs (docs/integrations.md)")
    for kind in ("junit", "sarif", "markdown", "openlineage"):
        told.add_argument(f"--{kind}", type=Path, metavar="FILE")
    about = sub.add_argument_group("beside a data file")
    about.add_argument("--sensitive", nargs="+", default=[], metavar="COLUMN", help="whose groups are compared")
    about.add_argument("--label", metavar="COLUMN", help="what really happened")
    about.add_argument("--decision", metavar="COLUMN", help="what was decided")
    about.add_argument("--score", metavar="COLUMN", help="a column of scores, decided by --threshold")
    about.add_argument("--model", type=Path, metavar="FILE", help="a model file")
    about.add_argument("--threshold", type=float, help="positive from this score on")
    about.add_argument("--positive", metavar="VALUE", help="what the model predicts or scores")
    about.add_argument("--favourable", metavar="VALUE", help="what is good for the person")
    for role in ("weight", "id", "time"):
        about.add_argument(f"--{role}", metavar="COLUMN")
    about.add_argument("--cluster", metavar="COLUMN", help="who the person is, where one has several rows")
    about.add_argument("--exclude", nargs="+", default=[], metavar="COLUMN", help="what the model must not see")
    about.add_argument("--bins", action="append", default=[], metavar="COLUMN:25,40,60", help="bands of a number")
    about.add_argument("--name", metavar="TEXT")
    about.add_argument("--purpose", metavar="TEXT", help="what is decided about people, in words")
    sub.add_argument("--draws", type=int, default=2000, help="draws behind each interval and p-value")
    sub.add_argument("--gate", action="store_true", help="end with 3 where a norm of the policy is broken")
    sub.add_argument(
        "--allow", action="append", default=[], metavar="TYPE", help="a type in the model you have reviewed"
    )
    sub = on_case(command("explain", explain))
    sub.add_argument("--row", type=int, action="append", default=[], help="explain this audited row (0 is the first)")
    sub.add_argument("--output", choices=("probability", "decision", "log-odds"), default="probability", help="of what")
    sub.add_argument(
        "--allow", action="append", default=[], metavar="TYPE", help="a type in the model you have reviewed"
    )
    sub = on_case(command("mitigate", mitigate))
    sub.description = (
        "Fit one candidate (--method), or search among many (--search) and pick one (--pick). Each candidate is "
        "compared with the original on rows that neither learned from. A search never sees those rows: it weighs "
        "wrong decisions against the upper bound of the gap on validation rows, writes search.json, and goes on where "
        "it was stopped. Only the candidate that a person picks is measured on the test rows. Nothing is deployed."
    )
    sub.add_argument(
        "--method", action="append", default=[], metavar="NAME",
        help="for example reweighing; with --search, search this one (may be repeated; default: those that need "
        "nothing sensitive to decide and fit once)",
    )  # fmt: skip
    sub.add_argument("--search", action="store_true", help="try many candidates and print the front")
    sub.add_argument("--trials", type=int, default=30, metavar="N", help="of a search: candidates to try (30)")
    sub.add_argument("--timeout", type=float, metavar="SECONDS", help="of a search: begin no candidate after this")
    sub.add_argument("--pick", type=int, metavar="NUMBER", help="take this candidate of the search in DIR")
    sub.add_argument("--reason", default="", metavar="TEXT", help="why this one; needed to pick")
    sub.add_argument("--by", default="", metavar="NAME", help="who picks it (default: the login name)")
    sub.add_argument("--constraint", metavar="NAME", help="what to aim at, for example demographic_parity")
    sub.add_argument("--tolerance", type=float, help="the gap allowed (default: 0.02; a search tries many)")
    sub.add_argument(
        "--attribute", action="append", default=[], metavar="COLUMN", help="act on this one (default: all)"
    )
    sub.add_argument("--gate", action="store_true", help="end with 3 where the tolerance was not met")
    sub.add_argument("--onnx", action="store_true", help="write mitigated.onnx too, with the same scores to 1e-5")
    sub.add_argument(
        "--allow", action="append", default=[], metavar="TYPE", help="a type in the model you have reviewed"
    )
    sub = command("watch", watch)
    sub.add_argument("case", type=Path, metavar="CASE.toml")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR")
    sub.add_argument("--db", metavar="URL", help="a database for the trail (default: DIR/watch.db)")
    sub.add_argument("--follow", action="store_true", help="wait for more batches until stopped, or input ends")
    sub.add_argument("--batches", type=int, metavar="N", help="take at most N batches now")
    sub.add_argument("--policy", type=Path, metavar="FILE", help="these norms in place of the case's own")
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--approve", metavar="ID", help="promote the challenger that waits (eight characters do)")
    which.add_argument("--reject", metavar="ID", help="turn it down")
    which.add_argument(
        "--check", action="store_true", help="follow the trail's chains, and what is kept beside the entries"
    )
    which.add_argument("--state", action="store_true", help="what the loop did and where it stands; takes no batch")
    sub.add_argument("--reason", metavar="TEXT", help="why, for --approve and --reject")
    sub.add_argument("--by", metavar="NAME", help="who decides (default: the name you are logged in by)")
    sub.add_argument("--gate", action="store_true", help="end with 3 where the running model clearly breaks a norm")
    sub.add_argument(
        "--allow", action="append", default=[], metavar="TYPE", help="a type in the model you have reviewed"
    )
    sub = command("plan", plan)
    sub.add_argument("--groups", required=True, metavar="N|NAME=SHARE,...", help="how many groups, or their shares")
    sub.add_argument("--gap", type=float, required=True, metavar="0.1", help="the gap to be seen; 10 points is 0.1")
    sub.add_argument("--rate", type=float, default=0.5, help="the rate of one group (default: 0.5, the hardest)")
    sub.add_argument("--power", type=float, default=0.8, help="in how many of all audits it is to be seen")
    sub.add_argument("--alpha", type=float, default=0.05)
    sub.add_argument("--rows", type=float, default=1.0, help="rows of one person, on average")
    sub.add_argument("--alike", type=float, default=1.0, help="how alike a person's rows are decided, 0 to 1")
    sub.add_argument("--weights", type=float, default=0.0, help="coefficient of variation of survey weights")
    sub = with_password(command("report", report))
    sub.add_argument("dir", type=Path, metavar="DIR")
    sub.add_argument(
        "--key", required=True, metavar="KEY.p12", help="- for one on standard input; or pkcs11:token=...;object=..."
    )
    sub.add_argument("--out", type=Path, required=True, metavar="REPORT.pdf")
    sub.add_argument("--member", action="append", default=[], metavar="NAME", help="a board member who is to decide")
    sub.add_argument("--quorum", type=int, help="how many members must approve (default: more than half)")
    sub.add_argument("--timestamp", metavar="URL", help="an RFC 3161 authority")
    sub.add_argument("--people", action="store_true", help="print explanations of single persons too")
    sub.add_argument("--annex", choices=("none", "short", "full"), default="full", help="how much is printed")
    sub.add_argument("--summary", action="store_true", help="the page for the public alone, to be posted")
    sub.add_argument("--condition", action="append", default=[], metavar="TEXT", help="what the board is to tick")
    sub.add_argument("--log", type=Path, metavar="DIR", help="enter it in this log of issued reports")
    sub.add_argument("--compare", type=Path, metavar="DIR", help="an earlier run folder, or an earlier report.pdf")
    sub.add_argument(
        "--allow-difference", metavar="REASON",
        help="why it may go out although its counts and an earlier report's differ by a few people; printed in it",
    )  # fmt: skip
    sub.add_argument("--protocol", type=Path, metavar="FILE", help="what was fixed before the results")
    sub.add_argument(
        "--deviation",
        action="append",
        default=[],
        metavar="TEXT",
        help="what was done otherwise than the protocol says",
    )
    with_roots(sub, kept)
    sub = with_password(command("approve", approve))
    sub.add_argument("report", type=Path, metavar="REPORT.pdf")
    sub.add_argument(
        "--key", required=True, metavar="MEMBER.p12", help="- for one on standard input; or pkcs11:token=...;object=..."
    )
    sub.add_argument("--decision", choices=("approve", "reject"), required=True)
    sub.add_argument("--reason", required=True)
    sub.add_argument("--conditions", default="")
    sub.add_argument("--until", metavar="YYYY-MM-DD", help="the last day on which the decision holds")
    sub.add_argument("--log", type=Path, metavar="DIR", help="enter it in this log of issued reports")
    sub.add_argument("--member", help="the name in the report, where the key bears another")
    sub.add_argument("--timestamp", metavar="URL", help="an RFC 3161 authority")
    with_roots(sub, kept)
    sub = with_roots(command("seal", seal), kept)
    sub.add_argument("report", type=Path, metavar="REPORT.pdf")
    sub.add_argument("--timestamp", metavar="URL", required=True, help="an RFC 3161 authority")
    sub = with_roots(command("verify", verify), "the roots you trust; without them no name is confirmed")
    sub.add_argument("report", type=Path, metavar="REPORT.pdf")
    sub.add_argument("--since", type=Path, metavar="EARLIER.pdf", help="an earlier copy that this file must continue")
    sub.add_argument(
        "--log", type=Path, metavar="DIR", help="the log of issued reports, or a proof by `assay register --proof`"
    )
    sub.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="SHA256",
        help="the fingerprint of a signer's certificate you know",
    )
    sub.add_argument("--require-quorum", action="store_true", help="fail where the board has not approved")
    sub.add_argument(
        "--print-again", type=Path, metavar="FILE", help="where nothing failed, print the checked evidence afresh here"
    )
    sub.add_argument("--rerun", type=Path, metavar="CASE.toml", help="measure again from model and data, and compare")
    sub.add_argument(
        "--allow", action="append", default=[], metavar="TYPE", help="with --rerun: a type in the model you reviewed"
    )
    sub = command("register", register)
    sub.add_argument("log", type=Path, metavar="DIR", help="the log of issued reports")
    sub.add_argument("--csv", type=Path, metavar="FILE", help="write it as a table too")
    sub.add_argument(
        "--add", type=Path, action="append", default=[], metavar="REPORT.pdf", help="enter a report and its decisions"
    )
    sub.add_argument("--protocol", type=Path, metavar="FILE", help="enter a protocol before the results are there")
    sub.add_argument("--proof", type=Path, metavar="REPORT.pdf", help="write the proof that this report is in the log")
    sub.add_argument("--out", type=Path, metavar="FILE", help="where to, for example report.tlog-proof")
    sub = command("forget", forget)
    sub.add_argument("case", nargs="?", default="", metavar="CASE", help="a case file, a run folder, or a case's id")
    sub.add_argument("--run", dest="runs", type=Path, action="append", default=[], metavar="DIR", help="its run folder")
    sub.add_argument("--originals", action="store_true", help="your own case file, data and model too")
    sub.add_argument("--keep-reports", action="store_true", help="leave its signed reports")
    sub.add_argument("--abandoned", action="store_true", help="uploads of the app that were never made a case")
    sub.add_argument("--dry-run", action="store_true", help="say what would go; delete nothing")
    sub = with_password(command("keys", keys))
    sub.add_argument("action", choices=("new",))
    sub.add_argument("--name", required=True)
    sub.add_argument("--out", type=Path, required=True, metavar="KEY.p12")
    return parser


def _say(args: argparse.Namespace, result: Result) -> None:
    document, words = result
    print(json.dumps(document, ensure_ascii=False, indent=1) if args.json else words, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(argv)
    started = time.monotonic()
    progress.begin()
    try:
        _say(args, args.run(args))
    except AssayError as error:
        print(f"assay {args.command}: {error.message}", file=sys.stderr)
        if args.json and not isinstance(error, GateBroken) and error.exit_code not in (4, 5):
            print(json.dumps(error.to_json(), ensure_ascii=False, indent=1))
        return error.exit_code
    except KeyboardInterrupt:
        print(f"assay {args.command}: stopped after {time.monotonic() - started:.0f} s.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has stopped reading; nothing was lost.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("ASSAY_DEBUG"):
            raise
        print(
            f"assay {args.command}: a fault of ours, not of your input ({type(error).__name__}: {error}). What was on "
            "disk before is unchanged. Set ASSAY_DEBUG=1 and run it again for the whole trace.",
            file=sys.stderr,
        )
        return 1
    return 0


def start() -> None:
    """What an installed `assay` starts."""
    sys.exit(main())


if __name__ == "__main__":
    start()
