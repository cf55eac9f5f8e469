"""What could go wrong: the contract, the worst corruptions that were found, and other ways to build the pipeline."""

from __future__ import annotations

from typing import Any

from audit.stress.words import best_of, figure_name, not_found, noticed, plausible, words_of
from reports import words
from reports.blocks import Block, Heading, Notice, Paragraph, Points, Section, Sources, Table
from reports.sections import find

MOST = 12
BY_GROUP = 8


def section(sources: Sources) -> Section | None:
    """The chapter, or None where nothing of it was done."""
    blocks = [*_contract(sources.contract), *_stress(sources.stress), *_whatif(sources.whatif)]
    return Section("stress", "What could go wrong", tuple(blocks)) if blocks else None


def _contract(found: dict[str, Any] | None) -> list[Block]:
    if not found:
        return []
    checks = found["checks"]
    failed = [c for c in checks if not c["passed"]]
    out: list[Block] = [
        Heading("Is the data what it should be?"),
        Paragraph(
            f"{found['kept']} of {len(checks)} checks of the contract are kept on the rows that were measured; "
            f"{found['broken']} of those that are not are errors, the others warnings."
        ),
    ]
    if failed:
        rows = tuple(
            (
                _asked(c),
                "warning" if c["severity"] != "error" else "error",
                "–" if c["share"] is None else f"{words.count(c['failed'])} of {words.count(c['rows'])}",
                "–" if c["share"] is None else f"{words.share(c['share'])} {words.bracket(c['low'], c['high'])}",
                _groups(c),
            )
            for c in failed[:MOST]
        )
        out.append(
            Table(
                "Checks that are not kept",
                ("Check", "Severity", "Rows", "Share [95 %]", "By group"),
                rows,
                "By group: the groups of which most and fewest fail. Where they differ, what is wrong with the data is "
                "not wrong for all alike. " + find.cut(len(failed), "checks"),
                (28, 10, 16, 18, 28),
            )
        )
    if found["not_understood"]:
        count = sum(found["not_understood"].values())
        out.append(Notice(f"{count} lines of the suite were not understood and not checked."))
    return out


def _asked(c: dict[str, Any]) -> str:
    columns = " and ".join(c["columns"]) or "the table"
    return f"{columns}: {c['kind'].replace('_', ' ')}"


def _groups(c: dict[str, Any]) -> str:
    said = []
    for a in c["apart"][:2]:
        rate = {tuple(g["group"]): g for g in c["by_group"] if g["attribute"] == [a["attribute"][0]]}
        high, low = (rate.get((*a[k],)) for k in ("highest", "lowest"))
        if high and low and high["share"] is not None and low["share"] is not None:
            text = (
                f"{words.share(high['share'])} of {words.name_of(a['highest'])}, {words.share(low['share'])} of "
                f"{words.name_of(a['lowest'])}; {words.p_words(a['p_adjusted'])}"
            )
            said.append(text)
    return "\n".join(said) or "–"


def _stress(document: dict[str, Any] | None) -> list[Block]:
    if document is None:
        return []
    s, t = document["serving"], document["training"]
    budget = words.share(document["asked"]["budget"])
    out: list[Block] = [
        Heading("Data that comes in wrong"),
        Paragraph(
            f"The model stays as it is, and at most {budget} of what it is fed is wrong. {s['candidates']:,} "
            f"combinations of an error and of the people hit by it were looked at on {s['searched_rows']:,} rows; the "
            f"worst of each figure was then measured on {s['reported_rows']:,} other rows, with a 95 % interval over "
            "all of them. The group of a person is the true one. This is the worst that was found, not the worst there "
            "is."
        ),
        *_table("What the model is fed", s["entries"], True),
        Heading("Data that the model learned from was wrong"),
    ]
    if not t["measured"]:
        out.append(Paragraph("It was not measured what wrong training data would do."))
        return out
    out.append(
        Paragraph(
            f"{t['candidates']:,} combinations were ranked on {t['searched_rows']:,} rows, and {t['fits']} of them "
            f"confirmed by fitting the model again; here are {t['reported_rows']:,} clean rows that none of this used. "
            "The interval is about which people were measured, given the two fitted models."
        )
    )
    return [*out, *_table("What the model learned from", t["entries"], False)]


def _table(caption: str, entries: list[dict[str, Any]], noticing: bool) -> list[Block]:
    found = best_of(entries)
    out: list[Block] = []
    if found:
        rows = tuple(
            (
                words.capital(figure_name(e)),
                f"{words.number(e['before'])} to {words.number(e['after'])}\n"
                f"{words.signed(e['change'])} {words.bracket(e['low'], e['high'], percent=False)}",
                words.number(e["random_worst"]),
                words.capital(words_of(e)) + f"\n({plausible(e)})",
                f"{e['rows']:,} of {e['of']:,}",
                *((words.capital(noticed(e)),) if noticing else ()),
            )
            for e in found[:MOST]
        )
        columns = ("Figure", "Now, then\n[95 %]", "Random errors reach", "The worst that was found", "Rows")
        widths = (16, 17, 10, 29, 10, 18) if noticing else (18, 20, 12, 36, 14)
        out.append(
            Table(
                caption,
                (*columns, "Noticed by") if noticing else columns,
                rows,
                "Random errors: as many random rows hit in the same way, at their worst. "
                + find.cut(len(found), "figures"),
                widths,
            )
        )
    if rest := not_found(entries):
        out.append(Paragraph(f"Nothing worse than chance and random errors explain was found for: {', '.join(rest)}."))
    return out


def _whatif(document: dict[str, Any] | None) -> list[Block]:
    if document is None:
        return []
    aims, variants = document["aims"], document["variants"]
    out: list[Block] = [
        Heading("How the pipeline could have been built"),
        Paragraph(
            f"{len(variants)} variants, each measured on the same {document['data']['measured_rows']:,} rows; "
            "differences are of the same people, and are held against chance over all variants and figures (Holm)."
        ),
    ]
    rows = tuple(
        (
            words.capital(figure_name(m)),
            words.number(m["limit"]),
            f"{m['inside']} of {m['variants']}",
            words.number(m["shipped"]),
            "–" if m["better_than_shipped"] is None else f"{m['better_than_shipped']} of {m['variants']}",
        )
        for m in document["multiverse"]
    )
    if rows:
        out.append(
            Table(
                "Of the pipelines that could have been built",
                ("Norm", "Limit", "Inside it", "The shipped one", "Better than that"),
                rows,
                "Variants of what comes in are not counted here: nobody chooses them.",
                (36, 12, 16, 18, 18),
            )
        )
    lines = []
    for i, aim in enumerate(aims):
        clear = [v for v in variants if (p := v["figures"][i]["p_adjusted"]) is not None and p <= 0.05]
        clear.sort(key=lambda v: -abs(v["figures"][i]["change"]))
        if clear:
            most = "; ".join(
                f"{words.short(v['variant'], 60)} ({words.signed(v['figures'][i]['change'])} "
                f"{words.bracket(v['figures'][i]['low'], v['figures'][i]['high'], percent=False)})"
                for v in clear[:3]
            )
            lines.append(
                f"{words.capital(figure_name(aim))}, {words.number(aim['base'])}: {len(clear)} move it; most: {most}."
            )
    if lines:
        out += [Paragraph("What clearly moves a figure:"), Points(tuple(lines))]
    return out
