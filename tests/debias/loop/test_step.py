"""The step, trap by trap: what the loop does about what it sees, without models or disks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from audit.policy import Norm, Policy
from audit.watch.drift import Drift
from debias.loop.snapshot import json_ready
from debias.loop.state import Batch, Built, State
from debias.loop.step import step
from tests.debias.loop.played import GAP, POLICY, RULES, Loop, Model, people

GOOD, BAD = Model(), Model({"F": 0.8})
BROKEN = {"old": BAD, "new": GOOD}


def in_shadow(loop: Loop, models: dict[str, Model] | None = None) -> Loop:
    loop.until("BUILD", models or BROKEN)
    loop.build()
    return loop


def waiting(loop: Loop) -> Loop:
    in_shadow(loop).until("APPROVAL", BROKEN)
    return loop


def test_a_quiet_feed_is_healthy_and_nothing_is_ever_built() -> None:
    loop = Loop()
    assert loop.state.mode == "UNDECIDABLE"
    for _ in range(60):
        loop.batch({"old": GOOD})
    assert loop.state.mode == "HEALTHY"
    assert sorted(loop.kinds()) == ["healthy", "reference"]


def test_a_broken_norm_is_confirmed_built_shadowed_and_waits_for_a_person() -> None:
    loop = waiting(Loop())
    assert [k for k in loop.kinds() if k != "reference"] == ["confirmed", "build", "shadow", "gate"]
    assert "A person must approve." in loop.words()[-1]
    running = loop.state.running
    for _ in range(5):
        loop.batch(BROKEN)
    assert (loop.state.mode, loop.state.running) == ("APPROVAL", running)
    loop.say(True)
    assert (loop.state.mode, loop.state.running) == ("PROBATION", "new")
    assert "Promoted by Ada" in loop.words()[-1]
    loop.until("HEALTHY", BROKEN)
    assert loop.state.beside is None


def test_the_sentence_names_the_norm_and_who() -> None:
    loop = Loop()
    loop.until("CONFIRMED", BROKEN)
    words = next(e.words for e in loop.events if e.kind == "confirmed")
    assert "selection rate difference by sex breaks 0.2" in words
    assert "between M and F" in words


def test_rejected_by_a_person_stays_with_the_old_model_and_tries_the_next_method() -> None:
    loop = waiting(Loop())
    loop.say(False, "Not on a Friday.")
    assert (loop.state.mode, loop.state.running) == ("CONFIRMED", "old")
    assert "Ada rejects the challenger: Not on a Friday." in loop.words()[-1]
    loop.until("BUILD", BROKEN)
    assert loop.state.tried == ("threshold",)


def test_hysteresis_a_challenger_between_the_two_levels_is_not_promoted() -> None:
    # Its gap is about 0.16: under the trigger of 0.2 and over the level for promotion of 0.12.
    between = {"old": BAD, "new": Model({"F": 0.32})}
    loop = in_shadow(Loop(), between)
    for _ in range(RULES.shadow_batches + 1):
        loop.batch(between)
    assert "rejected" in loop.kinds()
    assert "APPROVAL" not in {e.facts.get("state") for e in loop.events}
    assert loop.state.running == "old"


def test_cooldown_no_challenger_is_built_so_soon_after_a_promotion() -> None:
    rules = replace(RULES, cooldown_batches=15, probation_batches=1, build_rows=100)
    loop = waiting(Loop(replace(POLICY, loop=rules)))
    loop.say(True)
    promoted = loop.state.batch
    loop.until("HEALTHY", BROKEN)
    loop.until("BUILD", {"new": BAD}, most=40)
    assert loop.state.batch >= promoted + 15


def test_a_promoted_model_that_breaks_the_norm_is_rolled_back_and_the_second_time_the_loop_freezes() -> None:
    loop = waiting(Loop())
    loop.say(True)
    # The world turns: the new model breaks the norm, the old one keeps it.
    turned = {"old": GOOD, "new": BAD}
    loop.until("ROLLED_BACK", turned)
    assert (loop.state.running, loop.state.rollbacks) == ("old", 1)
    loop.until("BUILD", BROKEN)
    loop.build()
    loop.until("APPROVAL", BROKEN)
    loop.say(True)
    loop.until("FROZEN", turned)
    assert loop.state.running == "old"
    assert "a person must look" in loop.words()[-1]
    for _ in range(30):
        loop.batch({"old": BAD})
    assert loop.state.mode == "FROZEN", "nothing but a person ends it"
    loop.say(True, "Understood.")
    assert loop.state.mode == "CONFIRMED"


def test_rolling_back_does_not_help_where_the_predecessor_breaks_the_same() -> None:
    loop = waiting(Loop())
    loop.say(True)
    both = {"old": BAD, "new": BAD}
    loop.until("CONFIRMED", both)
    assert loop.state.running == "new"
    assert "rolling back would not help" in next(e.words for e in loop.events if e.kind == "both_hurt")
    assert "rolled_back" not in loop.kinds()


def test_harm_to_one_group_is_confirmed_and_a_challenger_must_be_better_for_that_group() -> None:
    # No norm is broken: women are decided wrongly both ways, so that shares stay alike.
    loop = Loop(replace(POLICY, norms=(replace(GAP, limit=0.9, promote=0.8),)))
    for _ in range(6):
        loop.batch({"old": GOOD})
    worse = {"old": Model({"F": 0.6}), "new": Model({"F": 0.6})}
    loop.until("BUILD", worse)
    assert loop.state.reason == ("harm/sex=F",)
    loop.build()
    for _ in range(RULES.shadow_batches + 1):
        loop.batch(worse)
    assert loop.state.running == "old"
    assert "F, harmed before" in next(e.words for e in loop.events if e.kind == "rejected")
    loop.until("BUILD", worse)
    loop.build()
    loop.until("APPROVAL", worse | {"new": GOOD})


def test_automatic_promotion_says_so() -> None:
    loop = in_shadow(Loop(replace(POLICY, loop=replace(RULES, automatic=True))))
    loop.until("PROBATION", BROKEN)
    assert "The policy lets the loop promote without a person." in " ".join(loop.words())
    assert "Promoted by policy" in loop.words()[-1]


def turned_down(loop: Loop) -> None:
    """A challenger is made, waits for a person, and is rejected."""
    loop.until("BUILD", BROKEN)
    loop.build()
    loop.until("APPROVAL", BROKEN)
    loop.say(False)


def with_rules(**rules: Any) -> Loop:
    return Loop(replace(POLICY, loop=replace(RULES, **rules)))


def test_too_many_challengers_freeze_the_loop() -> None:
    loop = with_rules(attempts=2)
    turned_down(loop)
    turned_down(loop)
    loop.until("FROZEN", BROKEN)
    assert loop.state.tried == ("threshold", "reweighing")
    assert loop.words()[-1].startswith("2 challengers tried on people, and none earned its place.")


def test_a_method_that_gives_no_challenger_is_no_attempt() -> None:
    """With one attempt: two methods give nothing, and the third still has its turn."""
    loop = with_rules(attempts=1)
    for method in RULES.methods[:2]:
        loop.until("BUILD", BROKEN)
        loop.give(Built(method, None, "no."))
        assert (loop.state.attempts, loop.state.challengers) == (0, 0)
    turned_down(loop)
    assert (loop.state.attempts, loop.state.challengers) == (1, 1)
    loop.until("FROZEN", BROKEN)
    words = "1 challenger tried on people, and none earned its place; 2 more methods gave none."
    assert loop.words()[-1].startswith(words)


def test_where_no_method_gives_a_challenger_a_person_must_look() -> None:
    loop = with_rules(attempts=9)
    for method in RULES.methods:
        loop.until("BUILD", BROKEN)
        loop.give(Built(method, None, "no."))
    loop.until("FROZEN", BROKEN)
    assert loop.words()[-1].startswith("3 methods tried, and none gave a challenger.")
    loop.say(True)
    loop.until("BUILD", BROKEN)
    assert loop.state.tried == ()


def test_an_empty_feed_is_undecidable_and_never_reads_as_fine() -> None:
    loop = Loop()
    loop.until("HEALTHY", {"old": GOOD})
    message = loop.give(Batch("none", 0, sha256="e"))
    assert loop.state.mode == "UNDECIDABLE"
    assert "this says nothing good" in message[-1].words
    loop.batch({"old": GOOD})
    assert loop.state.mode == "HEALTHY"


def test_too_few_people_are_undecidable() -> None:
    loop = Loop()
    for _ in range(2):
        loop.batch({"old": GOOD}, n=20)
    assert loop.state.mode == "UNDECIDABLE"


def test_group_mix_drift_alone_confirms_nothing() -> None:
    loop = Loop()
    for number in range(60):
        loop.batch({"old": GOOD}, women=0.5 if number < 20 else 0.9)
    assert {"confirmed", "build"}.isdisjoint(loop.kinds())


def test_drift_is_a_reason_to_look_and_passes() -> None:
    loop = Loop()
    loop.until("HEALTHY", {"old": GOOD})
    drift = Drift("age", "everyone", "KS", 0.0, 0.0, 0.4, 0.1, 0.5, 400, (), True)
    rows = people(999, {"old": GOOD}, known=False)
    message = loop.give(Batch("d", 400, sha256="d", decided=rows, drift=(drift,)))
    assert loop.state.mode == "SUSPECT"
    assert "age (everyone, PSI 0.40)" in message[-1].words
    assert "Nothing is retrained for that" in message[-1].words
    loop.until("HEALTHY", {"old": GOOD}, most=5)


@pytest.mark.parametrize("mode", ["HEALTHY", "SHADOW"])
def test_a_broken_feed_is_an_incident_and_the_loop_goes_on_where_it_was(mode: str) -> None:
    loop = Loop()
    loop.until("HEALTHY", {"old": GOOD})
    if mode == "SHADOW":
        in_shadow(loop)
    before = loop.state
    for _ in range(3):
        loop.give(Batch("x", 400, sha256="x", incident="hours come in minutes."))
        assert loop.state.mode == "DATA_INCIDENT"
        assert loop.state.before == mode
    assert loop.state.live.arrived is before.live.arrived, "nothing of it is counted"
    assert loop.state.left_out[-3:] == tuple(range(before.batch, before.batch + 3))
    loop.batch(BROKEN if mode == "SHADOW" else {"old": GOOD})
    assert loop.state.mode in (mode, "APPROVAL")
    assert "restored" in loop.kinds()


def test_the_same_bytes_again_count_once() -> None:
    loop = Loop()
    loop.batch({"old": GOOD})
    before = loop.state
    message = loop.give(Batch("again", 400, sha256="0", same_as="0"))
    assert [e.kind for e in message] == ["duplicate"]
    assert loop.state.live.arrived is before.live.arrived
    assert loop.state.rows == before.rows


def test_a_challenger_that_fails_is_turned_down_and_a_predecessor_let_go() -> None:
    loop = in_shadow(Loop())
    rows = people(1, {"old": BAD}, known=False)
    loop.give(Batch("f", 400, sha256="f", decided=rows, failed="it raised"))
    assert (loop.state.mode, loop.state.beside) == ("CONFIRMED", None)
    assert "could not decide this batch: it raised" in loop.words()[-1]
    loop = waiting(Loop())
    loop.say(True)
    loop.give(Batch("f", 400, sha256="f", decided=people(1, {"new": GOOD}, known=False), failed="it raised"))
    assert (loop.state.mode, loop.state.beside) == ("PROBATION", None)
    # Without a predecessor there is nothing to roll back to.
    loop.until("CONFIRMED", {"new": BAD})
    assert loop.state.running == "new"


def test_outcomes_are_counted_when_their_whole_batch_is_due() -> None:
    loop = Loop(delay=3)
    for number in range(8):
        loop.batch({"old": GOOD})
        cube = loop.state.live.matured
        assert (0 if cube is None else int(cube.n.sum())) == 400 * max(0, number - 2)
        assert loop.state.live.arrived is not None
        assert int(loop.state.live.arrived.n[..., :2, :].sum()) == 0, "no outcome is known when decisions are made"


def test_nothing_is_learned_from_rows_that_raised_the_alarm() -> None:
    loop = Loop(delay=2)
    loop.until("BUILD", BROKEN)
    assert loop.state.trigger is not None
    first, last = loop.state.trigger
    assert (first, last + 1) == (0, loop.state.fresh_from)
    # Rows are counted as fresh only once they are due: 500 of them are two batches after the alarm, two batches later.
    assert loop.state.matured == loop.state.fresh_from + 2
    assert loop.state.batch == loop.state.fresh_from + 4


def test_a_challenger_is_judged_on_later_people_only() -> None:
    loop = Loop(delay=2)
    in_shadow(loop)
    since = loop.state.batch
    for k in range(5):
        loop.batch(BROKEN)
        beside = loop.state.beside
        assert beside is not None
        assert beside.since == since
        seen = 0 if beside.paired is None else int(beside.paired.n.sum())
        assert seen == 400 * max(0, k - 1)


def test_a_policy_that_tightens_judges_at_once_from_stored_counts() -> None:
    slight = {"old": Model({"F": 0.25})}
    loop = Loop()
    for _ in range(30):
        loop.batch(slight)
    assert loop.state.mode == "HEALTHY"
    tight = Policy("2", (replace(GAP, limit=0.05, promote=0.03),), "a2" * 32, None, RULES)
    message = loop.turn(tight)
    assert [e.kind for e in message] == ["policy", "confirmed"]
    assert loop.state.mode == "CONFIRMED"
    assert loop.state.policy == "a2" * 32
    assert "judged on the new norms at once" in message[0].words


def test_a_policy_that_keeps_a_norm_keeps_its_evidence_and_a_new_one_starts_afresh() -> None:
    loop = Loop()
    for _ in range(10):
        loop.batch({"old": GOOD})
    before = {w.key: w for w in loop.state.monitor.watched}
    extra = Norm("selection_rate", "ratio", ("sex",), 0.5, 0.6)
    loop.turn(Policy("2", (GAP, extra), "a2" * 32, None, RULES))
    after = {w.key: w for w in loop.state.monitor.watched}
    assert after["selection_rate/difference/sex"] is before["selection_rate/difference/sex"]
    assert after["selection_rate/ratio/sex"].seen == 0
    assert after["selection_rate/ratio/sex"].groups == ("F", "M")
    assert loop.state.mode == "HEALTHY"


def test_a_new_policy_before_the_first_batch_is_the_one_that_is_watched() -> None:
    loop = Loop()
    loop.turn(Policy("2", (replace(GAP, limit=0.3),), "a2" * 32, None, RULES))
    assert [w.norm.limit for w in loop.state.monitor.watched] == [0.3]


def test_each_further_challenger_must_be_surer() -> None:
    loop = in_shadow(Loop())
    loop.batch(BROKEN)
    first = next(iter(loop.state.to_json()["beside"] or {})), loop.state.challengers
    assert first[1] == 1
    loop.say(False)
    loop.until("BUILD", BROKEN)
    loop.build()
    assert loop.state.challengers == 2


def test_a_state_that_was_written_and_read_goes_on_as_if_it_never_was() -> None:
    """Alpha is not won back by a restart: evidence, counts and attempts are all in the state."""
    straight, stopped = Loop(delay=1), Loop(delay=1)
    for loop, restart in ((straight, False), (stopped, True)):
        for number in range(25):
            if loop.state.mode == "BUILD":
                loop.build()
            if number == 22 and loop.state.mode == "APPROVAL":
                loop.say(True)
            loop.batch(BROKEN)
            if restart:
                text = json.dumps(json_ready(loop.state.to_json()))
                loop.state = State.from_json(json.loads(text))
    assert json.dumps(json_ready(straight.state.to_json())) == json.dumps(json_ready(stopped.state.to_json()))
    assert [json_ready(e.facts) for e in straight.events] == [json_ready(e.facts) for e in stopped.events]
    assert straight.words() == stopped.words()


def test_the_step_changes_nothing_of_what_it_is_given() -> None:
    loop = Loop()
    loop.batch({"old": GOOD})
    before = json.dumps(loop.state.to_json())
    rows = people(5, {"old": BAD}, known=False)
    a = step(loop.state, Batch("b", 400, sha256="b", decided=rows), POLICY, ("sex",))
    b = step(loop.state, Batch("b", 400, sha256="b", decided=rows), POLICY, ("sex",))
    assert json.dumps(loop.state.to_json()) == before
    assert json.dumps(a[0].to_json()) == json.dumps(b[0].to_json())
