"""Who is signed in, on the screens: the line on top, the end of a login, whose a case is."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from audit import access
from audit.access import ROLES, Person
from audit.errors import AccessError, AssayError
from screens import parts, state
from screens.login import settings
from screens.workspace import CaseFolder, acts_home

WHO = "signed-in"


def now() -> Person | None:
    """Who acts in this session; asked at every act, so a login that has ended ends it. Nobody outside a session."""
    logins, _ = settings()
    if logins is None or get_script_run_ctx(suppress_warning=True) is None:
        return None
    return logins.person(st.user.to_dict())


def entered() -> bool:
    """Draw who is signed in; or, where the login has ended, only the way back in. Whether the page may be run."""
    if settings()[0] is None:
        return True
    who = access.person()
    if who is None:
        st.title("Assay")
        st.info("Your sign-in has ended. Nothing that runs was stopped, and nothing is lost.")
        if st.button("Sign in again", key="sign-in-again", type="primary"):
            st.logout()
        return False
    if st.session_state.get(WHO, who.id) != who.id:
        # Another person in the same window: nothing of the one before stays.
        st.session_state.clear()
    st.session_state[WHO] = who.id
    left, right = st.columns([6, 1], vertical_alignment="center")
    left.caption(f"Signed in as {state.escape(who.name)} ({', '.join(who.roles)}).")
    if right.button("Sign out", key="sign-out", type="tertiary"):
        st.logout()
    return True


def only(act: str, module: str) -> Callable[[], None]:
    """The screen in this module, for those whose role has this act; the others are told so."""

    def shown() -> None:
        who = access.person()
        if who is not None and not who.local and not any(act in ROLES.get(r, {}) for r in who.roles):
            may = [r for r, acts in ROLES.items() if act in acts]
            st.title("This screen is not for your role")
            st.info(f"It is for those who may {access.ACTS[act]}: {', '.join(may)}. You are {', '.join(who.roles)}.")
            return
        try:
            importlib.import_module(module).show()
        except AccessError as error:
            state.show_error(error)

    shown.__name__ = module.rpartition(".")[2]
    return shown


def panel(folder: CaseFolder) -> None:
    """Whose the case is, and which teams it is shared with; for those who may say so. Nothing without logins."""
    who = access.person()
    if who is None or who.local:
        return
    whose = access.belongs(folder.place) or access.Belongs("")
    teams = sorted({*who.teams, *whose.teams} if "admin" not in who.roles else {*known_teams(), *whose.teams})
    with st.expander("Who sees this case"):
        shared = ", ".join(whose.teams) or "none"
        st.write(f"Made by {state.escape(whose.name or 'nobody who is known')}. Teams: {state.escape(shared)}.")
        if not access.may("share", folder.place):
            return
        if not teams:
            st.caption("You belong to no team that a case could be shared with.")
            return
        chosen = st.multiselect("Teams that it belongs to", teams, default=list(whose.teams), key=f"teams-{folder.id}")
        if st.button("Share it so", key=f"share-{folder.id}"):
            try:
                access.share(folder.place, chosen)
            except AssayError as error:
                state.show_error(error)
                return
            st.rerun()


def acts() -> None:
    """Who did what, the last first, and as the log's own lines; for those who may read it."""
    who = access.person()
    if who is None or who.local or not access.may("log"):
        return
    import pandas as pd

    from reports.log import Log

    access.demand("log")
    st.header("Who did what")
    view = Log(acts_home()).read()
    rows = [
        {"When": e["logged"][:19].replace("T", " "), "Who": e["name"], "As": ", ".join(e["roles"]),
         "Asked to": access.ACTS.get(e["act"], e["act"]), "Case": e["case"][:8] or "–",
         "Allowed": "yes" if e["allowed"] else "no"}
        for e in reversed(view.entries[-MOST:])
    ]  # fmt: skip
    parts.table(pd.DataFrame(rows), alt=f"The last {len(rows)} of {view.checkpoint.size:,} acts")
    st.caption(f"A case is named by the first eight digits of its id. Key of this log: {view.verifier.text}")


MOST = 200


def known_teams() -> tuple[str, ...]:
    """The teams that the settings name."""
    logins, _ = settings()
    return () if logins is None else tuple(logins.teams)
