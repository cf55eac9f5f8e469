"""JUnit XML, as build servers read it: a test case a norm, and one a check of the data's contract.

A broken norm is a failure, one that cannot be estimated is skipped with its reason; an undecided one passes and says
so, because it is not broken. A check that is not kept is a failure where its severity is error. The form is that of the
Jenkins xUnit plug-in's schema (junit-10.xsd).
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from audit.documents.evidence import Evidence
from reports.machine.norms import check_result, checks, figure, title


def to_junit(evidence: Evidence, case: str) -> bytes:
    """One suite, named after the case. case: the name of the case file."""
    norms, contract = evidence.norms, checks(evidence)
    broken = [c for c in contract if not c.passed and c.severity == "error"]
    counts = {
        "tests": len(norms) + len(contract),
        "failures": sum(n.breached for n in norms) + len(broken),
        "errors": 0,
        "skipped": sum(n.value is None for n in norms),
    }
    shown = {k: str(v) for k, v in counts.items()}
    root = ET.Element("testsuites", shown)
    suite = ET.SubElement(root, "testsuite", {"name": _clean(evidence.case.name), **shown})
    properties = ET.SubElement(suite, "properties")
    facts = {
        "assay.version": evidence.tool.version,
        "assay.policy": evidence.policy.version,
        "assay.data.sha256": evidence.data.sha256,
        "assay.rows": str(evidence.data.audited_rows),
    }
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    for norm in norms:
        test = ET.SubElement(suite, "testcase", {"classname": _clean(case), "name": _clean(title(norm)), "time": "0"})
        if norm.value is None:
            ET.SubElement(test, "skipped", {"message": _clean(figure(norm))})
        elif norm.breached:
            ET.SubElement(test, "failure", {"message": _clean(figure(norm)), "type": "norm"}).text = _clean(
                figure(norm)
            )
        else:
            ET.SubElement(test, "system-out").text = _clean(figure(norm))
    for check in contract:
        test = ET.SubElement(
            suite, "testcase", {"classname": f"{_clean(case)} contract", "name": _clean(check.words), "time": "0"}
        )
        if check in broken:
            ET.SubElement(test, "failure", {"message": _clean(check_result(check)), "type": "contract"}).text = _clean(
                check_result(check)
            )
        else:
            ET.SubElement(test, "system-out").text = _clean(check_result(check))
    ET.indent(root)
    out: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return out


def _clean(text: object) -> str:
    """Without the control characters that no XML may hold."""
    return "".join(
        c for c in str(text) if c in "\t\n" or 0x20 <= ord(c) <= 0xD7FF or 0xE000 <= ord(c) <= 0xFFFD or ord(c) > 0xFFFF
    )
