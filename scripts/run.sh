#!/usr/bin/env bash
# `make run`: set up what is missing, then serve the app on 127.0.0.1. `run.sh [PORT]`.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${1:-8501}
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1024 ] || [ "$port" -gt 65535 ]; then
  echo "assay: PORT=$port cannot be used. Expected a number from 1024 to 65535, for example: make run PORT=8502" >&2
  exit 2
fi

# bash opens a connection: when something answers, the port is taken.
busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
if busy "$port"; then
  free=$((port + 1))
  while busy "$free" && [ "$free" -lt 65535 ]; do free=$((free + 1)); done
  echo "assay: port $port on 127.0.0.1 is already in use (another Assay?). Choose another: make run PORT=$free" >&2
  exit 2
fi

bash scripts/setup.sh run
echo "assay: serving on http://127.0.0.1:$port (Ctrl+C stops it)" >&2
exec .venv/bin/python -m streamlit run app.py --server.port "$port" --browser.serverPort "$port"
