"""Beyond rates and gaps: the worst-served subgroups, like people decided unlike, rankings, inequality, calibration."""

from __future__ import annotations

from audit.suppress import FLOOR
from reports import words
from reports.blocks import Block, Heading, Paragraph, Section, Sources, Table
from reports.sections import conform, find

ASKED = {"error": "decided wrongly", "missed": "refused although they qualify"}
MOST = 8


def section(sources: Sources) -> Section | None:
    """The chapter, or None where nothing of it was measured."""
    evidence = sources.evidence
    blocks: list[Block] = [
        *_slices(evidence.get("slices")),
        *_individual(evidence.get("individual")),
        *_ranking(evidence.get("ranking")),
        *_inequality(evidence.get("inequality")),
        *_reliability(evidence.get("reliability")),
        *_points(evidence.get("predictive_parity")),
        *conform.blocks(sources),
    ]
    return Section("further", "Beyond groups and rates", tuple(blocks)) if blocks else None


def where(found: find.Record) -> str:
    """The conditions of a subgroup in words."""
    return " and ".join(f"{c['column']} {c['value']}" for c in found["where"])


def chosen(found: list[find.Record], most: int = MOST) -> list[find.Record]:
    """Those to print: of each question in turn, none that only narrows one that is printed already."""
    out: list[find.Record] = []
    for question in dict.fromkeys(f["question"] for f in found):
        mine: list[set[tuple[str, str]]] = []
        for f in (f for f in found if f["question"] == question):
            conditions = {(c["column"], str(c["value"])) for c in f["where"]}
            if len(mine) < most // 2 and not any(m <= conditions for m in mine):
                mine.append(conditions)
                out.append(f)
    return out


def _slices(found: find.Record | None) -> list[Block]:
    if not found:
        return []
    head = Heading("The worst-served subgroups")
    if not found["measured"]:
        return [head, Paragraph(f"No subgroups were sought: {found['reason']}.")]
    how = (
        f"{found['considered']:,} subgroups of at least {found['least_people']} people were looked at on one half of "
        f"the people; {found['tested']} were tested on the other half, and p-values are adjusted for all of these."
    )
    if not found["found"]:
        return [head, Paragraph(f"{how} No subgroup was confirmed. That is no proof that there is none.")]
    shown = chosen(found["found"])
    rows = tuple(
        (
            where(f),
            ASKED.get(f["question"], str(f["question"])),
            f"{words.share(f['rate'])} of {f['people']:,}",
            words.share(f["rate_of_others"]),
            f"{100 * f['difference']:.1f} {words.bracket(f['low'], f['high'])}",
            words.p_words(f["p_adjusted"]),
        )
        for f in shown
    )
    left = len(found["found"]) - len(shown)
    more = f" {left} more, most of them parts of these, stand in the evidence." if left else ""
    table = Table(
        "Subgroups confirmed on people who were not used to find them",
        ("Who", "Are", "Share", "Of others", "Apart [95 %]", "Adjusted p"),
        rows,
        "In points. A subgroup is found for being unlike the rest: it need not be about a sensitive attribute." + more,
        (30, 16, 16, 11, 15, 12),
    )
    return [head, Paragraph(how), table]


def _individual(found: find.Record | None) -> list[Block]:
    near = (found or {}).get("neighbours") or {}
    if not near.get("measured"):
        return []
    blocks: list[Block] = [
        Heading("Are like people decided alike?"),
        Paragraph(
            f"Each of {near['people']:,} people drawn at random is held against the {near['neighbours']} others most "
            f"like them in {len(near['features'])} features. Consistency is 1 where everyone is decided as these "
            f"are; it is {words.number(near['consistency'])} "
            f"{words.bracket(near['consistency_low'], near['consistency_high'], percent=False)} here."
        ),
    ]
    rows = tuple(
        (
            f"{words.by(g['attribute'])}: {words.name_of(g['group'])}",
            f"{g['people']:,}",
            f"{words.number(g['consistency'])} "
            f"{words.bracket(g['consistency_low'], g['consistency_high'], percent=False)}",
            f"{words.signed(100 * g['flip_test'], 1)} {words.bracket(g['flip_low'], g['flip_high'])}",
        )
        for g in near["by_group"][: find.MOST_ROWS]
    )
    if rows:
        blocks.append(
            Table(
                "Consistency, and what people like them in other groups receive",
                ("Group", "People", "Consistency [95 %]", "Better off outside, in points [95 %]"),
                rows,
                "Better off outside: the share whose nearest people in other groups receive the favourable decision "
                "while they do not, less the share the other way round. Above nought is to the group's disadvantage. "
                "“Like” means the features read, no more.",
                (34, 12, 24, 30),
            )
        )
    turned = (found or {}).get("model_flips")
    if turned:
        shown = sorted(turned, key=lambda f: -f["value"])[:MOST]
        blocks.append(
            Table(
                "Decisions that turn where the sensitive value alone is changed",
                ("Changed", "People", "Turn [95 %]", "To favourable", "To unfavourable"),
                tuple(
                    (
                        f"{words.by(f['attribute'])}: {words.name_of(f['group'])} to {words.name_of(f['to'])}",
                        f"{f['people']:,}",
                        f"{words.share(f['value'])} {words.bracket(f['low'], f['high'])}",
                        f"{f['to_favourable']:,}",
                        f"{f['to_unfavourable']:,}",
                    )
                    for f in shown
                ),
                "The model reads this column. All else stays as it is: what goes along with it is not in this figure."
                + (f" The {MOST} largest of {len(turned)} are printed." if len(turned) > MOST else ""),
                (38, 11, 21, 15, 15),
            )
        )
    return blocks


