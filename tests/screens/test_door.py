"""The member's door: a report that came by mail is checked, read and countersigned; nothing is kept on the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import reports.verify
from reports.keys import make_key
from reports.log import Log, LogView
from reports.log.record import DECISION, new_entries, read_report, steps_of
from screens.workspace import home, log_home
from tests.reports import kit
from tests.reports.pki import Pki
from tests.shared import forty_rows

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A report that asks Bo Board and Cy Chair."""
    return kit.report(kit.files_of(forty_rows(tmp_path_factory)), Pki().auditor)


@pytest.fixture(autouse=True)
def small_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks are the real ones; the pages are the small ones of these tests."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    real = reports.verify.verify_or_raise
    monkeypatch.setattr(
        reports.verify, "verify_or_raise", lambda pdf, **more: real(pdf, **{**more, "printer": kit.page})
    )


def page() -> None:
    from screens import door, secret

    secret.empty_now()
    door.show()


def opened(content: bytes) -> AppTest:
    app = AppTest.from_function(page, default_timeout=120).run()
    app.file_uploader(key="door-file").set_value(("mail.pdf", content, "application/pdf"))
    app = app.run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def fill(app: AppTest, who: str, decision: str) -> None:
    app.selectbox(key="door-member").set_value(who)
    app.radio(key="door-decision").set_value(decision)
    app.text_area(key="door-reason").set_value("Inside the norms.\nAs I read them.")
    app.text_input(key="door-password").set_value(PASSWORD)


def test_a_member_makes_a_key_and_takes_it_away(certified: bytes, tmp_path: Path) -> None:
    app = opened(certified)
    findings = [m.value for m in app.markdown if m.value.startswith("- ")]
    assert findings, "what the evidence says is shown"
    assert app.radio(key="door-kind").value is None
    app.radio(key="door-kind").set_value("Make a key for me").run()
    assert app.selectbox(key="door-member").value is None
    assert app.radio(key="door-decision").value is None
    app = press(app, "Sign the decision")
    assert "who decides, the decision, the reason, the password of the key" in app.warning[0].value
    fill(app, "Bo Board", "reject")
    app = press(app, "Sign the decision")
    assert not app.error, app.error[0].value
    done: Any = app.session_state["door-done"]
    manifest, signatures, _ = read_report(done.report)
    (step,) = steps_of(done.report, manifest, signatures)
    assert (step.decided.member, step.decided.decision) == ("Bo Board", "reject")
    assert step.decided.reason == "Inside the norms. As I read them."
    assert [b.label for b in app.get("download_button")] == ["Download the countersigned report", "Download your key"]
    assert done.fingerprint in app.code[0].value
    assert not app.text_area, "one thing at a time"
    assert not home().exists(), "nothing is kept on this machine"
    app = press(app, "Done: forget it here")
    assert "door-done" not in app.session_state
    assert app.file_uploader[0].value is None
    app.file_uploader[0].set_value(("mail.pdf", done.report, "application/pdf"))
    app = app.run()
    app.radio(key="door-kind").set_value("Make a key for me").run()
    assert app.text_area(key="door-reason").value == ""
    assert app.text_input(key="door-password").value == ""


def test_a_key_brought_along_decides_and_the_log_that_knows_the_report_learns_it(certified: bytes) -> None:
    def issue(view: LogView) -> Any:
        return new_entries(view, certified)

    Log(log_home()).append(issue)
    key, content = make_key("Cy Chair", PASSWORD.encode())
    app = opened(certified)
    app.radio(key="door-kind").set_value("I have a key (.p12)").run()
    app.file_uploader(key="door-key").set_value(("cy.p12", content, "application/x-pkcs12"))
    fill(app, "Bo Board", "approve")
    app = press(app, "Sign the decision")
    assert "The key is not that of Bo Board" in app.error[0].value
    app.selectbox(key="door-member").set_value("Cy Chair")
    app = press(app, "Sign the decision")
    done: Any = app.session_state["door-done"]
    assert (done.fingerprint, done.key) == (key.fingerprint, b"")
    entries = Log(log_home()).read().entries
    assert [(e["member"], e["decision"]) for e in entries if e["type"] == DECISION] == [("Cy Chair", "approve")]
    for path in home().rglob("*"):
        assert not path.is_file() or content[400:464] not in path.read_bytes()
    # Who has decided is no longer asked.
    app = opened(done.report)
    app.radio(key="door-kind").set_value("Make a key for me").run()
    assert app.selectbox(key="door-member").options == ["Bo Board"]


def test_a_report_that_does_not_hold_is_not_decided_on(certified: bytes) -> None:
    broken = bytearray(certified)
    broken[len(broken) // 2] ^= 1
    app = opened(bytes(broken))
    assert "nobody should decide on it" in app.error[0].value
    assert not app.radio
    assert not app.button
