"""Bombs, cycles and lies, each certified with a valid key: every one ends soon, as a check that failed, in little
memory, and says nothing that the file said."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import cli
from audit.models import process
from audit.models.process import Limits
from reports.verify import apart, verify
from tests import forkserver
from tests.reports import hostile as h
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.shared import ALONE

ROOT = Path(__file__).resolve().parents[2]
GIB, MIB = 2**30, 2**20
BOMBS: dict[str, Callable[[], dict[int, bytes]]] = {}


def hostile(make: Callable[[], dict[int, bytes]]) -> Callable[[], dict[int, bytes]]:
    BOMBS[make.__name__] = make
    return make


def with_file(body: bytes) -> dict[int, bytes]:
    o = h.least(b"/Names<</EmbeddedFiles<</Names[(evidence.json) 10 0 R]>>>>/AF[10 0 R]")
    o[10] = b"<</Type/Filespec/F(evidence.json)/UF(evidence.json)/AFRelationship/Data/Desc(x)/EF<</F 11 0 R>>>>"
    o[11] = body
    return o


@hostile
def an_outline_that_follows_itself() -> dict[int, bytes]:
    return h.least(b"/Outlines 10 0 R") | {
        10: b"<</Type/Outlines/First 11 0 R/Last 11 0 R/Count 1>>",
        11: b"<</Title(a)/Parent 10 0 R/Next 11 0 R/First 11 0 R/Last 11 0 R/Dest(a)>>",
    }


@hostile
def pages_that_hold_themselves() -> dict[int, bytes]:
    return h.least() | {2: b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 1>>"}


@hostile
def pages_that_hold_each_other() -> dict[int, bytes]:
    return h.least() | {
        2: b"<</Type/Pages/Kids[10 0 R 3 0 R]/Count 1>>",
        10: b"<</Type/Pages/Parent 2 0 R/Kids[11 0 R]/Count 1>>",
        11: b"<</Type/Pages/Parent 10 0 R/Kids[10 0 R]/Count 1>>",
    }


@hostile
def pages_twice_at_each_of_forty_levels() -> dict[int, bytes]:
    o = h.least() | {2: b"<</Type/Pages/Kids[10 0 R 3 0 R]/Count 1>>"}
    for i in range(40):
        o[10 + i] = b"<</Type/Pages/Parent %d 0 R/Kids[%d 0 R %d 0 R]/Count 2>>" % (
            2 if not i else 9 + i,
            11 + i,
            11 + i,
        )
    return o | {50: b"<</Type/Page/Parent 49 0 R/MediaBox[0 0 1 1]/Resources<<>>>>"}


@hostile
def fields_twice_at_each_of_sixty_levels() -> dict[int, bytes]:
    o = h.least(fields=b"4 0 R 10 0 R")
    for i in range(60):
        o[10 + i] = b"<</T(x)/Kids[%d 0 R %d 0 R]>>" % (11 + i, 11 + i)
    return o | {70: b"<</T(z)/FT/Tx>>"}


@hostile
def a_field_that_is_its_own_parent() -> dict[int, bytes]:
    o = h.least()
    return o | {4: o[4].replace(b"/FT/Sig", b"/FT/Sig/Parent 4 0 R")}


@hostile
def fields_that_hold_each_other() -> dict[int, bytes]:
    return h.least(fields=b"4 0 R 10 0 R") | {
        10: b"<</T(x)/FT/Sig/Kids[11 0 R]>>", 11: b"<</T(y)/Parent 10 0 R/Kids[10 0 R 11 0 R]>>",
    }  # fmt: skip


@hostile
def names_that_hold_themselves() -> dict[int, bytes]:
    return h.least(b"/Names<</EmbeddedFiles 10 0 R>>") | {10: b"<</Kids[10 0 R]>>"}


@hostile
def a_structure_that_holds_itself() -> dict[int, bytes]:
    return h.least(b"/StructTreeRoot 10 0 R/MarkInfo<</Marked true>>") | {
        10: b"<</Type/StructTreeRoot/K 11 0 R/ParentTree<</Nums[0 11 0 R]>>/ParentTreeNextKey 1>>",
        11: b"<</Type/StructElem/S/Document/P 10 0 R/K[11 0 R 12 0 R]>>",
        12: b"<</Type/StructElem/S/P/P 11 0 R/K 11 0 R>>",
    }


@hostile
def brackets_300_000_deep() -> dict[int, bytes]:
    return h.least(b"/X " + b"[" * 300_000 + b"]" * 300_000)


@hostile
def dictionaries_200_000_deep() -> dict[int, bytes]:
    return h.least(b"/X " + b"<</a" * 200_000 + b" 1" + b">>" * 200_000)


@hostile
def a_chain_of_20_000_objects() -> dict[int, bytes]:
    o = h.least(b"/X 10 0 R")
    return o | {10 + i: b"[%d 0 R]" % (11 + i) for i in range(20_000)} | {20_010: b"null"}


@hostile
def a_number_of_a_million_digits() -> dict[int, bytes]:
    return h.least(b"/X " + b"9" * 1_000_000)


@hostile
def a_hundred_thousand_objects_that_nobody_needs() -> dict[int, bytes]:
    return h.least() | {10 + i: b"null" for i in range(100_000)}


@hostile
def one_page_200_000_times() -> dict[int, bytes]:
    return h.least() | {2: b"<</Type/Pages/Kids[" + b"3 0 R " * 200_000 + b"]/Count 200000>>"}


@hostile
def an_embedded_file_of_a_gibibyte() -> dict[int, bytes]:
    return with_file(h.bomb(GIB, b"/Type/EmbeddedFile"))


@hostile
def an_embedded_file_packed_three_times() -> dict[int, bytes]:
    return with_file(h.bomb(GIB, b"/Type/EmbeddedFile", 3))


@hostile
def an_embedded_file_with_50_000_filters() -> dict[int, bytes]:
    filters = b"/ASCIIHexDecode " * 50_000
    return with_file(b"<</Type/EmbeddedFile/Filter[" + filters + b"]/Length 4>>\nstream\n41>>\nendstream")


@hostile
def a_row_of_a_gigabyte() -> dict[int, bytes]:
    return with_file(
        h.bomb(64 * MIB, b"/Type/EmbeddedFile/DecodeParms<</Predictor 12/Columns 1000000000/Colors 1000>>")
    )


@hostile
def a_page_that_unpacks_to_a_gibibyte() -> dict[int, bytes]:
    o = h.least()
    return o | {3: o[3].replace(b"/Resources", b"/Contents 10 0 R/Resources"), 10: h.bomb(GIB)}


@hostile
def a_font_that_unpacks_to_a_gibibyte() -> dict[int, bytes]:
    font = b"/Resources<</Font<</F 10 0 R>>>>"
    o = h.least()
    return o | {
        3: o[3].replace(b"/Resources<<>>", font),
        10: b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[11 0 R]>>",
        11: b"<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDToGIDMap/Identity/FontDescriptor 12 0 R>>",
        12: b"<</Type/FontDescriptor/FontName/A/Flags 4/FontFile2 13 0 R>>",
        13: h.bomb(GIB),
    }


@hostile
def a_billion_laughs() -> dict[int, bytes]:
    laughs = b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))
    xml = b'<!DOCTYPE a [<!ENTITY a0 "ha">' + laughs + b"]><a>&a11;</a>"
    return h.least(b"/Metadata 10 0 R") | {10: h.stream(xml, b"/Type/Metadata/Subtype/XML", packed=0)}


@hostile
def objects_that_unpack_to_a_gibibyte() -> dict[int, bytes]:
    return h.least(b"/X 10 0 R") | {10: h.bomb(GIB, b"/Type/ObjStm/N 1000000/First 10")}


@hostile
def a_picture_of_four_billion_dots() -> dict[int, bytes]:
    o = h.least()
    picture = b"/Type/XObject/Subtype/Image/Width 65535/Height 65535/BitsPerComponent 8/ColorSpace/DeviceGray"
    return o | {
        3: o[3].replace(b"/Resources<<>>", b"/Contents 11 0 R/Resources<</XObject<</I 10 0 R>>>>"),
        10: h.bomb(MIB, picture),
        11: h.stream(b"/I Do"),
    }


@hostile
def validation_data_50_000_times() -> dict[int, bytes]:
    return h.least(b"/DSS<</Certs[" + b"10 0 R " * 50_000 + b"]>>") | {10: h.stream(b"\x30\x03\x02\x01\x01")}


def made(name: str, pki: Pki) -> bytes:
    return h.certified(BOMBS[name](), pki.auditor)


def test_the_limits_leave_less_than_a_gibibyte() -> None:
    assert apart.LIMITS.memory_bytes < GIB


def test_the_least_file_is_read_to_where_it_is_no_report(pki: Pki) -> None:
    """What is refused below is refused for what is in it: without, the same file goes further."""
    verification = verify(h.certified(h.least(), pki.auditor))
    assert [c.status for c in verification.checks if c.name == "seal"] == ["ok"]
    assert verification.failed is not None
    assert any(word.startswith("files: ") for word in verification.isolation)


@pytest.fixture
def forked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader begins with its imports done; behind the command, below, it starts for real."""
    if platform.machine() in forkserver.CLONE:
        names = {name: getattr(subprocess, name) for name in subprocess.__all__}
        monkeypatch.setattr(process, "subprocess", SimpleNamespace(**names | {"Popen": forkserver.Forked}))


