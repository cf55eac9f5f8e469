"""`assay watch`: the loop, and a person's decisions about it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay._commands.given import password, read
from assay._commands.options import ALLOW, CASE, PASSWORD
from assay._commands.parsing import FILE, WHOLE, Option, Result, command
from audit.errors import GateBroken, InputError, VerificationError
from audit.numbers import are, many

if TYPE_CHECKING:
    from audit.case import Case

_ONE = "One of these"


@command(
    CASE,
    Option("--out", type=FILE, metavar="DIR", help="The run folder: what is made is written here."),
    Option(
        "--fleet", is_flag=True, help="The file names many loops (docs/watch.md): run them, or with --state show them."
    ),
    Option("--db", metavar="URL", help="A database for the trail (default: DIR/watch.db)."),
    Option("--follow", is_flag=True, help="Wait for more batches until stopped, or input ends."),
    Option("--batches", type=WHOLE, metavar="N", help="Take at most N batches now."),
    Option("--policy", type=FILE, metavar="FILE", help="These norms in place of the case's own."),
    Option("--approve", metavar="ID", help="Promote the challenger that waits (eight characters do).", group=_ONE),
    Option("--reject", metavar="ID", help="Turn it down.", group=_ONE),
    Option(
        "--check",
        is_flag=True,
        help="Follow the trail's chains, and what is kept beside the entries.",
        group=_ONE,
    ),
    Option(
        "--release", metavar="BATCH", help="Let a batch in that was put aside, or rows of it; they must come again."
    ),
    Option("--drop", metavar="BATCH", help="Remove the rows of a batch that were put aside."),
    Option(
        "--head", type=FILE, metavar="FILE", help="With --check: a report, or a copy of DIR/head.json kept elsewhere."
    ),
    Option(
        "--log",
        type=FILE,
        metavar="LOG",
        help="Note the trail's end in this signed log, hourly; with --check: hold it against.",
    ),
    Option("--state", is_flag=True, help="What the loop did and where it stands; takes no batch.", group=_ONE),
    Option("--reason", metavar="TEXT", help="Why, for --approve, --reject and --release."),
    Option("--by", metavar="NAME", help="Who decides (default: the name you are logged in by)."),
    Option("--key", metavar="KEY.p12", help="Sign the decision, as a report is signed (or pkcs11:...)."),
    PASSWORD,
    Option("--trust", type=FILE, metavar="CA.pem", help="With --check: roots that who signed must lead to."),
    Option("--serve", metavar="PORT", help="Answer /healthz and /metrics on 127.0.0.1, or HOST:PORT, while it runs."),
    Option("--openlineage", type=FILE, metavar="FILE", help="Append an OpenLineage event for each batch and model."),
    Option("--gate", is_flag=True, help="End with 3 where the running model clearly breaks a norm."),
    ALLOW,
)
def watch(
    case: Path,
    out: Path | None,
    fleet: bool,
    db: str | None,
    follow: bool,
    batches: int | None,
    policy: Path | None,
    approve: str | None,
    reject: str | None,
    check: bool,
    release: str | None,
    drop: str | None,
    head: Path | None,
    log: Path | None,
    state: bool,
    reason: str | None,
    by: str | None,
    key: str | None,
    password_file: Path | None,
    trust: Path | None,
    serve: str | None,
    openlineage: Path | None,
    gate: bool,
    allow: Sequence[str],
) -> Result:
    from dataclasses import replace

    from audit.load import load_case, load_policy

    asked = {
        "--approve": approve is not None,
        "--reject": reject is not None,
        "--check": check,
        "--release": release is not None,
        "--drop": drop is not None,
        "--state": state,
    }
    if fleet:
        from assay._commands.fleet import run_many

        options = {"--out": out, "--db": db, "--batches": batches, "--policy": policy, "--log": log, "--key": key}
        others = [n for n, v in (options | {"--openlineage": openlineage}).items() if v is not None]
        others += ["--gate"] * gate + [n for n, on in asked.items() if on and n != "--state"]
        return run_many(case, others, follow, state, serve, allow)
    if out is None:
        raise InputError(
            "--out is missing", expected="assay watch CASE.toml --out DIR", todo="name the folder to write into"
        )
    _one_at_a_time(asked)
    loaded = load_case(case)
    if policy:
        loaded = replace(loaded, policy=load_policy(policy))
    if check:
        return _check(out, db, _elsewhere(loaded.name, out, db, head, log), trust)
    if release is not None:
        return _release(out, db, release, reason, by)
    if drop is not None:
        return _drop(out, drop, reason, by)
    if approve is not None:
        document = _decide(loaded, out, db, approve, True, reason, by, key, password_file)
    elif reject is not None:
        document = _decide(loaded, out, db, reject, False, reason, by, key, password_file)
    elif state:
        from debias.loop.decisions import state_of

        document = state_of(loaded, out, db)
    else:
        document = _run(loaded, out, db, follow, batches, allow, log, serve, openlineage)
    written = [] if state else [f"Written: {out / 'watch.json'}"]
    return _judged(document, written, loaded.policy.version if gate else None)


def _one_at_a_time(asked: Mapping[str, bool]) -> None:
    names = [name for name, on in asked.items() if on]
    if len(names) > 1:
        raise InputError(
            "these are asked one at a time",
            got=" and ".join(names),
            expected="one of --approve, --reject, --release, --drop, --check and --state",
            todo="run one, then the other",
        )


def _check(out: Path, db: str | None, elsewhere: dict[int, str] | None, trust: Path | None) -> Result:
    """--check: the trail's chains, what was noted of it elsewhere, and whose keys signed."""
    from dataclasses import asdict

    from debias.loop.decisions import check_trail, entries_of
    from reports.loop_decision import check_decisions

    trail = check_trail(out, db, elsewhere)
    signed = check_decisions(entries_of(out, db), read(trust) if trust else None)
    words = [
        f"The trail is whole: {many(trail['entries'], 'entry')}, each with the hash of the one before it and its time "
        f"sealed.\nHead {trail['head']}"
    ]
    words += [f"Entry {s.seq} ({s.kind}) is signed by {s.name}, {s.fingerprint}." for s in signed]
    if signed and trust is None:
        words.append("Whether these are who they say is not established: no --trust was given.")
    return Result(trail | {"signed": [asdict(s) for s in signed]}, "\n".join(words))


