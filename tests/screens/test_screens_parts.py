"""The parts of the screens that can be tested without a browser."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from audit.errors import AssayError, CaseError, DataError, InputError
from audit.load.start import bins_of
from screens import charts, state, takeaway, workspace


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("bad", ["", "../../etc", "a" * 31, "A" * 32, "0" * 32, "0" * 31 + "/"])
def test_an_address_that_no_case_can_have_is_refused(bad: str) -> None:
    with pytest.raises(InputError):
        workspace.open_case(bad)


def test_a_case_is_found_again_by_its_id() -> None:
    folder = workspace.sample_case("adult.toml")
    again = workspace.open_case(folder.id)
    assert again == folder
    assert again.file.name == "adult.toml"
    assert workspace.all_cases() == [folder]
    workspace.forget_case(folder)
    assert workspace.all_cases() == []


def test_a_sample_that_is_none_is_refused() -> None:
    with pytest.raises(InputError):
        workspace.sample_case("../adult.toml")


def test_an_upload_never_replaces_another_and_keeps_within_its_folder() -> None:
    folder = workspace.new_case()
    first = workspace.keep_upload(folder, "people.csv", b"a,b\n1,2\n")
    assert workspace.keep_upload(folder, "people.csv", b"a,b\n1,2\n") == first
    second = workspace.keep_upload(folder, "people.csv", b"a,b\n3,4\n")
    assert second != first
    assert first.read_bytes() == b"a,b\n1,2\n"
    strange = workspace.keep_upload(folder, "../../.case.toml", b"x")
    assert strange.parent == folder.place
    assert not strange.name.startswith(".")
    with pytest.raises(DataError):
        workspace.keep_upload(folder, "empty.csv", b"")


def test_a_persons_words_are_never_markup() -> None:
    assert state.escape("**bold** <b> [x](y) :red[z] $a$") == (r"\*\*bold\*\* \<b\> \[x\]\(y\) \:red\[z\] \$a\$")


def test_bands_are_read_or_refused() -> None:
    assert bins_of(["age: 25, 40", "income: 1000"]) == {"age": (25.0, 40.0), "income": (1000.0,)}
    assert bins_of([]) == {}
    with pytest.raises(CaseError):
        bins_of(["age: young"])


def test_the_cache_of_a_result_sees_a_change_of_one_byte(tmp_path: Path) -> None:
    """Streamlit hashes large frames from a sample; results here are keyed by the hash of all their bytes."""
    folder = workspace.new_case()
    folder.run.mkdir()
    path = folder.run / "evidence.json"
    for value in (1, 2, 3):
        path.write_text('{"pad": "' + "x" * 500_000 + f'", "value": {value}}}')
        result = state.result(folder, "evidence.json")
        assert result is not None
        assert result["value"] == value


def test_a_chart_escapes_names_and_draws_a_missing_value() -> None:
    figure = charts.dots([charts.Dot("<b>a</b>", 0.2, 0.1, 0.3, 10), charts.Dot("b", None, None, None, 0)], title="t")
    assert figure.layout.yaxis.ticktext[0] == "&lt;b&gt;a&lt;/b&gt;"
    assert [a.text for a in figure.layout.annotations] == ["not estimable"]


def test_every_screen_opens_without_a_case(root: Path) -> None:
    app = AppTest.from_file(str(root / "app.py"), default_timeout=60).run()
    assert not app.exception
    assert [b.label for b in app.button][:1] == ["Open Adult income"]


def test_an_error_is_shown_in_its_parts() -> None:
    def page() -> None:
        from audit.errors import AssayError
        from screens.state import show_error

        show_error(AssayError("it <b>broke</b>", got="3 rows", expected="4 rows", todo="add one"))

    app = AppTest.from_function(page).run()
    shown = app.error[0].value
    for part in (r"\<b\>broke", "Got: 3 rows", "Expected: 4 rows", "What to do: add one"):
        assert part in shown
    assert AssayError("x").exit_code == 1


def test_types_that_a_person_allowed_go_with_every_command_that_opens_the_model() -> None:
    folder = workspace.new_case()
    assert folder.allow == []
    (folder.place / "allow").write_text("mine.Model\nmine.Encoder")
    assert folder.allow == ["--allow", "mine.Model", "--allow", "mine.Encoder"]


def test_a_table_is_taken_away_as_it_is_and_no_cell_is_a_formula() -> None:
    frame = pd.DataFrame({"Group": ["=cmd|' /C calc'!A0", "+1", 'Zoë, "Z"'], "Rate": [0.5, None, -0.25]})
    lines = list(csv.reader(io.StringIO(takeaway.csv_of(frame))))
    assert lines[0] == ["Group", "Rate"]
    assert [line[0] for line in lines[1:]] == ["'=cmd|' /C calc'!A0", "'+1", 'Zoë, "Z"']
    assert [line[1] for line in lines[1:]] == ["0.5", "", "-0.25"], "a negative number stays a number"


def test_every_table_of_a_screen_has_its_button() -> None:
    def page() -> None:
        import pandas as pd

        from screens import parts

        parts.table(pd.DataFrame({"a": [1]}), alt="People in each group")
        parts.table(pd.DataFrame({"a": [2]}), alt="Rates, by group")
        parts.help_on("data")

    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    labels = [b.label for b in app.get("download_button")]
    assert labels == ["People in each group (CSV)", "Rates, by group (CSV)"]
