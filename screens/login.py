"""Logins by OpenID Connect: the settings, and who a login's claims say that a person is.

Off until `.streamlit/secrets.toml` has a table [auth] (Streamlit's own) and Authlib is installed (`make login`):

    [people]                            # optional: without it everybody who can sign in is a viewer
    claim = "groups"                    # where the provider writes them; realm_access.roles for one within another
    hours = 1                           # how long a login lasts at most, whatever the provider says
    [people.roles]
    analyst = ["risk-analytics"]
    member = ["ethics-board"]
    [people.teams]                      # optional: which of them are teams that a case can belong to
    "Lending" = ["risk-analytics", "ethics-board"]

A login keeps the roles of its moment. With `file = "/etc/assay/people.toml"` under [people], who may do what is looked
up there at every request, every run and every act (`Directory`).
"""

from __future__ import annotations

import ipaddress
import json
import math
import stat
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit.access import DEFAULT_ROLE, ROLES, Person

LEAST_SECRET = 32
HOURS = 1.0
SKEW = 30.0
"""Seconds that a provider's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Who has which role now, in a file on the server: names are subjects, or e-mail addresses that the provider has
    verified.

        out = ["bob@example.org"]               # is let in no more, whatever the login says
        [roles]                                 # where it is there, no claim gives a role
        analyst = ["ann@example.org"]
        [teams]
        Lending = ["ann@example.org"]
    """

    out: tuple[str, ...] = ()
    roles: Mapping[str, tuple[str, ...]] | None = None
    teams: Mapping[str, tuple[str, ...]] | None = None


@lru_cache(maxsize=8)
def _directory(path: str, stamp: tuple[int, int, int]) -> Directory | None:
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wrong: list[str] = [k for k in document if k not in ("out", "roles", "teams")]
    out = _lists({"out": document.get("out", [])}, "out", wrong)
    roles, teams = (_lists(document[k], k, wrong) if k in document else None for k in ("roles", "teams"))
    wrong += sorted(set(roles or ()) - set(ROLES))
    return None if wrong else Directory(out.get("out", ()), roles, teams)


def directory(path: Path) -> Directory | None:
    """What the file says now; None where it cannot be used: then nobody is let in."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return _directory(str(path), (seen.st_mtime_ns, seen.st_size, seen.st_ino))


@dataclass(frozen=True, slots=True)
class Logins:
    """The settings. roles and teams: name -> the values of the claim that give it. file: of a `Directory`."""

    origin: str
    claim: str = "roles"
    hours: float = HOURS
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    file: Path | None = None

    def person(self, claims: Mapping[str, Any], now: float | None = None) -> Person | None:
        """Who these claims of a login name; None where they name nobody, or the login has ended.

        claims : of the ID token, whose signature was checked at the login. now : seconds since 1970.
        """
        subject, issuer = claims.get("sub"), claims.get("iss")
        texts = isinstance(subject, str) and isinstance(issuer, str)
        if claims.get("is_logged_in") is not True or not texts or not subject or not issuer:
            return None
        if not (time.time() if now is None else now) < self.ends(claims):
            return None
        claim_values = set(_values(claims, self.claim))
        roles = tuple(r for r in ROLES if claim_values & set(self.roles.get(r, ())))
        teams = tuple(t for t, values in self.teams.items() if claim_values & set(values))
        if self.file is not None:
            named = {subject, f"{issuer}#{subject}"}
            if claims.get("email_verified") is True and isinstance(claims.get("email"), str):
                named.add(claims["email"])
            now_in = directory(self.file)
            if now_in is None or named & set(now_in.out):
                return None
            if now_in.roles is not None:
                roles = tuple(r for r in ROLES if named & set(now_in.roles.get(r, ())))
            if now_in.teams is not None:
                teams = tuple(t for t, values in now_in.teams.items() if named & set(values))
        name = next(v for k in ("name", "preferred_username", "email", "sub") if isinstance(v := claims.get(k), str))
        return Person(f"{issuer}#{subject}", " ".join(name.split())[:120], roles or (DEFAULT_ROLE,), teams)

    def ends(self, claims: Mapping[str, Any]) -> float:
        """When the login ends, in seconds since 1970: its token's end, or HOURS after it was made; -inf if unknown."""
        end, issued_at = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
        if end is None or issued_at is None or issued_at > time.time() + SKEW:
            return -math.inf
        return min(end, issued_at + self.hours * 3600)


def _seconds(value: object) -> float | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None  # type: ignore[arg-type]


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts at `path` (names parted by full stops; a name with full stops in it is tried as it is first)."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    listed = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    return [v for v in listed if isinstance(v, str)]


