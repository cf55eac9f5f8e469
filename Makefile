# Assay. `make run` serves the app; `make test` runs the tests; both set everything up themselves the first time.
#
#   make run [PORT=8501]     set up what is missing, then serve on 127.0.0.1
#   make demo                the whole main job on the sample data, at the command line
#   make test                set up the test tools too, then run every test
#   make test-environments   models in interpreters and versions of their own, servers, orchestrators (makes them the first time)
#   make test-other-versions  the part of it that CI runs: models of other versions
#   make check               format, lint, types and tests: what a change must pass
#   make quick               lint and the tests of the counting core, for the loop while writing
#   make mutants [ROOM=audit/stats] [N=40] [SEED=0]   change lines one at a time; which changes does no test notice?
#   make format              rewrite the source as `make check` wants it
#   make examples            fill every form of law and custom with invented answers: docs/presets/*.md and *.pdf
#   make samples             train the sample models and write the sample files again
#   make extra               install what reads XGBoost and ONNX models too
#   make login              install what logins need (docs/people.md); off until they are configured
#   make spark              install what tables in Spark need (docs/scale.md)
#   make lakes               install what tables of Delta Lake and Apache Iceberg need (docs/scale.md)
#   make sealed             install what cases encrypted at rest need (docs/security.md); off until configured
#   make api                 docs/api.md anew from the facade's docstrings (fetches its generator the first time)
#   make other-versions      reports that other WeasyPrints have set, verified with this one (fetches them)
#   make lock [UPGRADE=--upgrade]  compile the requirements anew (needs uv)
#   make clean               remove caches and build output; nothing that a person made
#   PYTHON=/path/to/python   choose the interpreter for the set-up (3.11 or newer)

PORT ?= 8501
WORKERS ?= 3
PY := .venv/bin/python
CODE := assay audit debias reports screens sample_data scripts bench tests $(wildcard app.py cli.py)
UPGRADE :=
LOCK = uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-header

export PYTHONDONTWRITEBYTECODE =

.PHONY: help run setup setup-test demo test test-environments test-other-versions check quick mutants lint types \
	format examples samples extra login sealed spark lakes api other-versions \
	lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

run:
	@bash scripts/run.sh "$(PORT)"

setup:
	@bash scripts/setup.sh run

setup-test:
	@bash scripts/setup.sh test

demo: setup
	@.venv/bin/assay demo --out out/demo

test: setup-test
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-environments: setup-test
	@bash scripts/environments.sh
	@$(PY) -m pytest -m environments -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-other-versions: setup-test
	@bash scripts/environments.sh sklearn-1.3 sklearn-1.6 keras >/dev/null
	@$(PY) -m pytest -m environments -n $(WORKERS) --dist loadfile --no-loadscope-reorder tests/audit/models $(ARGS)

lint: setup-test
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m ruff check $(CODE)

types: setup-test
	$(PY) -m mypy --strict audit debias reports

check: lint types test

# The rooms that everything rests on; no process, no browser, no PDF.
QUICK := tests/test_house.py tests/test_house_counts.py tests/test_house_nouns.py tests/audit/test_cube.py tests/audit/test_gaps.py tests/audit/test_measure.py tests/audit/test_impact.py \
	tests/audit/stats tests/audit/load/test_propose.py tests/debias/test_weights.py
quick: lint
	@$(PY) -m pytest -q -x -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(QUICK) $(ARGS)

ROOM :=
N := 40
SEED := 0
mutants: setup-test
	@$(PY) scripts/mutants.py --number $(N) --seed $(SEED) $(ROOM)

format: setup-test
	$(PY) -m ruff format $(CODE)
	$(PY) -m ruff check --fix $(CODE)

examples: setup
	$(PY) scripts/preset_examples.py

samples: setup
	$(PY) sample_data/make.py
	$(PY) sample_data/replays/make.py

extra: setup
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/extra.txt

login: setup
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/login.txt

spark: setup
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/spark.txt

lakes: setup
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/lakes.txt

sealed: setup
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-compile -r requirements/sealed.txt

api:
	@bash scripts/api.sh

other-versions: setup
	@$(PY) bench/other_versions.py

# The extras and the test tools are compiled under the run-time pins: the tests run on what a user gets.
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv; install it, for example with: pipx install uv" >&2; exit 2; }
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) requirements/run.in -o requirements.txt
	$(LOCK) -c requirements.txt requirements/extra.in -o requirements/extra.txt
	$(LOCK) -c requirements.txt requirements/login.in -o requirements/login.txt
	$(LOCK) -c requirements.txt requirements/spark.in -o requirements/spark.txt
	$(LOCK) -c requirements.txt requirements/lakes.in -o requirements/lakes.txt
	$(LOCK) -c requirements.txt requirements/sealed.in -o requirements/sealed.txt
	$(LOCK) -c requirements.txt -c requirements/extra.txt -c requirements/login.txt -c requirements/sealed.txt requirements/test.in -o requirements/test.txt

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis out build
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
