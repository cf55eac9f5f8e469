#!/usr/bin/env bash
# Sets Assay up in .venv: `setup.sh run` for what the app needs, `setup.sh test` for the test tools as well.
# Does nothing, fast, when all is there. An interrupted set-up is noticed and begun again.
# ASSAY_NO_APT=1 never calls apt; PYTHON=/path chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-run}
venv=.venv
py=$venv/bin/python
unfinished=$venv/.assay-unfinished

say() { printf '%s\n' "assay set-up: $*" >&2; }
die() {
  printf 'assay set-up: %s\n' "$@" >&2
  exit 2
}

case $what in
  run) requirements=requirements.txt ;;
  test) requirements=requirements/test.txt ;;
  *) die "unknown set-up '$what'. Expected: run or test." ;;
esac

# What WeasyPrint loads for PDFs, with a font; and for the tests a browser, two PDF tools and a database.
run_packages=(libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core libgomp1)
test_packages=(chromium poppler-utils qpdf postgresql softhsm2)
packages=("${run_packages[@]}")
[ "$what" = test ] && packages+=("${test_packages[@]}")

# ---------------------------------------------------------------------------------------------------------- the stamp
# A stamp says which requirements, which set-up and which system packages the environment was made with.
want=$(cat requirements/build.txt "$requirements" scripts/setup.sh | sha256sum | cut -d' ' -f1)
stamp=$venv/.assay-$what
if [ -x "$py" ] && [ ! -e "$unfinished" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && [ -x $venv/bin/assay ] &&
  "$py" -c '' 2>/dev/null; then
  exit 0
fi

# One set-up at a time in this folder.
exec 9>.setup.lock
if command -v flock >/dev/null; then
  flock -n 9 || { say "another set-up is running in this folder; waiting for it" && flock 9; }
fi

# --------------------------------------------------------------------------------------------------------- the python
usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
tested() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; }
find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    tested "$candidate" && echo "$candidate" && return
  done
  usable python3 && echo python3
}
if [ -n "${PYTHON:-}" ]; then
  usable "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer that runs."
  python=$PYTHON
else
  python=$(find_python || true)
fi

# ------------------------------------------------------------------------------------- what the system has to provide
missing=()
if [ -z "$python" ]; then
  missing+=(python3 python3-venv)
elif [ ! -x "$py" ] && ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
  # Debian splits ensurepip out of Python; the package is named after the version.
  missing+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
fi
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do
    if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
      # Debian 13 and later carry some libraries under a name with t64 at the end.
      [ "$(dpkg-query -W -f='${db:Status-Status}' "${package}t64" 2>/dev/null)" = installed ] || missing+=("$package")
    fi
  done
fi

if [ ${#missing[@]} -gt 0 ]; then
  install=(apt-get install -y --no-install-recommends "${missing[@]}")
  as_root=none
  if command -v apt-get >/dev/null && [ -z "${ASSAY_NO_APT:-}" ]; then
    if [ "$(id -u)" = 0 ]; then
      as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root="sudo -n"
    fi
  fi
  ask=(
    "these system packages are missing: ${missing[*]}"
    "run this line, then the same make command again:"
    "    sudo apt-get update && sudo ${install[*]}"
  )
  [ "$as_root" = none ] && die "${ask[@]}"
  say "installing system packages: ${missing[*]}"
  apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1; }
  log=$(mktemp)
  if ! apt "${install[@]:1}"; then
    { apt update && apt "${install[@]:1}"; } || {
      tail -n 5 "$log" >&2
      die "apt could not install them (its whole output: $log)." "${ask[@]}"
    }
  fi
  rm -f "$log"
  if [ -z "$python" ]; then
    python=$(find_python) || die "Python 3.11 or newer is needed; this system's is older." \
      "Install a newer Python, then: make PYTHON=/path/to/python3.11 $what"
  fi
fi

# ---------------------------------------------------------------------------------------------------- the environment
# A half-made environment, one left by another machine, or one whose Python is gone, is made anew. pip keeps its
# downloads, so that is quick.
if [ -e "$venv" ] && { [ -e "$unfinished" ] || ! usable "$py" || ! "$py" -m pip --version >/dev/null 2>&1; }; then
  say "the environment in $venv is incomplete; making it anew"
  rm -rf "$venv"
fi
if [ ! -e "$venv" ]; then
  say "making $venv with $("$python" --version)"
  mkdir "$venv"
  touch "$unfinished"
  "$python" -m venv "$venv" || die "Python could not make an environment in $venv (see above)."
fi
touch "$unfinished"

pip=("$py" -m pip --no-input --disable-pip-version-check --quiet)
keep=(--require-hashes --no-compile) # compiling every module is a quarter of a gigabyte that nobody loads
say "installing Python packages (about a minute the first time)"
# The one package without a wheel is built with pinned tools too, not with whatever is newest today.
"${pip[@]}" install "${keep[@]}" --only-binary :all: -r requirements/build.txt &&
  "${pip[@]}" install "${keep[@]}" --no-build-isolation --use-pep517 --prefer-binary -r "$requirements" ||
  die "pip could not install $requirements (see above). With no network, nothing can be set up; otherwise run the same make command again."

# Relative to itself: works from any folder, after the folder was moved, and with spaces in its path.
cat >"$venv/bin/assay.new" <<'LAUNCHER'
#!/bin/sh
bin=$(dirname "$(readlink -f "$0")")
exec "$bin/python" "$bin/../../scripts/assay.py" "$@"
LAUNCHER
chmod +x "$venv/bin/assay.new"
mv "$venv/bin/assay.new" "$venv/bin/assay"

env -u PYTHONDONTWRITEBYTECODE "$py" -c 'import weasyprint' 2>/dev/null || die "WeasyPrint cannot load the libraries it draws PDFs with." \
  "On Debian: sudo apt-get install ${run_packages[*]}" "Elsewhere: install Pango 1.44 or newer with your package manager."
# Load once what a user will load, so that the compiled modules are on disk before anyone waits for them.
env -u PYTHONDONTWRITEBYTECODE "$py" -W ignore scripts/warm.py || die "an installed package does not load (see above)." \
  "Remove the folder $venv and run the same make command again."

printf '%s\n' "$want" >"$stamp"
if [ "$what" = test ]; then
  cat requirements/build.txt requirements.txt scripts/setup.sh | sha256sum | cut -d' ' -f1 >"$venv/.assay-run"
fi
rm -f "$unfinished"
say "done"
