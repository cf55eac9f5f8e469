"""Keys on the screen Report: what a person brings is on no disk, in no argument and not in the session when it is done.

The work runs for real, in its process; afterwards every file of the workspace is searched for the key and its password.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from debias import jobs
from reports.approve import embedded_manifest
from reports.issue import issue_report
from reports.keys import SigningKey, load_key, make_key
from reports.verify import verify
from screens import secret
from screens.workspace import CaseFolder, jobs_home, log_home

PASSWORD = "correct horse battery"


def page(case: str) -> None:
    import streamlit as st

    from screens import report

    st.query_params["case"] = case
    report.show()


def opened(audited_case: CaseFolder) -> AppTest:
    app = AppTest.from_function(page, args=(audited_case.id,), default_timeout=120).run()
    assert not app.exception
    return app


def files(home: Path) -> Iterator[tuple[Path, bytes]]:
    for path in home.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def pieces(key: bytes) -> list[bytes]:
    """Parts of the key, raw and as text of any kind would hold them."""
    import base64

    middle = key[400:464]
    return [key[100:164], middle, key[-80:-16], base64.b64encode(middle)[2:-4], middle.hex().encode()]


def nothing_of(key: bytes, home: Path) -> None:
    for path, content in files(home):
        for part in [*pieces(key), PASSWORD.encode()]:
            assert part not in content, path


def wait(app: AppTest) -> None:
    job = app.session_state["job"]
    while not jobs.state(jobs_home(), job).over:
        time.sleep(0.05)
    state = jobs.state(jobs_home(), job)
    assert state.status == "done", state.error


@dataclass
class Started:
    """What a job would have been given."""

    args: list[str] = field(default_factory=list)
    secret: bytes = b""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """In place of the work, which the first test does for real."""
    seen = Started()

    def start(args: list[str], home: Path, *, secret: bytes | None = None, **_: object) -> jobs.Job:
        seen.args, seen.secret = list(args), secret or b""
        return jobs.Job("0" * 32, tuple(args), 0, "", 0.0)

    monkeypatch.setattr(jobs, "start", start)
    return seen


def press(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def test_a_brought_key_signs_and_leaves_nothing(
    audited_case: CaseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.report.verified", lambda *a, **k: None)  # at each of ten runs; once at the end here
    key, content = make_key("Ada Auditor", PASSWORD.encode())
    member, theirs = make_key("Bo Board", PASSWORD.encode())
    app = opened(audited_case)
    app.radio(key="key-kind").set_value("Use my .p12 file").run()
    app = press(app, "Sign the report")
    assert "the key file, the password of the key" in app.warning[0].value
    app.file_uploader(key="key-file").set_value(("ada.p12", content, "application/x-pkcs12"))
    app.text_input(key="key-password").set_value("not the word")
    app = press(app, "Sign the report")
    assert "could not be opened" in app.error[0].value
    nothing_of(content, tmp_path)
    app.text_input(key="key-password").set_value(PASSWORD)
    app.text_input(key="members").set_value("Bo Board")
    app = press(app, "Sign the report")
    wait(app)
    app = app.run()
    report = audited_case.run / "report.pdf"
    assert embedded_manifest(report.read_bytes()).auditor.certificate == key.fingerprint
    assert app.text_input(key="key-password").value == ""
    assert not any(u.value for u in app.file_uploader if u.label == "Key file")
    assert "Download the key made here" not in [b.label for b in app.get("download_button")]
    assert any(key.fingerprint in c.value for c in app.code)
    nothing_of(content, tmp_path)

    # The member countersigns in the same way; nothing is chosen beforehand.
    assert app.radio(key="approve-decision").value is None
    assert app.selectbox(key="approve-member").value is None
    app = press(app, "Countersign")
    assert "who decides, the decision, the reason, the member's key, the password" in app.warning[0].value
    app.selectbox(key="approve-member").set_value("Bo Board")
    app.radio(key="approve-decision").set_value("approve")
    app.text_area(key="approve-reason").set_value("--inside the norms\nas I read them")
    app.file_uploader(key="approve-key").set_value(("bo.p12", theirs, "application/x-pkcs12"))
    app.text_input(key="approve-password").set_value(PASSWORD)
    app = press(app, "Countersign")
    wait(app)
    app = app.run()
    verification = verify(report.read_bytes())
    assert verification.failed is None
    assert member.fingerprint.encode() not in b"".join(b for p, b in files(tmp_path) if p.suffix == ".p12")
    assert app.text_area(key="approve-reason").value == ""
    nothing_of(theirs, tmp_path)
    for job in jobs.find(jobs_home()):
        assert "-" in job.args
        assert not any(a.endswith(".p12") for a in job.args)


def test_only_a_key_made_here_is_kept_and_only_it_is_offered(
    audited_case: CaseFolder, tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screens.report.verified", lambda *a, **k: None)
    # What a person has uploaded under a name like the ones that keys made here had is not offered.
    (audited_case.place / "key-of-somebody.p12").write_bytes(b"somebody's")
    app = opened(audited_case)
    app.text_input(key="key-name").set_value("Cy Chair")
    app.text_input(key="key-password").set_value(PASSWORD)
    app = press(app, "Sign the report")
    (kept,) = secret.made_keys(audited_case)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert started.secret == PASSWORD.encode() + b"\n" + kept.read_bytes()
    for path, content in files(tmp_path):
        assert PASSWORD.encode() not in content, path
        assert path == kept or kept.read_bytes()[400:464] not in content, path
    # A report by another key offers none; one by this key offers this.
    issued(audited_case, make_key("Ada Auditor", PASSWORD.encode())[0])
    assert not offered(opened(audited_case))
    issued(audited_case, load_key(kept, PASSWORD.encode()))
    assert offered(opened(audited_case)) == ["Download the key made here"]


def issued(audited_case: CaseFolder, key: SigningKey, **more: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.issue.page_html", lambda files, manifest: "<title>t</title><p>before</p>")
        issue_report(audited_case.run, key, audited_case.run / "report.pdf", **more)


def offered(app: AppTest) -> list[str]:
    return [b.label for b in app.get("download_button") if "key" in b.label]


def test_counts_that_give_people_away_ask_for_a_reason_on_the_screen(
    audited_case: CaseFolder, tmp_path: Path, started: Started
) -> None:
    key, content = make_key("Ada Auditor", PASSWORD.encode())
    issued(audited_case, key, log=log_home())
    (audited_case.run / "report.pdf").unlink()
    rows = (audited_case.place / "rows.csv").read_text().splitlines()
    (audited_case.place / "rows.csv").write_text("\n".join([*rows[:5], *rows[6:]]) + "\n")
    run_audit(load_case(audited_case.place / "case.toml"), audited_case.run, Settings(draws=100))
    app = opened(audited_case)
    assert "allow-difference" not in [t.key for t in app.text_area]
    app.radio(key="key-kind").set_value("Use my .p12 file").run()
    app.file_uploader(key="key-file").set_value(("ada.p12", content, "application/x-pkcs12"))
    app.text_input(key="key-password").set_value(PASSWORD)
    app = press(app, "Sign the report")
    assert "give people away" in app.error[0].value
    assert started.args == []
    app = press(app, "Sign the report")
    assert "the reason why it may go out" in app.warning[0].value
    app.text_area(key="allow-difference").set_value("She asked for it, in writing.")
    app = press(app, "Sign the report")
    assert "--allow-difference=She asked for it, in writing." in started.args
    assert started.secret == PASSWORD.encode() + b"\n" + content
    nothing_of(content, tmp_path)
