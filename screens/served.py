"""A served model on the screen Set up: where it is, what is sent there, and the tick without which nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from audit.errors import AssayError, CaseError
from audit.numbers import many
from screens import state
from screens.said import Endpoint

KIND = "A served model"
HELP = (
    'One a line, for example: output = "predict_proba", decision = "predict", columns = ["0", "1"], token_env = '
    '"MY_TOKEN" (the name of a variable, never a token). docs/served-models.md has all of them.'
)


def ask(columns: Sequence[str], answers: Endpoint) -> Endpoint:
    """What was answered: `lines` of the endpoint, `features`, and `agreed`, the host that a person ticked for these."""
    from audit.models.served.addresses import place_of
    from audit.models.served.protocols import PROTOCOLS

    url = st.text_input("Address", answers.url, key="served-url", placeholder="https://host/v2/models/loans")
    known = list(PROTOCOLS)
    protocol = st.selectbox(
        "Protocol", known, index=known.index(answers.protocol or known[0]), key="served-protocol",
        help="; ".join(f"{row.name}: {row.words}" for row in PROTOCOLS.values() if row.words),
    )  # fmt: skip
    more = st.text_area("More lines, where a message asks for them", answers.more, key="served-more", help=HELP)
    features = st.multiselect(
        "Columns that are sent", columns, [c for c in answers.features if c in columns], key="served-features"
    )
    out = Endpoint(url=url, protocol=protocol, more=more, features=features)
    if not url.strip() or not features:
        return out
    try:
        place = place_of(spec_of(out, Path("/")).endpoint.url)  # type: ignore[union-attr]
    except AssayError as error:
        state.show_error(error)
        return out
    st.warning(
        state.escape(
            f"These {many(len(features), 'column')} of every person go to {place}, which is not this machine's Assay: "
            f"{', '.join(features)}. Its owner may keep them."
        )
    )
    # Asked anew when the place or a column changes, and never answered beforehand.
    if st.checkbox("I may pass these on, and agree", key=f"agree-{place}-{','.join(features)}"):
        out.agreed = place
    return out


def spec_of(answers: Endpoint, folder: Path) -> Any:
    """The model of a case that was described here. Raises CaseError."""
    import tomllib

    from audit.load.models import read
    from audit.load.toml import Reader

    try:
        more = tomllib.loads(answers.more)
    except tomllib.TOMLDecodeError as problem:
        raise CaseError(
            "the lines for the endpoint are no TOML", got=str(problem), expected='lines such as decision = "predict"',
            todo="write one a line, text in quotation marks",
        ) from problem  # fmt: skip
    for_model = {k: more.pop(k) for k in ("threshold", "classes", "link") if k in more}
    endpoint = {"url": answers.url.strip(), "protocol": answers.protocol, **more}
    if answers.agreed:
        endpoint |= {"send_to": answers.agreed}
    return read(Reader({"endpoint": endpoint, **for_model}, "the lines for the endpoint", CaseError), folder)


def lacks(answers: Endpoint | None) -> str:
    """What is still to be answered, in words."""
    if not answers or not answers.url.strip():
        return "the address"
    if not answers.features:
        return "the columns that are sent"
    return "" if answers.agreed else "your agreement to what is sent"