def _ranking(found: list[find.Record] | None) -> list[Block]:
    rows = []
    for r in found or []:
        if len(r["attribute"]) > 1:
            continue
        tenth = find.one(r["top"], top=0.1)
        if tenth is None:
            continue
        rows.append(
            (
                f"{words.by(r['attribute'])}: {words.name_of(r['group'])}",
                words.share(r["share"]),
                f"{words.share(tenth['share'])} {words.bracket(tenth['low'], tenth['high'])}",
                words.number(r["exposure_ratio"]),
            )
        )
    if not rows:
        return []
    return [
        Heading("If people were ranked by their score"),
        Table(
            "The first tenth of the ranking, and exposure",
            ("Group", "Share of all", "Share of the first tenth [95 %]", "Exposure"),
            tuple(rows[: find.MOST_ROWS]),
            "Exposure falls with the logarithm of the place (Singh & Joachims 2018); 1 is the average of everyone. The "
            "favourable end of the scores is first. " + find.cut(len(rows)),
            (34, 18, 30, 18),
        ),
    ]


def _inequality(found: list[find.Record] | None) -> list[Block]:
    rows = []
    for r in found or []:
        if not r["estimable"] or len(r["attribute"]) > 1:
            continue
        between = r.get("between")
        rows.append(
            (
                words.capital(words.by(r["attribute"])) or "Everyone",
                words.number(r["theil"]),
                words.number(r["generalized_entropy"]),
                "–" if not between else words.number(between["generalized_entropy"], 5),
            )
        )
    if not rows:
        return []
    return [
        Heading("How unequally errors fall"),
        Table(
            "Inequality of benefit over people, and the part that lies between groups",
            ("By", "Theil", "Generalized entropy (2)", "Of it between groups"),
            tuple(rows),
            "Benefit is 1 for a right decision, 2 for one better than the outcome, 0 for one worse (Speicher et al. "
            "2018). Nought means that all benefit alike. Descriptions of these rows, without interval.",
            (34, 20, 24, 22),
        ),
    ]


def _reliability(found: list[find.Record] | None) -> list[Block]:
    blocks: list[Block] = []
    for attribute in dict.fromkeys(tuple(r["attribute"]) for r in found or []):
        curves = [r for r in found or [] if tuple(r["attribute"]) == attribute][:5]
        if not attribute or len(curves) < 2:
            continue
        bins = sorted({(p["from"], p["to"]) for c in curves for p in c["points"]})
        rows = []
        for low, high in bins:
            cells = []
            for c in curves:
                point = next((p for p in c["points"] if p["from"] == low), None)
                cells.append(
                    "–"
                    if point is None or point["share"] is None
                    else "few"
                    if point["people"] < FLOOR
                    else f"{words.share(point['share'])}\n{words.bracket(point['low'], point['high'])}"
                )
            rows.append((f"{low:g} to {high:g}", *cells))
        blocks.append(
            Table(
                f"Of those with a score in the band, how many had the outcome, by {words.by(attribute)} [95 %]",
                ("Score", *(words.name_of(c["group"]) for c in curves)),
                tuple(rows),
                "Where the score means what it says, the share lies in its band, and alike for every group. A dash: "
                f"nobody; few: under {FLOOR} people.",
                (14, *([86 // len(curves)] * len(curves))),
            )
        )
    return [Heading("Does a score mean the same for everyone?"), *blocks] if blocks else []


def _points(found: list[find.Record] | None) -> list[Block]:
    """Predictive parity by points: of the people with these points, how many had the outcome."""
    blocks: list[Block] = []
    for attribute in dict.fromkeys(tuple(r["attribute"]) for r in found or []):
        mine = [r for r in found or [] if tuple(r["attribute"]) == attribute][:5]
        if not attribute or len(mine) < 2:
            continue
        bands = sorted({(p["from"], p["to"]) for r in mine for p in r["points"]})
        blocks.append(
            Table(
                f"How many of those with these points had the outcome, by {words.by(attribute)} [95 %]",
                ("Points", *(words.name_of(r["group"]) for r in mine)),
                tuple((points(a, b), *(_told(r, a) for r in mine)) for a, b in bands),
                "Where points mean the same for everyone, the shares of a line are alike (predictive parity). A dash: "
                f"nobody; few: under {FLOOR} people. Each interval is of its own cell.",
                (14, *([86 // len(mine)] * len(mine))),
            )
        )
    return [Heading("Do points mean the same for everyone?"), *blocks] if blocks else []


def points(low: float, high: float) -> str:
    """One value, or a band of them."""
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _told(record: find.Record, low: float) -> str:
    point = next((p for p in record["points"] if p["from"] == low), None)
    if point is None:
        return "–"
    if point["people"] < FLOOR:
        return "few"
    return f"{words.share(point['share'])} of {point['people']:,.0f}\n{words.bracket(point['low'], point['high'])}"
