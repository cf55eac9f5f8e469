"""Checks a signed report without Assay: python3 -I -S check.py report.pdf [SHA-256 of the auditor's certificate]

Needs Python 3.10, qpdf, pdfsig (poppler) and openssl; no Python package, no network. Prints a line for everything that
is compared; ends with 0 where all of it held, else with 1. What it does not check is said at the end.
"""

import hashlib
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import NormalDist

KNOWN = "tp fp fn tn"
RATES = {  # who is counted / out of whom; u0 and u1: outcome unknown, decided negative and positive
    "accuracy": f"tp tn / {KNOWN}",
    "true_positive_rate": "tp / tp fn",
    "false_negative_rate": "fn / tp fn",
    "false_positive_rate": "fp / fp tn",
    "true_negative_rate": "tn / fp tn",
    "positive_predictive_value": "tp / tp fp",
    "false_discovery_rate": "fp / tp fp",
    "negative_predictive_value": "tn / tn fn",
    "false_omission_rate": "fn / tn fn",
}
CELL = {(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn", (2, 0): "u0", (2, 1): "u1"}
failures = []


def line(good, words):
    print(("ok      " if good else "FAILED  ") + words)
    if not good:
        failures.append(words)


def tool(*words):
    clean = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    return subprocess.run([str(w) for w in words], capture_output=True, timeout=120, env=clean)


def unique(pairs):
    if len({k for k, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice in an embedded file")
    return dict(pairs)


def objects(path):
    return json.loads(tool("qpdf", "--json=2", "--json-stream-data=inline", "--decode-level=none", path).stdout)[
        "qpdf"
    ][1]


def changes(before, after):
    """What differs from the certified file, but for filled signature fields and what comes with them."""
    for name, old in before.items():
        a, b = old.get("value"), after.get(name, {}).get("value")
        if name == "trailer":
            a, b = ({k: v[k] for k in ("/Root", "/Info")} for v in (a, b))
        allowed = set()
        if isinstance(a, dict) and isinstance(b, dict):
            field = a.get("/FT") == "/Sig" and "/V" not in a
            allowed = {"/V", "/AP"} if field else {"/SigFlags"} if "/Fields" in a else allowed
            allowed = {"/DSS", "/Extensions"} if a.get("/Type") == "/Catalog" else allowed
            a, b = ({k: v for k, v in part.items() if k not in allowed} for part in (a, b))
        if a != b or old.get("stream") != after.get(name, {}).get("stream"):
            yield name


def signatures(path, data, folder):
    """Every signature by pdfsig and once more by openssl. The certificates' fingerprints, in order."""
    spans = {tuple(map(int, m)) for m in re.findall(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) (\d+)\s*\]", data)}
    ranges, prints = sorted(spans, key=lambda r: r[1] + r[2]), []
    if not ranges:
        raise ValueError("the file has no signature")
    line(sum(ranges[-1][1:]) == len(data), "the last signature covers the file to its last byte")
    output, stamps = tool("pdfsig", "-nocert", path).stdout.decode(errors="replace"), 0
    part, cms, out, who = (folder / n for n in ("part", "cms", "out", "who.pem"))
    for number, (start, stop, rest) in enumerate(ranges, 1):
        part.write_bytes(data[:start] + data[stop : stop + rest])
        cms.write_bytes(bytes.fromhex(data[start + 1 : stop - 1].decode("ascii")))
        stamp = bytes.fromhex("060b2a864886f70d0109100104") in cms.read_bytes()[:200]  # a timestamp (RFC 3161)
        ask = "openssl cms -verify -noverify -binary -inform DER -in".split()
        done = tool(*ask, cms, "-out", out, "-signer", who, *([] if stamp else ["-content", part]))
        good = done.returncode == 0 and (not stamp or hashlib.sha256(part.read_bytes()).digest() in out.read_bytes())
        kind, stamps = "archive timestamp" if stamp else "signature", stamps + stamp
        line(good, f"{number}: openssl finds the {kind} intact, and the bytes it covers")
        name = tool("openssl", "x509", "-in", who, "-noout", "-fingerprint", "-sha256", "-subject", "-nameopt", "utf8")
        first, _, subject = name.stdout.decode(errors="replace").partition("\n")
        prints.append(first.partition("=")[2].replace(":", "").lower())
        print(f"        {subject.strip()}, certificate {prints[-1]}")
    valid, those = output.count("Signature is Valid."), len(ranges) - stamps
    line(valid == those, f"pdfsig: {valid} of {those} signatures are valid (it does not read archive timestamps)")
    (folder / "certified.pdf").write_bytes(data[: sum(ranges[0][1:])])
    before, after = objects(folder / "certified.pdf"), objects(path)
    changed = ", ".join(changes(before, after))
    line(not changed, f"since the certification nothing changed but signature fields{changed and ': '}{changed}")
    for value in (o["value"] for o in after.values() if isinstance(o.get("value"), dict)):
        signed = after.get(f"obj:{value.get('/V')}", {}).get("value", {}) if value.get("/FT") == "/Sig" else {}
        if "/Reason" in signed:
            print(f"        {value.get('/T', '')[2:]} states: {signed['/Reason'][2:]}")
    return prints


def embedded(path):
    listing = tool("qpdf", "--list-attachments", path).stdout.decode()
    files = {n: tool("qpdf", f"--show-attachment={n}", path).stdout for n in re.findall(r"(?m)^(\S.*) -> ", listing)}
    manifest = json.loads(files.pop("manifest.json"), object_pairs_hook=unique)
    listed = {a["name"]: a["sha256"] for a in manifest["attachments"]}
    line(listed.keys() == files.keys(), "the embedded files are those of the manifest: " + ", ".join(sorted(files)))
    for name in sorted(files):
        line(hashlib.sha256(files[name]).hexdigest() == listed.get(name), f"sha256 of {name} as in the manifest")
    return manifest, files


def tables(margin, weighted):
    out = [[dict.fromkeys(CELL.values(), 0) for _ in range(3)] for _ in margin["groups"]]
    for g, label, decision, people, *weights in margin["cells"]:
        for table, number in zip(out[g], (people, *(weights if weighted else (people, people))), strict=True):
            table[CELL[label, decision]] = number
    return out


def student(z, v):
    """Student's quantile where the normal one is z, by Fisher's expansion."""
    v, one = max(v, 2), (z**3 + z) / 4
    two, three = (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + one / v + two / v**2 + three / v**3


def effective(x, n, rows, squares, xx, xf, ff):
    """How many independent rows x / n is worth: audit/stats/design.py says why."""
    p, f, kish, z = x / n, n - x, n * n / (xx + 2 * xf + ff), NormalDist().inv_cdf(0.975)
    rarer = min(x * x / xx, f * f / ff) if x > 0 and f > 0 and xx > 0 and ff > 0 else 0
    spread = ((1 - p) ** 2 * xx - 2 * p * (1 - p) * xf + p * p * ff) / n**2
    blend = ((max(spread, 0) / (p * (1 - p)) if rarer else 0) * rarer + 1 / kish) / (rarer + 1)
    freedom = max(1, (student(z, kish - 1) / student(z, rows - 1)) ** 2)
    unequal, each = rows * squares / n**2 - 1, blend * freedom
    few = min(max((50 - kish) / 30, 0), 1) * min(max(2 * unequal, 0), 1)
    fewer = 1 + min(max(unequal, 0), 1) * max(1 - kish / 20, 0)
    each, own = (each + few * max(0, freedom / kish - each)) * fewer, 0
    if rarer and unequal > 1e-9:  # a variance that few rows make up
        v = ((1 - p) ** 2 * xx + p * p * ff) ** 2 / ((1 - p) ** 4 * xx**3 / x**2 + p**4 * ff**3 / f**2)
        own = blend * max(1, student(z, v) / student(z, rows * p * (1 - p) / ((1 - p) ** 3 + p**3))) ** 2
    return 1 / max(each, own)


def repeats(margin, tables):
    """Of each group the sums over people of products of two cells, or None where each row is a person of its own."""
    if "clusters" not in margin:
        return [None] * len(tables)
    products = [{} for _ in tables]
    for i, j, value in margin["clusters"]["products"]:
        if i // 6 == j // 6:
            a, b = (CELL[c % 6 // 2, c % 2] for c in (i, j))
            products[i // 6][a, b] = products[i // 6][b, a] = value
    people = margin["clusters"]["people"]
    return [None if p == sum(t[0].values()) else f for p, t, f in zip(people, tables, products, strict=True)]


def share(table, rate, weighted, products=None):
    """(value, effective size) of one rate in one group, or None where nobody is counted."""
    people, w, w2 = table
    top, bottom = (side.split() for side in rate.split("/"))
    n, squares = sum(w[c] for c in bottom), sum(w2[c] for c in bottom)
    for one, other in (("tn fn", "tp fp"), ("tp fp", "tn fn")):  # outcomes known after one decision only
        here, there = (sum(people[c] for c in side.split()) for side in (one, other))
        silent = people["u0" if "tn" in one else "u1"]
        both = {c in "tpfp" for c in bottom} == {True, False} and "u0" not in bottom
        if both and not here and there and silent > 0.05 * sum(people.values()):
            return None
    if not n:
        return None
    x, rows, rest = sum(w[c] for c in top), sum(people[c] for c in bottom), [c for c in bottom if c not in top]
    if products is not None:
        sides = ((top, top), (top, rest), (rest, rest))
        xx, xf, ff = (sum(products.get((a, b), 0) for a in s for b in t) for s, t in sides)
    elif weighted:
        xx, xf, ff = sum(w2[c] for c in top), 0, sum(w2[c] for c in rest)
    else:
        return x / n, n
    return x / n, effective(x, n, rows, squares, xx, xf, ff)


def wilson(p, n, alpha):
    z = NormalDist().inv_cdf(1 - alpha / 2)
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def near(a, b):
    return a is b if a is None or b is None else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def widest(values, kind, at):
    """The largest difference or smallest ratio of two groups (with `at`: of that group and another)."""
    if len(values) < 2 or (at is not None and at not in values):
        return None
    pairs = [(values[i], values[j]) for i in values for j in values if i != j and (at is None or at in (i, j))]
    if kind == "difference":
        return max(a - b for a, b in pairs)
    return min((a / b for a, b in pairs if b > 0), default=None)


def figures(files):
    evidence, cube = (json.loads(files[f"{n}.json"], object_pairs_hook=unique) for n in ("evidence", "cube"))
    line(evidence["cube"]["sha256"] == hashlib.sha256(files["cube.json"]).hexdigest(), "the evidence names this cube")
    good, weighted, settings = cube["favourable_is_positive"], cube["weighted"], evidence["settings"]
    rates = {**RATES, "selection_rate": f"{'tp fp u1' if good else 'tn fn u0'} / {KNOWN} u0 u1",
             "base_rate": f"{'tp fn' if good else 'tn fp'} / {KNOWN}"}  # fmt: skip
    decides, left = cube.get("decides", True), {k for k in ("classes", "regression") if k in evidence}
    margins = {tuple(m["attribute"]): (m, tables(m, weighted)) for m in cube["margins"]}
    for c in evidence["counts"]:
        margin, table = margins[tuple(c["attribute"])]
        t = table[margin["groups"].index(c["group"])][0]
        right = {"rows": sum(t.values()), "unknown_label": t["u0"] + t["u1"]}
        right |= {k: t[k] if decides else 0 for k in ("tp", "fp", "fn", "tn")}
        line(all((c[k] or 0) == n for k, n in right.items()), f"people {' / '.join(c['group'])}: {right['rows']}")
    wanted = sum(len(m["groups"]) * len(rates) for m, _ in margins.values()) if decides else 0
    line(sum(r["metric"] in rates for r in evidence["rates"]) == wanted, f"{wanted} rates, none missing")
    for r in evidence["rates"]:
        margin, table = margins[tuple(r["attribute"])]
        if r["metric"] not in rates:
            left.add(r["metric"])
            continue
        g = margin["groups"].index(r["group"])
        recomputed = share(table[g], rates[r["metric"]], weighted, repeats(margin, table)[g])
        low, high = wilson(*recomputed, settings["alpha"]) if recomputed else (None, None)
        same = near(r["value"], recomputed and recomputed[0]) and near(r["low"], low) and near(r["high"], high)
        text = f"{recomputed[0]:.6f} [{low:.6f}, {high:.6f}]" if recomputed else "not estimable"
        line(same, f"{r['metric']} {' / '.join(r['group']) or 'everyone'}: {text}")
    merit = "true_positive_rate" if good else "true_negative_rate"
    several = {"equal_opportunity": [merit], "equalized_odds": ["true_positive_rate", "false_positive_rate"]}
    for gap in evidence["gaps"]:
        margin, table = margins[tuple(gap["attribute"])]
        parts = several.get(gap["metric"], [gap["metric"]])
        if not rates.keys() >= set(parts):
            left.add(f"gaps of {gap['metric']}")
            continue
        people = margin["clusters"]["people"] if "clusters" in margin else [sum(t[0].values()) for t in table]
        shown = [g for g, n in enumerate(people) if n and "(unknown)" not in margin["groups"][g]]
        enough = [g for g in shown if people[g] >= settings["floor"]]
        members = enough if len(enough) > 1 else shown
        asked = [settings["reference"].get(a) for a in gap["attribute"]]
        at = next((g for g in members if margin["groups"][g] == asked), None)
        each = [{g: s[0] for g in members if (s := share(table[g], rates[p], weighted))} for p in parts]
        recomputed = [widest(values, gap["kind"], at) for values in each]
        value = None if None in recomputed else (max if gap["kind"] == "difference" else min)(recomputed)
        text = f"{gap['kind']} of {gap['metric']} by {' and '.join(gap['attribute'])}: {value}"
        line(near(gap["value"], value), text)
    print("not checked: " + ", ".join(["intervals and p-values of gaps", "dataset measures", *sorted(left)]))


def main(path, expected):
    line(tool("qpdf", "--check", path).returncode == 0, "qpdf --check finds no fault")
    with tempfile.TemporaryDirectory() as folder:
        prints = signatures(path, path.read_bytes(), Path(folder))
    manifest, files = embedded(path)
    named = next(s["certificate"] for s in manifest["signers"] if s["role"] == "auditor")
    line(named in (None, prints[0]), "the certifying key is the one that the manifest names")
    line(expected in ("", prints[0]), f"the certifying key is the one you were given: {expected or 'none was given'}")
    figures(files)
    print("not checked: who holds these keys (compare the fingerprints), whether the pages say what these lines")
    print("             say, explanations, mitigation, and whether a later decision was cut off (ask for the register)")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    try:
        main(Path(sys.argv[1]), (sys.argv[2:] or [""])[0].replace(":", "").lower())
    except Exception as error:  # a file built to break readers: what cannot be read is not good
        line(False, f"the file cannot be checked to its end: {type(error).__name__}: {error}")
    print(f"\n{len(failures)} FAILED" if failures else "\nEverything compared is as it should be.")
    sys.exit(1 if failures else 0)
