"""Who may do what: one table of roles and acts, asked where the work is done.

    allowed(person, "delete", owner_of(case_folder))     # bool
    demand("delete", case_folder)                        # raises AccessError for the person who is acting

A *person* is who is acting, as a login says, with roles and teams. A case *belongs* to the person who made it and to
the teams that it was shared with; the record stands in the case's folder (OWNER). What is not known is refused: a role
or an act that is not in the table, a case without a record, nobody signed in.

At the command line, and in the app without logins, one person of this machine acts (LOCAL), who may do everything that
the files' permissions allow. A server with logins calls `install` with the function that says who is acting; it is
asked anew at every act, so that a login that has ended ends every act at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from audit.errors import AccessError
from audit.files import canonical, write_whole

OWNER = "owner.json"
ANY, TEAM, OWN = "any case", "cases of one's own and of one's teams", "cases that one made"

ACTS = {
    "report": "see the published report and how it stands",
    "figures": "see everything that was measured",
    "rows": "see rows and explanations of single persons",
    "make": "make a case",
    "work": "change a case: upload, audit, explain, mitigate, watch",
    "publish": "sign a report",
    "countersign": "approve or reject a report, a candidate or a challenger",
    "answer": "countersign a report that came from elsewhere",
    "share": "say which teams a case belongs to",
    "delete": "delete a case with its data",
    "log": "read who did what",
}
NO_CASE = ("make", "answer", "log")
ROLES: dict[str, dict[str, str]] = {
    "viewer": {"report": TEAM},
    "analyst": {
        "report": TEAM, "figures": TEAM, "rows": TEAM, "make": OWN, "work": TEAM, "publish": TEAM, "share": OWN,
        "delete": OWN,
    },
    "member": {"report": TEAM, "figures": TEAM, "countersign": TEAM, "answer": OWN},
    "auditor": {"report": ANY, "figures": ANY, "rows": ANY, "log": ANY},
    "admin": {"report": ANY, "share": ANY, "delete": ANY, "log": ANY},
}  # fmt: skip
"""role -> act -> on which cases. What is not here is not allowed; a person with two roles may do what either may."""
DEFAULT_ROLE = "viewer"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is acting. id: issuer and subject of the login, so that two providers' people are never one."""

    id: str
    name: str
    roles: tuple[str, ...] = (DEFAULT_ROLE,)
    teams: tuple[str, ...] = ()
    local: bool = False


LOCAL = Person("", "this machine's user", (), (), local=True)


@dataclass(frozen=True, slots=True)
class Belongs:
    """Whose a case is: the id and name of who made it, the teams, and the ids of those who signed a report on it."""

    owner: str
    name: str = ""
    teams: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """What is noted of an act that was asked for. case: the id of the case, "" where none is touched."""

    person: str
    name: str
    roles: tuple[str, ...]
    act: str
    case: str
    allowed: bool


NOTED = frozenset(ACTS) - {"report", "figures"}
"""Acts that are noted whenever they are asked for; the others where they were refused."""


def allowed(person: Person | None, act: str, case: Belongs | None = None) -> bool:
    """Whether this person may do this. case: whose it is; None where no case is touched, or nobody knows whose it is.

    Raises KeyError for an act that is not in ACTS: a mistake of ours, never an answer.
    """
    ACTS[act]
    if person is None:
        return False
    if person.local:
        return True
    return any(_reaches(person, ROLES.get(role, {}).get(act), case, act) for role in person.roles)


def _reaches(person: Person, where: str | None, case: Belongs | None, act: str) -> bool:
    if where == ANY or (where is not None and act in NO_CASE):
        return True
    if where is None or case is None or not person.id:
        return False
    own = case.owner == person.id
    return own or (where == TEAM and bool(set(case.teams) & set(person.teams)))


def _nobody_asks() -> Person | None:
    return LOCAL


def _nobody_notes(act: Act) -> None:
    return None


_who: Callable[[], Person | None] = _nobody_asks
_note: Callable[[Act], None] = _nobody_notes


def install(who: Callable[[], Person | None], note: Callable[[Act], None] = _nobody_notes) -> None:
    """For the server with logins. who: says who is acting (None: nobody is signed in). note: enters an act that was
    asked for, and whether it was allowed, before it is done; where it raises, the act is not done."""
    global _who, _note
    _who, _note = who, note


def person() -> Person | None:
    """Who is acting."""
    return _who()


class _Written(msgspec.Struct, frozen=True):
    """Whose a case is, as its file says it: nothing but `signed` may be missing."""

    owner: str
    name: str
    teams: tuple[str, ...]
    signed: tuple[str, ...] = ()


def belongs(place: Path) -> Belongs | None:
    """Whose the case in this folder is; None where there is no record, or none that can be read."""
    try:
        record = msgspec.json.decode((place / OWNER).read_bytes(), type=_Written)
        return Belongs(record.owner, record.name, record.teams, record.signed)
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
        return None


def claim(place: Path) -> None:
    """Record that the new case in this folder belongs to who is acting."""
    who = demand("make")
    if not who.local:
        _write(place, Belongs(who.id, who.name))


def share(place: Path, teams: Iterable[str]) -> None:
    """Say which teams a case belongs to, beside who made it. A case that is nobody's stays with the teams alone."""
    demand("share", place)
    now = belongs(place) or Belongs("")
    _write(place, Belongs(now.owner, now.name, tuple(sorted(set(teams))), now.signed))


def signing(place: Path) -> None:
    """Remember that who is acting signs a report on this case: their own approval of it would be no second look."""
    who = demand("publish", place)
    now = belongs(place)
    if not who.local and now is not None and who.id not in now.signed:
        _write(place, Belongs(now.owner, now.name, now.teams, (*now.signed, who.id)))


def not_own(place: Path) -> None:
    """Raise AccessError where who is acting may not countersign here, or signed a report on this case themselves."""
    demand("countersign", place)
    no_second_look(place)


def no_second_look(place: Path) -> None:
    """Raise AccessError where who is acting signed a report on this case: somebody else has to approve it."""
    who, now = person(), belongs(place)
    if who is not None and not who.local and now is not None and who.id in now.signed:
        raise AccessError(
            "who signed a report on a case does not approve it too", got=who.name, expected="another member",
            todo="ask a member of the board who had no part in it",
        )  # fmt: skip


def _write(place: Path, of: Belongs) -> None:
    document = {"owner": of.owner, "name": of.name, "teams": list(of.teams), "signed": list(of.signed)}
    write_whole(place / OWNER, canonical(document), mode=0o600)


def may(act: str, place: Path | None = None) -> bool:
    """Whether who is acting may do this, on the case in this folder."""
    who = person()
    return allowed(who, act, None if place is None or who is None or who.local else belongs(place))


def demand(act: str, place: Path | None = None) -> Person:
    """Who is acting, where they may do this (on the case in this folder). Raises AccessError."""
    who = person()
    if who is None:
        raise AccessError("nobody is signed in", expected="a login that has not ended", todo="sign in again")
    good = may(act, place)
    if not who.local and (act in NOTED or not good):
        _note(Act(who.id, who.name, who.roles, act, "" if place is None else place.name, good))
    if not good:
        raise AccessError(
            "this is not for your role", got=f"{who.name}: {', '.join(who.roles)}",
            expected=f"a role that may {ACTS[act]}", todo="ask who looks after the people of this server",
        )  # fmt: skip
    return who
