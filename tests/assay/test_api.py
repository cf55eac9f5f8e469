"""docs/api.md says what the facade is: each public name with the signature, parameters and words of the code."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assay

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PUBLIC = (
    "AssayError Explanation Mitigation Result audit audit_case endpoint fairness_scorer load_running new_key open_run "
    "verify"
).split()


def sections() -> dict[str, str]:
    """Name -> the text under its heading."""
    parts = re.split(r"^#+ `assay\.([\w.]+)`$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented() -> Iterator[tuple[str, Any]]:
    """Every public function, class, method and property of the facade, by its name after `assay.`."""
    for name in assay.__all__:
        value = getattr(assay, name)
        yield name, value
        if inspect.isclass(value):
            for member, inner in vars(value).items():
                if not member.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, property)):
                    yield f"{name}.{member}", inner


def test_the_public_names_are_these() -> None:
    assert assay.__all__ == PUBLIC
    assert dir(assay) == PUBLIC
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        _ = assay.adit  # type: ignore[attr-defined]


def test_the_page_holds_the_public_names_and_no_other() -> None:
    tops = [name for name in sections() if "." not in name]
    assert sorted(tops) == sorted(PUBLIC)
    missing = [name for name, _ in documented() if name not in sections()]
    assert not missing, f"run `make api`: {missing}"


@pytest.mark.parametrize("name,value", list(documented()), ids=[name for name, _ in documented()])
def test_signature_and_words_are_those_of_the_code(name: str, value: Any) -> None:
    section = sections()[name]
    first = (inspect.getdoc(value) or "").split("\n\n")[0]
    assert first, f"{name} has no docstring"
    assert first in section, "run `make api`"
    if isinstance(value, property):
        return
    function = value.__init__ if inspect.isclass(value) else value
    shown = ast.parse("def " + re.search(r"```python\n(.*?)\n```", section, re.DOTALL)[1] + ": ...").body[0].args  # type: ignore
    mapping = {a.arg: ast.unparse(d) for a, d in zip(shown.kwonlyargs, shown.kw_defaults, strict=True) if d}
    mapping |= {a.arg: ast.unparse(d) for a, d in zip(shown.args[::-1], shown.defaults[::-1], strict=False)}
    real = {k: p for k, p in inspect.signature(function).parameters.items() if k != "self"}
    assert [a.arg for a in (*shown.args, *shown.kwonlyargs)] == list(real)
    assert mapping == {k: repr(p.default) for k, p in real.items() if p.default is not p.empty}
    if inspect.isfunction(value) and real:
        matches = re.findall(
            r"^- \*\*(\w+)\*\*", section.partition("**Parameters:**")[2].split("\n\n**")[0], re.MULTILINE
        )
        assert matches == list(real), f"{name} does not say what its parameters are"
