#!/usr/bin/env bash
# docs/api.md, made from the docstrings of `assay` by griffe2md (ISC), which reads the source and imports nothing.
# It stands in an environment of its own; links that only its web theme would follow are taken out.
#
#   ASSAY_ENVIRONMENTS, PYTHON   as for scripts/environments.sh
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${ASSAY_ENVIRONMENTS:-${TMPDIR:-/tmp}/assay-environments}/api"
if [ ! -e "$folder/done" ]; then
    rm -rf "$folder"
    "${PYTHON:-python3}" -m venv "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "griffe2md==1.5.1" "griffelib==2.4.1" "black==25.1.0"
    touch "$folder/done"
fi
"$folder/bin/griffe2md" assay | "$folder/bin/python" -c '
import pathlib, re, sys
named = {}  # a default that is the name of a word -> the word, as the reader types it
for room in ("assay", "audit", "debias"):
    for path in pathlib.Path(room).rglob("*.py"):
        named |= dict(re.findall(r"^([A-Z_]+) = (\"\w+\")$", path.read_text(), re.M))
text = re.sub(r"\[([^\]\[]+)\]\(#[^)]*\)", r"\1", sys.stdin.read())
text = re.sub(r"(?<=: str = )[A-Z_]+", lambda m: named[m[0]], text)
text = re.sub(r"<code>(.*?)</code>", r"`\1`", text)
head = "# The facade `assay`\n\nMade from the source by `make api`; a test holds it to `assay.__all__`.\n\n"
print(head + re.sub(r"\n{3,}", "\n\n", text).strip())
' > docs/api.md.part
mv docs/api.md.part docs/api.md
