"""What a model file needs from a person before it is asked: lines of the case, types allowed, consent to its digest."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from audit.case import ModelSpec
from audit.load.models import from_lines
from screens import state
from screens.workspace import CaseFolder

LINES = ".model-lines"
HELP = (
    "For example classes, threshold or link; or python, load and consent for a model that only its own environment can "
    "load: loading runs code that is in the file, and consent names the digest of a file whose source you know."
)


def spec_of(folder: CaseFolder, model: Path) -> ModelSpec:
    """The uploaded model with the lines that were given for it."""
    kept = folder.place / LINES
    return from_lines(model, kept.read_text() if kept.exists() else "")


def usable(folder: CaseFolder, kept: Path) -> bool:
    """Whether the model can be audited as things stand; what it still needs from a person is shown. Raises ModelError
    and CaseError."""
    from audit.models import describe

    lines = st.text_area("Lines for the model, where a message asks for them", key="model-lines", height=80, help=HELP)
    spec = from_lines(kept, lines)
    if spec.python is not None and spec.load is not None:
        from audit.models.own import Environment, allowed, digest_of

        own = Environment(spec.python, spec.load, spec.consent, kept.parent)
        digest = digest_of(kept, own)
        st.warning(f"Loading this model runs code that is in it: {state.escape(allowed(own))}.")
        st.code(f"sha256:{digest}", language=None)
        if not st.checkbox("I know where this file is from, and allow exactly these bytes", key=f"allow-{digest}"):
            return False
        lines = "\n".join([line for line in lines.splitlines() if not line.lstrip().startswith("consent")])
        lines += f'\nconsent = "sha256:{digest}"\n'
    else:
        unknown = describe(kept).unknown_types
        if unknown and not consent(unknown):
            return False
        (folder.place / "allow").write_text("\n".join(unknown))
    (folder.place / LINES).write_text(lines)
    return True


def consent(unknown: tuple[str, ...]) -> bool:
    """Show the types in a model that Assay does not know; a person says whether they may be built."""
    st.warning(
        "This model holds types that Assay does not know. They are code that runs when the model loads, in a process "
        "without network or files. Go on only if you know where each comes from."
    )
    for name in unknown:
        st.markdown(f"- {state.escape(name)}")
    return st.checkbox("I know these types and allow them", key="allow-" + " ".join(unknown))
