"""The house rules of docs/decisions/0001, checked on the syntax trees and on the files as they are."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# audit <- debias <- reports <- screens <- app.py, cli.py, assay/: a room may import what stands before it, and itself.
ROOMS = ("audit", "debias", "reports", "screens", "doors")
DOORS = ("app", "cli", "assay")
PACKAGES = ROOMS[:-1]

# Seconds of start-up each: imported where they are used, never when the app or a command starts.
HEAVY = {"shap", "lime", "numba", "lightgbm", "xgboost", "matplotlib", "weasyprint", "sklearn", "fairlearn", "optuna"}

# Modules that fetch. A model behind an endpoint and a webhook for alerts, both named by the user, may be called.
FETCHERS = {"requests", "httpx", "aiohttp", "urllib.request", "urllib3", "http.client", "ftplib", "smtplib", "xmlrpc"}
MAY_FETCH = {"audit/models/served/client.py", "debias/loop/alerts.py"}

# Names of formats that look like addresses and are never asked for.
IDENTIFIERS = {
    "www.w3.org": "XML, SVG, XHTML and RDF namespaces",
    "ns.adobe.com": "XMP namespaces",
    "purl.org": "Dublin Core namespace",
    "www.aiim.org": "PDF/A and PDF/UA identification namespaces",
    "iso.org": "PDF 2.0 namespace",
    "in-toto.io": "statement and predicate types",
    "slsa.dev": "predicate types",
    "cyclonedx.org": "schema name of the bill of materials",
    "json.schemastore.org": "schema name of SARIF",
    "json-schema.org": "name of the version of JSON Schema",
    "openlineage.io": "schema names of run events",
}


def sources() -> dict[str, Path]:
    """Our modules, dotted name -> file."""
    files = [path for package in (*PACKAGES, "assay") for path in sorted((ROOT / package).rglob("*.py"))]
    files += [ROOT / f"{door}.py" for door in DOORS if (ROOT / f"{door}.py").exists()]
    out = {}
    for path in files:
        parts = path.relative_to(ROOT).with_suffix("").parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


MODULES = sources()


@pytest.fixture(scope="module", autouse=True)
def trees_go() -> Iterator[None]:
    """The syntax of every file is let go at the end of a file of tests."""
    yield
    tree_of.cache_clear()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """A file's syntax, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(module: str, *, start_only: bool = False) -> tuple[tuple[int, str], ...]:
    """(line, dotted name) of what a module imports; with `start_only`, of what runs when it is itself imported."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(nodes: list[ast.stmt]) -> Iterator[tuple[int, str]]:
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    up = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*up, base] if base else up)
                yield node.lineno, base
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
            elif start_only and (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
            ):
                continue
            else:
                yield from (
                    visit([child for child in ast.walk(node) if child is not node and _is_import(child)])
                    if (not start_only)
                    else visit([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])
                )

    return tuple(visit(tree_of(path).body))


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def room(name: str) -> int | None:
    """A module's place in ROOMS, or None for a foreign one."""
    top = name.split(".")[0]
    return len(ROOMS) - 1 if top in DOORS else ROOMS.index(top) if top in PACKAGES else None


def text_files() -> list[Path]:
    """The text files of the repository, as git lists them (or, in a copy without git, as they lie there)."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        files = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        files = [p for p in ROOT.rglob("*") if not {".venv", ".git", "__pycache__"} & set(p.relative_to(ROOT).parts)]
    binary = {".parquet", ".skops", ".png", ".jpg", ".pdf", ".p12", ".ttf", ".woff2", ".gz", ".feather", ".ico", ".icc"}
    return [path for path in files if path.is_file() and path.suffix not in binary]


def test_the_walk_sees_the_house() -> None:
    assert {"audit", "audit.errors", "debias", "reports", "screens"} <= set(MODULES)
    seen = {name for _, name in imports("audit.case")}
    assert "audit.policy" in seen
    assert "pathlib.Path" in seen


def test_imports_go_one_way() -> None:
    backwards, screens = [], []
    for module in sorted(MODULES):
        own = room(module)
        assert own is not None
        for line, name in imports(module):
            other = room(name)
            if other is not None and other > own:
                backwards.append(f"{module}:{line} imports {name}")
            if name.split(".")[0] == "streamlit" and ROOMS[own] != "screens" and module != "app":
                screens.append(f"{module}:{line} imports {name}")
    assert not backwards, "arrows backwards"
    assert not screens, "only screens/ and app.py import streamlit"


@functools.cache
def edges() -> dict[str, set[str]]:
    """Who imports whom of ours, lazy imports and those for types counted. `from package import module` is an edge to
    the module alone: that a package is run before what is in it is so for every import."""
    out: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        names: set[str] = set()
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*up, *filter(None, [node.module])])
                inner = {f"{base}.{alias.name}" for alias in node.names}
                names |= inner if inner <= MODULES.keys() else inner | {base}
        out[module] = (names & MODULES.keys()) - {module}
    return out


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972)."""
    at: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out = []

    def visit(module: str) -> None:
        at[module] = low[module] = len(at)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in at:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == at[module]:
            result = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(result) > 1:
                out.append(sorted(result))

    for module in graph:
        if module not in at:
            visit(module)
    return out


