"""The demonstration of the loop on the replays that ship: what is planted is found, and a person is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from debias.loop.demo import PLANTED, REPLAYS, TIGHTER_FROM, run_replays

SAMPLES = Path(__file__).parents[3] / "sample_data" / "replays"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]], str]:
    out = tmp_path_factory.mktemp("replays")
    wanted = [r for r in REPLAYS if r.name in ("feed", "tighter", "harm")]
    document, words = run_replays(SAMPLES, out, wanted)
    return out, {r["replay"]: r for r in document["replays"]}, words


def kinds(one: dict[str, Any]) -> list[tuple[str, int]]:
    return [(e["kind"], e["batch"]) for e in one["did"]]


def test_a_broken_feed_is_three_incidents_and_nothing_else(shown: tuple[Path, dict[str, Any], str]) -> None:
    feed = shown[1]["feed"]
    items = [("incident", PLANTED + i) for i in range(3)]
    assert kinds(feed) == [*items, ("restored", PLANTED + 3)]
    assert feed["challengers"] == 0


def test_a_tighter_norm_is_found_broken_at_once(shown: tuple[Path, dict[str, Any], str]) -> None:
    first = kinds(shown[1]["tighter"])[:2]
    assert first == [("policy", TIGHTER_FROM), ("confirmed", TIGHTER_FROM)]


def test_the_harmful_shift_ends_with_a_promotion_that_a_decision_made(shown: tuple[Path, dict[str, Any], str]) -> None:
    harm = shown[1]["harm"]
    order = [k for k, _ in kinds(harm)]
    assert order[0] == "confirmed"
    assert kinds(harm)[0][1] > PLANTED
    assert order.index("gate") < order.index("promoted")
    assert "reopened" not in order
    assert harm["promoted"] == 1
    assert "Said by the demonstration, by nobody" in shown[2]


def test_the_document_is_kept(shown: tuple[Path, dict[str, Any], str]) -> None:
    kept = json.loads((shown[0] / "watch-demo.json").read_bytes())
    assert [r["replay"] for r in kept["replays"]] == ["feed", "tighter", "harm"]