@pytest.mark.parametrize("name", list(BOMBS))
def test_each_is_a_check_that_failed(name: str, pki: Pki, limits: Limits, forked_once: None) -> None:
    verification = verify(made(name, pki))
    assert verification.failed is not None
    assert verification.failed.name in ("limits", "structure", "signatures", "manifest"), verification.failed
    assert verification.failed.name != "limits" or "too long" not in verification.failed.detail


PROCESS = (
    "pages_that_hold_each_other",
    "brackets_300_000_deep",
    "an_embedded_file_of_a_gibibyte",
    "one_page_200_000_times",
)
"""One of each kind: a circle, nesting, unpacking, length."""


@pytest.mark.parametrize("name", PROCESS)
def test_through_the_command_it_is_exit_4_in_little_memory(name: str, pki: Pki, tmp_path: Path) -> None:
    """A process of its own, its children measured by the kernel."""
    report = tmp_path / "report.pdf"
    report.write_bytes(made(name, pki))
    code = (
        "import resource, sys, cli\ncode = cli.main(sys.argv[1:])\n"
        "print('peak', max(resource.getrusage(w).ru_maxrss for w in (0, -1)) // 1024, file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [*ALONE, sys.executable, "-c", code, "verify", str(report)], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert int(re.findall(r"peak (\d+)", done.stderr)[0]) < 1024


def test_a_process_that_is_ended_is_one_clear_sentence(
    small: Reports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too little time, too little memory, a crash: exit 4 and what happened, never exit 1."""
    report = tmp_path / "report.pdf"
    report.write_bytes(small.certified)
    for short, words in (
        (Limits(memory_bytes=apart.LIMITS.memory_bytes, wall_seconds=0.01), "took too long"),
        (Limits(memory_bytes=apart.LIMITS.memory_bytes, cpu_seconds=1), "used up its processor time"),
        (Limits(memory_bytes=150 * MIB), "the report"),
    ):
        monkeypatch.setattr(apart, "LIMITS", short)
        assert cli.main(["verify", str(report)]) == 4
        output = capsys.readouterr()
        assert output.out.splitlines()[-1].startswith("FAILED: limits: the report")
        assert words in output.out
        assert "do not rely on this file" in output.err


def test_an_unsealed_tail_is_said_to_be_unsealed_and_nothing_else(small: Reports) -> None:
    verification = verify(
        small.certified + h.written(BOMBS["an_outline_that_follows_itself"](), len(small.certified), 9)
    )
    assert [(c.name, c.status) for c in verification.checks][:3] == [
        ("file", "ok"), ("seal", "failed"), ("everything else", "not checked"),
    ]  # fmt: skip


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST_BYTES", 1000)
    verification = verify(b"%PDF-1.7\n" + bytes(2000))
    assert verification.failed is not None
    assert (verification.failed.name, verification.failed.detail) == ("limits", "the file is too large")