def test_no_module_imports_itself_by_way_of_another() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]
    graph = edges()
    assert "audit.models.skops_model" in graph["audit.models.child"], "lazy imports are counted"
    assert not circles(graph)


# The rooms of reports from the ground up: what is parsed and shared, what makes pages, what logs, what verifies, the
# doors that do the whole of a job. A room imports what stands on its own floor or below.
FLOORS = (
    {
        "about", "attest", "blocks", "chart_pareto", "chart_sequence", "charts", "compare", "conditions", "decision",
        "document",
        "extra", "fit", "glyphs", "inline", "keys", "known", "letter", "machine", "manifest", "pdf", "presets",
        "render", "reports", "sections", "series", "series_counts", "setting", "sign", "signature", "signing_key",
        "stamp", "token", "typesetter", "undrawn", "words", "xmp",
    },
    {"log"},
    {"register", "verify", "attest.check"},
    {
        "approve", "archive", "demo", "draft", "earlier", "forget", "issue", "issued", "loop_decision", "loop_log",
        "outward", "purge", "rerun", "log.record",
    },
)  # fmt: skip


def test_reports_are_made_logged_and_verified_apart() -> None:
    def floor(module: str) -> int:
        parts = module.split(".")[1:] or ["reports"]
        names = [".".join(parts[:2]), parts[0]]
        return next(i for name in names for i, rooms in enumerate(FLOORS) if name in rooms)

    upwards = [
        f"{module} imports {other}"
        for module, others in edges().items()
        if module.split(".")[0] == "reports" and module != "reports.check_offline.check"
        for other in others
        if other.split(".")[0] == "reports" and floor(other) > floor(module)
    ]
    assert not upwards


def test_nothing_fetches() -> None:
    items = [
        f"{module}:{line} imports {name}"
        for module, path in sorted(MODULES.items())
        if path.relative_to(ROOT).as_posix() not in MAY_FETCH
        for line, name in imports(module)
        if {name, name.split(".")[0]} & FETCHERS
    ]
    assert not items


def reached(start: list[str]) -> dict[str, str]:
    """Every foreign top-level name that importing `start` imports, with the module of ours that does it."""
    todo, seen, foreign = list(start), set(start), {}
    while todo:
        module = todo.pop()
        parents = [module.rsplit(".", up)[0] for up in range(1, module.count(".") + 1)]
        for _, name in [*imports(module, start_only=True), *((0, parent) for parent in parents)]:
            if name in MODULES and name not in seen:
                seen.add(name)
                todo.append(name)
            elif room(name) is None:
                foreign.setdefault(name.split(".")[0], module)
    return foreign


def test_nothing_heavy_at_start() -> None:
    start = [name for name in MODULES if name in ("app", "cli") or name.startswith("screens")]
    heavy = {name: module for name, module in reached(start).items() if name in HEAVY}
    assert not heavy, f"imported at start (package: by which module): {heavy}"


def test_nothing_heavy_in_the_command_line_process() -> None:
    code = "import sys, cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "audit" in loaded
    assert not loaded & (HEAVY | {"streamlit"})


def spoken(path: Path) -> str:
    """A file's text; of Python only what it can act on: its strings without comments and docstrings, which may cite."""
    if path.suffix != ".py":
        return path.read_text(encoding="utf-8")
    tree = tree_of(path)
    cited = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in cited)
    return "\n".join(str(node.value) for node in constants if isinstance(node.value, str | bytes))


HOST = re.compile(r"(?:https?:|url\(['\"]?)//([A-Za-z0-9.-]+)")


def foreign_hosts(text: str) -> list[str]:
    """Hosts that a text names and that are neither this machine, nor kept for examples (RFC 2606), nor identifiers."""
    out = []
    for host in (result.rstrip(".") for result in HOST.findall(text)):
        local = "." not in host or host == "127.0.0.1" or host.endswith((".example", "example.com", ".invalid"))
        if not local and not any(host == name or host.endswith("." + name) for name in IDENTIFIERS):
            out.append(host)
    return out


