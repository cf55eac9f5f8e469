"""The templates of docs/integrations: each is YAML whose command ends with 3 where a norm is broken, and writes the
files that the rest of the template names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import cli
from tests.assay.test_orchestrators import CASE, EXAMPLES, POLICY

TEMPLATES = sorted((EXAMPLES.parent / "integrations").glob("*"))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def test_there_are_three() -> None:
    assert [t.name for t in TEMPLATES] == ["dvc.yaml", "github-action.yml", "gitlab-ci.yml"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: t.stem)
def test_a_template_stops_where_a_norm_is_broken(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = [*texts(yaml.safe_load(template.read_text()))]
    command = next(t for t in text if t.startswith("assay "))
    named = {p for t in text for p in re.findall(r"out/[\w.]+", t)}
    assert named
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audits").mkdir()
    rows = ["f,no", "f,yes", "m,yes", "m,yes"] * 30
    (tmp_path / "audits" / "loans.csv").write_text("\n".join(["sex,granted", *rows]) + "\n")
    (tmp_path / "audits" / "case.toml").write_text(CASE.format(name="the"))
    words = shlex.split(command.replace("$ASSAY_CASE", "audits/case.toml"))[1:]
    for limit, code in ((0.9, 0), (0.1, 3)):
        (tmp_path / "audits" / "the_policy.toml").write_text(POLICY.format(limit=limit))
        assert cli.main([*words, "--draws", "20"]) == code
        assert all((tmp_path / name).stat().st_size > 100 for name in named)