def _release(out: Path, db: str | None, batch: str, reason: str | None, by: str | None) -> Result:
    from debias.loop.decisions import release_batch

    done = release_batch(out, batch, reason or "", by, db)
    if "file" in done:
        rows = done["rows"]
        advice = "correct them where they need it, and put the file into the source."
        return Result(done, f"{many(rows, 'row')} {are(rows)} in {done['file']}: {advice}")
    return Result(done, f"{done['by']} lets batch {batch} in when it comes again: {done['reason']}")


def _drop(out: Path, batch: str, reason: str | None, by: str | None) -> Result:
    from debias.loop.decisions import drop_rows

    done = drop_rows(out, batch, reason or "", by)
    return Result(done, f"{done['by']} drops {many(done['rows'], 'row')} of batch {batch}: {done['reason']}")


def _decide(
    case: Case,
    out: Path,
    db: str | None,
    challenger: str,
    approve: bool,
    reason: str | None,
    by: str | None,
    key: str | None,
    password_file: Path | None,
) -> dict[str, Any]:
    """--approve and --reject, signed where there is a key."""
    if not reason:
        raise InputError("a decision needs a reason", got="no --reason", todo='add --reason "..."')
    from debias.loop.decisions import decide_challenger
    from reports.loop_decision import opened_decision, sign_decision

    signer = None
    if key is not None:
        from reports.keys import key_of

        if by is not None:
            raise InputError(
                "who decides is said twice", got="--by and --key", expected="one of them: the key names its holder"
            )
        signer = key_of(key, lambda: password(password_file), sys.stdin.buffer)
        by = signer.name
    return decide_challenger(
        case, out, challenger, approve, reason, by, db,
        None if signer is None else lambda facts: sign_decision(facts, signer), opened_decision,
    )  # fmt: skip


def _run(
    case: Case,
    out: Path,
    db: str | None,
    follow: bool,
    batches: int | None,
    allow: Sequence[str],
    log: Path | None,
    serve: str | None,
    lineage: Path | None,
) -> dict[str, Any]:
    from debias.loop.health import address_of
    from debias.loop.run import run_watch
    from reports.log.store import Log
    from reports.loop_decision import opened_decision
    from reports.loop_log import LoopLog

    if batches is not None and batches < 0:
        raise InputError(
            "--batches cannot be used",
            got=batches,
            expected="0 or more",
            todo="leave it out to take all that are there",
        )
    return run_watch(
        case, out, trail_url=db, follow=follow, max_batches=batches, allow=allow, opened=opened_decision,
        elsewhere=None if log is None else LoopLog(Log(log), case.name),
        serve=None if serve is None else address_of(serve), lineage=lineage,
    )  # fmt: skip


def _judged(document: dict[str, Any], written: Sequence[str], version: str | None) -> Result:
    """What the loop says. version: of the policy that the running model is held against (--gate), or None."""
    from debias.loop.decisions import gate_broken, words_of

    broken = [] if version is None else gate_broken(document)
    failure = None
    if broken:
        failure = GateBroken(
            f"{many(len(broken), 'norm')} of policy {version} are clearly broken by the running model",
            got="; ".join(broken),
            expected="no norm clearly outside its limit",
            todo="look at what the loop waits for (--state), or change the policy and say why",
        )
    return Result(document, "\n".join([*words_of(document), *written]), failure)


def _elsewhere(case: str, out: Path, db: str | None, head: Path | None, log: Path | None) -> dict[int, str] | None:
    """What was noted of the trail outside DIR: in a report or a copy of head.json, and in a log."""
    from debias.loop.decisions import entries_of
    from reports.log.store import Log
    from reports.loop_log import LoopLog, noted_in

    hashes = {} if head is None else noted_in(head)
    if log is not None:
        known = LoopLog(Log(log), case).noted(next(entries_of(out, db)).hash)
        if not known:
            raise VerificationError(
                "trail", "the log knows no such loop", got="a trail whose first entry is in none of its entries",
                expected="a loop that was run with this --log",
                todo="give the log that it was run with; if it is that, the trail was written anew",
            )  # fmt: skip
        hashes |= known
    return None if head is None and log is None else hashes