def read(auth: Mapping[str, Any], people: Mapping[str, Any]) -> tuple[Logins, list[str]]:
    """The settings in these tables, and what is wrong with them, a sentence each."""
    wrong = []
    redirect, secret = str(auth.get("redirect_uri", "")), str(auth.get("cookie_secret", ""))
    parts = urlsplit(redirect)
    if parts.path != "/oauth2callback" or not parts.hostname:
        wrong.append("auth.redirect_uri: expected https://HOST/oauth2callback")
    elif parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        wrong.append("auth.redirect_uri: expected https (http for this machine alone)")
    if len(secret) < LEAST_SECRET:
        wrong.append(f"auth.cookie_secret: expected at least {LEAST_SECRET} random characters")
    wrong += [f"auth.{k}: is missing" for k in ("client_id", "client_secret", "server_metadata_url") if not auth.get(k)]
    meta = urlsplit(str(auth.get("server_metadata_url", "")))
    if meta.scheme != "https" and not is_loopback(meta.hostname or ""):
        wrong.append("auth.server_metadata_url: expected https")
    if unknown := sorted(set(people) - {"claim", "file", "hours", "roles", "teams"}):
        wrong.append(f"people: unknown {', '.join(unknown)}; known are claim, file, hours, roles, teams")
    hours = people.get("hours", HOURS)
    if isinstance(hours, bool) or not isinstance(hours, (int, float)) or not 0 < hours <= 24:
        wrong.append("people.hours: expected more than 0, at most 24")
        hours = HOURS
    claim = people.get("claim", "roles")
    if not isinstance(claim, str) or not claim:
        wrong.append('people.claim: expected the name of a claim, such as "groups"')
        claim = "roles"
    roles, teams = (_lists(people.get(k, {}), f"people.{k}", wrong) for k in ("roles", "teams"))
    if odd := sorted(set(roles) - set(ROLES)):
        wrong.append(f"people.roles: unknown {', '.join(odd)}; known are {', '.join(ROLES)}")
    origin = f"{parts.scheme}://{parts.netloc}"
    file = Path(str(people["file"])) if people.get("file") else None
    if file is not None and directory(file) is None:
        wrong.append(f"people.file: {file} cannot be read, or holds something else than out, [roles] and [teams]")
    return Logins(origin, claim, float(hours), roles, teams, file), wrong


def is_loopback(address: object) -> bool:
    """Whether a name or address is this machine's own; anything that is not known to be is not."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(address)).is_loopback
    except ValueError:
        return False


def _lists(table: Any, name: str, wrong: list[str]) -> dict[str, tuple[str, ...]]:
    out = {}
    for key, value in table.items() if isinstance(table, Mapping) else [("", None)]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            wrong.append(f'{name}: expected lists of the claim\'s values, such as analyst = ["risk"]')
        else:
            out[str(key)] = tuple(values)
    return out


@lru_cache(maxsize=1)
def settings() -> tuple[Logins | None, tuple[str, ...]]:
    """The logins of this server, None while it has none; and what is wrong with its settings."""
    from streamlit import config
    from streamlit.runtime.secrets import secrets_singleton

    if not secrets_singleton.load_if_toml_exists():
        return None, ()
    auth, people = (_builtins(secrets_singleton.get(name)) for name in ("auth", "people"))
    return judged(auth, people, config.get_option)


def judged(auth: Any, people: Any, option: Callable[[str], Any]) -> tuple[Logins | None, tuple[str, ...]]:
    """The same of these two tables (None: not there) and this server's options."""
    from streamlit.auth_util import is_authlib_installed

    if auth is None:
        return None, () if people is None else ("people: there is no [auth] beside it",)
    if not isinstance(auth, Mapping) or not isinstance(people or {}, Mapping):
        return None, ("auth and people: expected tables",)
    logins, wrong = read(auth, people or {})
    if not is_authlib_installed():
        wrong.append("Authlib is not installed; run: make login")
    host = urlsplit(logins.origin).hostname
    if host not in (option("server.allowedHosts") or []):
        wrong.append(f"server.allowedHosts: {host}, the host of auth.redirect_uri, is not among them")
    wrong += [f"{k}: expected nothing, where there are logins" for k in NOT_WITH_LOGINS if option(k)]
    return logins, (*wrong, *_open_files(option("secrets.files")))


NOT_WITH_LOGINS = ("server.baseUrlPath", "server.trustedUserHeaders")


def _builtins(table: Any) -> dict[str, Any] | None:
    return json.loads(json.dumps(table.to_dict())) if hasattr(table, "to_dict") else table


def _open_files(files: Iterable[str]) -> list[str]:
    """Files of secrets that others on this machine can read."""
    paths = [Path(f) for f in files if Path(f).is_file()]
    return [
        f"{f}: others can read it; run: chmod 600 {f}"
        for f in paths
        if f.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
