"""The board's page: one page of sentences. Who is affected, how wide the gaps are, what was tried, what got worse."""

from __future__ import annotations

from typing import Any

from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Points, Section, Sources
from reports.sections import find


def section(sources: Sources) -> Section:
    """The page; it names the decision that is asked for."""
    evidence = sources.evidence
    blocks: list[Block] = [
        Paragraph(
            f"The decision under audit: {evidence['case']['purpose']}. "
            f"{evidence['data']['audited_rows']:,} people were measured. The favourable decision is "
            f"“{evidence['data']['favourable']}”."
        ),
        Heading("Who is affected"),
        Points(tuple(_affected(evidence))),
        Heading("Where the norms stand"),
        Paragraph(_norms(evidence)),
        Heading("What was tried"),
        *_tried(sources),
        Heading("What cannot be said"),
        Points(tuple(_unsaid(sources))),
        Heading("What you are asked to decide"),
        Paragraph(
            "Whether the decision may go on as it is, with conditions, or not. A member approves or rejects by signing "
            "at the end, with a reason. Dissent is kept. No figure here decides this for you: a gap can be lawful or "
            "not, and harmful or not, for reasons that no figure knows."
        ),
    ]
    return Section("board", "For the board: one page", tuple(blocks))


def _affected(evidence: dict[str, Any]) -> list[str]:
    out = []
    for attribute in find.attributes(evidence, alone=True):
        gap = find.gap(evidence, "selection_rate", attribute)
        by = words.by(attribute)
        if gap is None or gap["value"] is None:
            reason = gap["reason"] if gap else "not measured"
            out.append(f"By {by}, selection rates cannot be compared: {reason}.")
            continue
        high = find.rate(evidence, "selection_rate", attribute, gap["highest"])
        low = find.rate(evidence, "selection_rate", attribute, gap["lowest"])
        assert high is not None
        assert low is not None
        out.append(
            f"By {by}: of {words.count(low['denominator'])} people in the group {words.name_of(low['group'])}, "
            f"{words.share(low['value'])} received the favourable decision (95 % interval "
            f"{words.interval(low['low'], low['high'])}). Of {words.count(high['denominator'])} in the group "
            f"{words.name_of(high['group'])}, {words.share(high['value'])} did "
            f"({words.interval(high['low'], high['high'])}). The gap is {words.points(gap)}; "
            f"{words.p_words(gap['p_adjusted'])} after adjusting for {gap['family']} comparisons."
        )
        merit = find.gap(evidence, "equal_opportunity", attribute)
        if merit and merit["value"] is not None:
            out.append(
                f"By {by}, among those who merit the favourable decision by their outcome, the widest gap in receiving "
                f"it is {words.points(merit)}, between {words.name_of(merit['highest'])} and "
                f"{words.name_of(merit['lowest'])}."
            )
    return out


def _norms(evidence: dict[str, Any]) -> str:
    norms = evidence["norms"]
    if not norms:
        return "The policy has no norm for the attributes of this case."
    n = {s: sum(x["status"] == s for x in norms) for s in ("outside", "undecided", "inside", "not_estimable")}
    text = (
        f"Policy {evidence['policy']['version']} sets {len(norms)} norms for this case. {n['outside']} are broken even "
        f"at the favourable end of the interval, {n['inside']} are kept even at the unfavourable end, and for "
        f"{n['undecided']} the data cannot tell."
    )
    if n["not_estimable"]:
        text += f" {n['not_estimable']} cannot be estimated."
    return text


def _tried(sources: Sources) -> list[Block]:
    mitigation = sources.mitigation
    if mitigation is None:
        return [Notice("No mitigation has been tried. The report shows the decision as it is.")]
    arms, aim = mitigation["arms"], mitigation["constraint"]
    sentences = [
        f"{mitigation['title']} was tried, and measured on {mitigation['splits']['test']:,} people that neither model "
        f"learned from. Accuracy went from {words.share(arms['original']['accuracy'])} to "
        f"{words.share(arms['candidate']['accuracy'])}."
    ]
    for entry in aim["by"]:
        if len(entry["attribute"]) > 1 or entry["value"] is None:
            continue
        before = find.one(
            arms["original"]["gaps"], metric=aim["metric"], kind="difference", attribute=entry["attribute"]
        )
        if before and before["value"] is not None:
            sentences.append(
                f"The gap in {words.metric(aim['metric'])} by {words.by(entry['attribute'])} went from "
                f"{100 * before['value']:.1f} to {words.points(entry)}."
            )
    clear = [c for c in mitigation["changes"] if c["worse"] and c.get("clear")]
    if clear:
        named = "; ".join(dict.fromkeys(_change(c) for c in clear[:3]))
        sentences.append(f"{len(clear)} figures got worse by more than chance explains, first: {named}.")
    else:
        sentences.append("No figure got worse by more than chance explains.")
    everyone = find.one(mitigation["flips"], attribute=[])
    if everyone:
        sentences.append(
            f"Of {everyone['rows']:,} people, {everyone['to_favourable']:,} would newly receive the favourable "
            f"decision and {everyone['to_unfavourable']:,} would lose it."
        )
    blocks: list[Block] = [Points(tuple(sentences))]
    if mitigation["needs_sensitive_at_decision"]:
        blocks.append(Notice(str(mitigation["notice"])))
    decision = mitigation.get("decision")
    if decision:
        word = "accepted" if decision["accepted"] else "rejected"
        blocks.append(Paragraph(f"{decision['by']} {word} this candidate: {decision['reason']}"))
    else:
        blocks.append(Paragraph("Nobody has accepted or rejected this candidate yet."))
    return blocks


def _change(change: dict[str, Any]) -> str:
    of = words.name_of(change["group"]) if change["group"] else f"between groups of {words.by(change['attribute'])}"
    kind = "" if change["kind"] == "rate" else f" ({change['kind']})"
    return f"{words.metric(change['metric'])}{kind} {of}, {change['before']:.3f} to {change['after']:.3f}"


def _unsaid(sources: Sources) -> list[str]:
    evidence = sources.evidence
    out = ["Whether a gap is justified. That needs reasons from outside these data."]
    missing = [r for r in evidence["rates"] if not r["estimable"]]
    if missing:
        groups = list(dict.fromkeys(words.name_of(r["group"]) for r in missing))
        shown = ", ".join(groups[:4]) + (" and others" if len(groups) > 4 else "")
        out.append(f"{len(missing)} rates cannot be estimated, among them some of {shown}; each says why in its table.")
    if evidence["data"].get("label") is None:
        out.append("Whether decisions were right: the data hold no outcomes.")
    else:
        out.append(
            "How things stand for people whose outcome was never seen. If outcomes are known only for some, for "
            "example only for those accepted, error rates speak of those alone."
        )
    if sources.explain is None or not sources.explain.get("explained", True):
        out.append("What led to the decisions: no explanation was made.")
    return out
