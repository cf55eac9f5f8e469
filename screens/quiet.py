"""A fragment that is drawn again by a timer says what it shows; while that stands, the timer's call costs nothing.

Streamlit answers each call of a timer with the whole of the fragment and a frame of its own for the run: 2.3 kB a
second for a job that waits (bench/app_polls.py), and every chart of a loop that runs. Here a call is passed over where
what the fragment drew from is what it was, as Streamlit itself passes over calls of fragments that are gone. Twice a
minute it goes through, so that a login that has ended is noticed on a page that nobody touches.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamlit.runtime import app_session
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

AT_LEAST_SECONDS = 30.0
MOST = 2000


@dataclass(frozen=True, slots=True)
class _Drawn:
    """look: gives what is to be drawn, as something to compare; seen: what it gave when it was; at: when."""

    look: Callable[[], object]
    seen: object
    at: float


_drawn: OrderedDict[tuple[str, str], _Drawn] = OrderedDict()


def until(look: Callable[[], object], seen: object) -> None:
    """Said in a fragment with a timer: it shows `seen`; its timer may rest until `look()` gives something else.

    look is called outside of any page: it reads files, and draws nothing.
    """
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or (fragment := ThreadState.get().fragment_id) is None:
        return
    _drawn.pop((context.session_id, fragment), None)
    _drawn[context.session_id, fragment] = _Drawn(look, seen, time.monotonic())
    while len(_drawn) > MOST:
        _drawn.popitem(last=False)


def stands(session: str, fragment: str) -> bool:
    """Whether what this fragment shows is still so. What cannot be looked at does not stand."""
    drawn = _drawn.get((session, fragment))
    if drawn is None or time.monotonic() - drawn.at > AT_LEAST_SECONDS:
        return False
    try:
        return drawn.look() == drawn.seen
    except Exception:
        return False  # the fragment itself finds out, and says so


def install() -> None:
    """For the server, before it has sessions."""
    asked = app_session.AppSession.request_rerun
    if getattr(asked, "quiet", False):
        return

    def request_rerun(self: app_session.AppSession, client_state: Any) -> None:
        if client_state and client_state.is_auto_rerun and stands(self.id, client_state.fragment_id):
            return
        asked(self, client_state)

    request_rerun.quiet = True  # type: ignore[attr-defined]
    app_session.AppSession.request_rerun = request_rerun  # type: ignore[method-assign]
