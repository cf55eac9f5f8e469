"""The app with logins, as it is served: a real server, an issuer in this process, people without a browser."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.screens.issuer import CLIENT, SECRET, Issuer, issuer
from tests.screens.test_serve import ask, command, free_port
from tests.screens.visitor import Visitor, run

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = {
    "ann": ["risk", "lending"], "bob": ["risk", "claims"], "mia": ["ethics", "lending"], "vic": ["lending"],
    "aud": ["audit"], "adm": ["it"], "nob": [],
}  # fmt: skip


def settings(place: Path, port: int, built: Issuer, **other: str) -> Path:
    """secrets.toml, for the owner alone."""
    auth = {
        "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback", "cookie_secret": "c" * 40, "client_id": CLIENT,
        "client_secret": SECRET, "server_metadata_url": f"{built.url}/.well-known/openid-configuration", **other,
    }  # fmt: skip
    lines = ["[auth]", *(f"{k} = {json.dumps(v)}" for k, v in auth.items())]
    lines += [
        "[people]",
        'claim = "groups"',
        "hours = 2",
        f"file = {json.dumps(str(place / 'people.toml'))}",
        "[people.roles]",
        'analyst = ["risk"]',
        'member = ["ethics"]',
    ]
    lines += ['auditor = ["audit"]', 'admin = ["it"]', "[people.teams]", 'Lending = ["lending"]', 'Claims = ["claims"]']
    (place / "people.toml").write_text("")
    path = place / "secrets.toml"
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


@dataclass(frozen=True)
class Server:
    port: int
    home: Path
    issuer: Issuer

    def visitor(self, name: str = "") -> Visitor:
        built = Visitor(self.port)
        if name:
            built.sign_in(name)
        return built


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home, port = Path(tmp_path_factory.mktemp("home")), free_port()
    with issuer() as built, open(home / "served.txt", "wb") as log:
        built.people.update({k: {"name": k.capitalize(), "groups": g} for k, g in PEOPLE.items()})
        kept = settings(home, port, built)
        process = subprocess.Popen(
            command(port, "--secrets.files", str(kept)), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "ASSAY_HOME": str(home)},
        )  # fmt: skip
        try:
            until = time.monotonic() + 60
            while ask(port, "/_stcore/health") is None:
                assert process.poll() is None, (home / "served.txt").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield Server(port, home, built)
        finally:
            process.terminate()
            process.wait(20)


def test_nobody_reaches_the_app_before_signing_in(server: Server) -> None:
    nobody = server.visitor()
    page = nobody.get("/report?case=" + "a" * 32)
    assert page.status == 401
    assert "Sign in" in page.text
    assert "script" not in page.text.replace("script-src", "")
    for path in ("/_stcore/host-config", "/static/js/index.js", "/media/abc.pdf", "/_stcore/script-health-check"):
        assert nobody.get(path, accept="*/*").status == 401, path
    assert nobody.refused() in (401, 403)


def test_the_page_that_was_wanted_is_found_again_and_cookies_are_secure(server: Server) -> None:
    visitor = server.visitor()
    wanted = "/report?case=" + "a" * 32
    assert visitor.sign_in("ann", wanted) == wanted
    for elsewhere in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/report?case=../x",
        "javascript:1",
    ):
        assert server.visitor().sign_in("ann", elsewhere) in ("/", "/report")
    answer = visitor.get("/")
    assert answer.status == 200
    fresh = server.visitor()
    answers = [fresh.get("/sign-in?next=/")]
    for more in ("", "&login_as=ann", ""):
        answers.append(fresh.get(answers[-1].headers["Location"] + more))
    cookies = [c for a in (*answers, fresh.get("/_stcore/health")) for c in a.cookies if "login_as" not in c]
    assert any(c.startswith("_streamlit_user=") for c in cookies)
    assert all("; Secure" in c for c in cookies), cookies
    assert "Max-Age=7200" in next(c for c in cookies if c.startswith("_streamlit_user="))


def test_a_cookie_that_was_not_made_here_is_nobodys(server: Server) -> None:
    visitor = server.visitor("ann")
    value = visitor.jar["_streamlit_user"]
    visitor.jar["_streamlit_user"] = value[:-2] + ("AA" if value[-2:] != "AA" else "BB")
    assert visitor.get("/").status == 401


def test_who_is_signed_in_is_said_with_the_role(server: Server) -> None:
    for name, role in (("mia", "member"), ("nob", "viewer")):
        seen = server.visitor(name).see()
        assert f"Signed in as {name.capitalize()} ({role})" in seen


def test_a_screen_that_is_not_for_a_role_says_so(server: Server) -> None:
    assert "This screen is not for your role" in server.visitor("vic").see("setup")
    assert "This screen is not for your role" in server.visitor("adm").see("model")
    assert "This screen is not for your role" not in server.visitor("ann").see("setup")


def test_nobody_sees_anothers_case_by_listing_link_or_guess(server: Server, audited: Path) -> None:
    cases = {}
    for name, teams in (("ann", ["Lending"]), ("bob", [])):
        place = server.home / "cases" / secrets.token_hex(16)
        shutil.copytree(audited, place)
        text = (place / "case.toml").read_text()
        (place / "case.toml").write_text(text.replace('name = "', f'name = "Of {name} ', 1))
        owner = {"owner": f"{server.issuer.url}#{name}", "name": name, "teams": teams, "signed": []}
        (place / "owner.json").write_text(json.dumps(owner))
        cases[name] = place.name
    for who, sees in (("ann", {"ann"}), ("bob", {"bob"}), ("vic", {"ann"}), ("nob", set()),
                      ("aud", {"ann", "bob"})):  # fmt: skip
        visitor = server.visitor(who)
        listed = visitor.see()
        assert {n for n in cases if f"Of {n} " in listed} == sees, who
        for of, case in cases.items():
            opened = visitor.see("report", f"case={case}")
            assert (f"Of {of} " in opened) is (of in sees), (who, of)
            assert ("not on this machine" in opened) is (of not in sees), (who, of)


def test_a_viewer_gets_no_figures_and_nobody_but_its_people_deletes(server: Server, audited: Path) -> None:
    place = server.home / "cases" / secrets.token_hex(16)
    shutil.copytree(audited, place)
    owner = {"owner": f"{server.issuer.url}#ann", "name": "Ann", "teams": ["Lending"], "signed": []}
    (place / "owner.json").write_text(json.dumps(owner))
    seen = {who: server.visitor(who).see("report", f"case={place.name}") for who in ("ann", "mia", "vic", "adm")}
    deletes = {who for who, text in seen.items() if "Delete this case and its data" in text}
    assert deletes == {"ann", "adm"}
    assert {who for who, text in seen.items() if "Who did what" in text} == {"adm"}
    acts = (server.home / "acts" / "entries.jsonl").read_text()
    assert '"act":"log"' in acts
    assert '"name":"Adm"' in acts
    assert {who for who, text in seen.items() if "Sign the report" in text} == {"ann"}
    digest = json.loads((place / "run" / "evidence.json").read_text())["data"]["sha256"][:12]
    assert {who for who, text in seen.items() if digest in text} == {"ann", "mia"}
    assert "This screen is not for your role" in server.visitor("vic").see("model", f"case={place.name}")


def test_a_login_that_has_ended_ends_in_an_open_window_too(server: Server) -> None:
    server.issuer.seconds = 4
    try:
        visitor = server.visitor("ann")
    finally:
        server.issuer.seconds = 3600
    ends = time.monotonic() + 4
    with visitor.open() as socket:
        assert "Signed in as Ann" in run(socket)
        time.sleep(max(0.0, ends - time.monotonic()))
        seen = run(socket)
        assert "Your sign-in has ended" in seen
        assert "Audit my data" not in seen
    assert visitor.get("/").status == 401
    assert "Your sign-in has ended" in visitor.get("/").text
    assert visitor.refused() in (401, 403)


def test_a_role_that_changes_holds_at_the_next_look(server: Server) -> None:
    """In an open window, at the next run; and for a request, at once. A file that cannot be used lets nobody in."""
    file = server.home / "people.toml"
    visitor = server.visitor("bob")
    try:
        with visitor.open() as socket:
            assert "Signed in as Bob (analyst)" in run(socket)
            file.write_text('[roles]\nanalyst = ["ann"]\nauditor = ["bob"]\n')
            assert "Signed in as Bob (auditor)" in run(socket)
            file.write_text('[roles]\nanalyst = ["ann"]\n')
            seen = run(socket)
            assert "Signed in as Bob (viewer)" in seen
            assert "Audit my data" not in seen
            file.write_text('out = ["bob"]\n')
            assert "Your sign-in has ended" in run(socket)
        assert visitor.get("/").status == 401
        assert server.visitor("ann").get("/").status == 200
        for unusable in ('out = "bob"\nrole = 1', "out = [", '[roles]\nking = ["ann"]\n'):
            file.write_text(unusable)
            assert server.visitor("ann").get("/").status == 401, unusable
    finally:
        file.write_text("")
    assert visitor.get("/").status == 200


@pytest.mark.parametrize(
    "change, said",
    [({"cookie_secret": "short"}, "auth.cookie_secret"),
     ({"redirect_uri": "http://a.example.org/oauth2callback"}, "https"),
     ({"server_metadata_url": "http://login.example.org/x"}, "server_metadata_url"),
     ({"redirect_uri": "https://assay.example.org/oauth2callback"}, "server.allowedHosts"),
     ({"client_id": ""}, "client_id")],
)  # fmt: skip
def test_settings_that_cannot_be_used_end_the_start_with_a_sentence(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    path = settings(tmp_path, 8501, Issuer("http://127.0.0.1:1"), **change)
    wrong = _wrong(path)
    assert any(said in w for w in wrong), wrong


def _wrong(path: Path) -> tuple[str, ...]:
    from screens.login import judged

    tables = tomllib.loads(path.read_text())
    options = {"server.allowedHosts": ["127.0.0.1", "localhost"], "secrets.files": [str(path)]}
    return judged(tables["auth"], tables["people"], options.get)[1]


def test_good_settings_are_taken_and_a_file_that_others_can_read_is_not(tmp_path: Path) -> None:
    path = settings(tmp_path, 8501, Issuer("http://127.0.0.1:1"))
    assert _wrong(path) == ()
    path.chmod(0o644)
    assert "others can read it" in _wrong(path)[0]


NOW = 1_800_000_000.0
CLAIMS = {"is_logged_in": True, "iss": "https://i", "sub": "s", "name": "N", "iat": NOW - 10, "exp": NOW + 60}


@pytest.mark.parametrize(
    "change, good",
    [({}, True), ({"exp": NOW}, False), ({"exp": NOW - 1}, False), ({"exp": None}, False), ({"exp": "later"}, False),
     ({"exp": True}, False), ({"exp": float("nan")}, False), ({"iat": None}, False), ({"exp": NOW + 9e9}, True),
     ({"exp": NOW + 9e9, "iat": NOW - 3601}, False), ({"sub": ""}, False), ({"sub": None}, False), ({"iss": 3}, False),
     ({"is_logged_in": "yes"}, False), ({"is_logged_in": False}, False)],
)  # fmt: skip
def test_a_login_holds_until_its_token_ends(
    change: dict[str, object], good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from screens.login import Logins

    monkeypatch.setattr(time, "time", lambda: NOW)
    assert (Logins("https://a", hours=1).person({**CLAIMS, **change}) is not None) is good


@pytest.mark.parametrize(
    "claims, roles, teams",
    [({"groups": ["risk"]}, ("analyst",), ()), ({"groups": "risk"}, ("analyst",), ()), ({}, ("viewer",), ()),
     ({"groups": ["Risk"]}, ("viewer",), ()), ({"groups": ["analyst"]}, ("viewer",), ()),
     ({"groups": 3}, ("viewer",), ()),
     ({"groups": [["risk"]]}, ("viewer",), ()), ({"groups": ["it", "risk"]}, ("analyst", "admin"), ()),
     ({"groups": ["lending"]}, ("viewer",), ("Lending",))],
)  # fmt: skip
def test_roles_come_from_the_claim_and_the_default_is_viewer(
    claims: dict[str, object], roles: tuple[str, ...], teams: tuple[str, ...]
) -> None:
    from screens.login import read

    mapped = {"analyst": ["risk"], "admin": ["it"]}
    auth = {"redirect_uri": "https://a/oauth2callback", "cookie_secret": "c" * 40, "client_id": "x",
            "client_secret": "x", "server_metadata_url": "https://i/x"}  # fmt: skip
    for path, inputs in (("groups", claims), ("realm_access.groups", {"realm_access": claims}),
                        ("https://a.b/groups", {"https://a.b/groups": claims.get("groups")})):  # fmt: skip
        logins, wrong = read(auth, {"claim": path, "roles": mapped, "teams": {"Lending": ["lending"]}})
        assert wrong == []
        who = logins.person({**CLAIMS, "iat": 1.0, "exp": 2.0, **inputs}, 1.5)
        assert who is not None
        assert who.roles == roles
        assert who.teams == teams