def test_no_file_names_a_foreign_host_to_fetch_from() -> None:
    assert foreign_hosts("@import url(//fonts.host.com/a.css); <script src='https://cdn.host.org/x.js'>") == [
        "fonts.host.com",
        "cdn.host.org",
    ]
    runs = {".py", ".html", ".css", ".js", ".svg", ".j2", ".jinja", ".toml", ".sh", ".xml"}
    files = [path for path in text_files() if path.suffix in runs and "tests" not in path.relative_to(ROOT).parts]
    assert len(files) > 20
    named = {path.relative_to(ROOT).as_posix(): foreign_hosts(spoken(path)) for path in files}
    assert not {path: hosts for path, hosts in named.items() if hosts}


def test_no_path_of_one_machine() -> None:
    here = Path(__file__)
    for path in text_files():
        if path == here:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for prefix in ("/work/main", "/work/shared", "/work/.", "/root/"):
            assert prefix not in text, f"{path.relative_to(ROOT)} holds {prefix}, a path of one machine"


def pins(name: str) -> dict[str, list[str]]:
    """`package; marker` -> [version, hash, ...] of a compiled requirements file."""
    out: dict[str, list[str]] = {}
    for entry in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
        if entry.strip() and not entry.startswith("#"):
            head, *hashes = entry.split("--hash=")
            package, _, rest = head.partition("==")
            version, _, marker = rest.partition(";")
            out[f"{package.strip()}; {marker.strip()}"] = [version.strip(), *sorted(value.strip() for value in hashes)]
    return out


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", *(f"requirements/{n}.txt" for n in ("build", "extra", "login", "sealed", "spark", "test"))],
)
def test_requirements_are_pinned_with_hashes_and_name_no_host(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()
    for package, (version, *hashes) in pins(name).items():
        assert re.fullmatch(r"[0-9][0-9A-Za-z.+!-]*", version), package
        assert hashes, package
        assert all(value.startswith("sha256:") for value in hashes), package


def test_tests_run_on_what_a_user_gets() -> None:
    test = pins("requirements/test.txt")
    for name in ("requirements.txt", "requirements/extra.txt"):
        for package, pin in pins(name).items():
            # What only one platform needs there may be needed by all here.
            assert test.get(package, test.get(f"{package.partition(';')[0]}; ")) == pin, package


def test_every_requirement_asked_for_is_pinned() -> None:
    for source in ("run", "test", "extra", "build"):
        asked = [line.strip() for line in (ROOT / "requirements" / f"{source}.in").read_text().splitlines()]
        names = {re.split(r"[<>=~! ]", line)[0].lower() for line in asked if line and line[0] not in "#-"}
        pinned = {
            name.split(";")[0].lower()
            for name in pins("requirements.txt" if source == "run" else f"requirements/{source}.txt")
        }
        assert names <= pinned, names - pinned


def test_the_top_level_shows_the_product() -> None:
    """What stands there is named, one by one, in README's last section but one."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    readme = (ROOT / "README.md").read_text().split("## Where things are")[1]
    unnamed = [t for t in sorted(tops) if not t.startswith(".") and t not in readme]
    assert not unnamed, f"README's 'Where things are' does not name {unnamed}"


def test_make_targets_that_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert {"run", "test", "check", "lock", "demo", "clean"} <= targets
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "sample_data" / "README.md"]
    for path in documents:
        for name in re.findall(r"`make ([a-z-]+)", path.read_text()):
            assert name in targets, f"{path.name} names `make {name}`"
    ci = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make test$", ci, flags=re.MULTILINE)


def test_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())


def test_every_streamlit_setting_exists() -> None:
    from streamlit import config

    def named(at: str, options: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in options.items():
            if isinstance(value, dict):
                yield from named(f"{at}{key}.", value)
            else:
                yield f"{at}{key}", value

    for name, value in named("", CONFIG):
        option = config.get_config_options().get(name)
        assert option is not None, f"Streamlit has no option {name}"
        assert not option.deprecated, f"{name} is deprecated"
        assert value is not None


def test_streamlit_is_closed_to_the_outside() -> None:
    assert CONFIG["browser"]["gatherUsageStats"] is False
    assert CONFIG["client"]["showErrorDetails"] == "none"
    server = CONFIG["server"]
    assert server["address"] == "127.0.0.1"
    assert set(server["allowedHosts"]) == {"127.0.0.1", "localhost"}
    assert server["enableCORS"] is True
    assert server["enableXsrfProtection"] is True
    assert server["enableStaticServing"] is False


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2: 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("text", ["textColor", "linkColor", "codeTextColor", "grayTextColor"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor", "codeBackgroundColor"])
def test_text_is_legible(scheme: str, text: str, ground: str) -> None:
    theme = CONFIG["theme"][scheme]
    assert contrast(theme[text], theme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_button_is_legible_and_seen(scheme: str) -> None:
    theme = CONFIG["theme"][scheme]
    assert contrast("#ffffff", theme["primaryColor"]) >= 4.5
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3.0


def test_tests_that_documents_name_exist() -> None:
    named = [
        (page.name, path, test)
        for page in (ROOT / "docs").rglob("*.md")
        for path, test in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text())
    ]
    assert len(named) >= 17
    for page, path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text(), f"{page}: {path}::{test}"


def test_what_the_first_decision_names_exists() -> None:
    """Each file or folder of its tables, and each function that it shows with arguments, in that very place."""
    page = (ROOT / "docs" / "decisions" / "0001-rooms-and-seams.md").read_text()
    audit = page.partition("## audit/")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| (.+) \|$", audit, flags=re.MULTILINE)
    assert len(rows) > 15
    for places, inputs in rows:
        files = [ROOT / "audit" / name for name in re.findall(r"`([\w./]+)`", places)]
        sources = [p for f in files for p in (f.rglob("*.py") if f.is_dir() else [f])]
        code = "\n".join(p.read_text() for p in sources)
        for name in re.findall(r"`(\w+)\(", inputs):
            assert re.search(rf"^(?:def|class) {name}\b", code, flags=re.MULTILINE), f"{places}: {name}"
    rest = page.partition("## debias/")[2].partition("## The run folder")[0]
    for name in re.findall(r"`(\w+(?:/|\.py))`", rest):
        assert any((ROOT / room / name).exists() for room in ("", "debias", "reports", "assay")), name


def outsiders(source: str) -> list[str]:
    """Rooms that a script imports at its head before the project's folder is put on the path."""
    result, ready = [], False
    for node in ast.parse(source).body:
        ready |= "sys.path" in ast.unparse(node) and isinstance(node, ast.Expr | ast.Assign)
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        result += [n for n in names if not ready and n.split(".")[0] in {*ROOMS, *DOORS}]
    inner = any(
        isinstance(n, ast.ImportFrom) and (n.module or "").split(".")[0] in ROOMS for n in ast.walk(ast.parse(source))
    )
    return result or (["inside a function"] if inner and not ready else [])


def test_a_measurement_runs_from_any_folder() -> None:
    """`python bench/NAME.py` has bench/ on its path, and not the project."""
    assert outsiders("import sys\nfrom audit.load import x\nsys.path.insert(0, '.')\n") == ["audit.load"]
    assert outsiders("def f():\n    from debias.run import x\n") == ["inside a function"]
    scripts = [p for p in (ROOT / "bench").glob("*.py") if "__main__" in p.read_text()]
    assert len(scripts) > 10
    assert {p.name: o for p in scripts if (o := outsiders(p.read_text()))} == {}


def test_what_a_measurement_imports_is_there() -> None:
    """Names of the rooms, which move: nobody runs a bench each day."""
    lost = []
    for script in sorted((ROOT / "bench").glob("*.py")):
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] not in {*PACKAGES, "bench"}:
                continue
            held = (ROOT / f"{str(node.module).replace('.', '/')}.py", ROOT / str(node.module).replace(".", "/"))
            own = next((p if p.is_file() else p / "__init__.py" for p in held if p.exists()), None)
            text = "" if own is None or not own.exists() else own.read_text(encoding="utf-8")
            lost += [
                f"{script.name}: {node.module}.{a.name}"
                for a in node.names
                if not re.search(rf"\b{a.name}\b", text) and not (held[1] / f"{a.name}.py").exists()
                and not (held[1] / a.name).is_dir()
            ]  # fmt: skip
    assert lost == []


def test_each_change_that_nobody_could_see_is_one_of_the_code_as_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """scripts/mutants.toml: a row of a function that was renamed leaves nothing out."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import mutants

    rows = tomllib.loads((ROOT / "scripts" / "mutants.toml").read_text(encoding="utf-8"))["equivalent"]
    mapping = {f: mutants.mutants_of(ROOT / f) for f in {r["file"] for r in rows}}
    stale = [r for r in rows if not any(mutants.is_equivalent(m, [r]) for m in mapping[r["file"]])]
    assert not stale
