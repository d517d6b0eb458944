#!/usr/bin/env bash
# Write constraints.txt, tests/checkov.txt and tests/oracle.txt anew: the newest versions that are allowed, with all that they pull in.
# Usage: tools/freeze-constraints.sh PYTHON      (the oldest Python that is supported: what it can use, later ones can)
set -euo pipefail

cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT

tools/make-venv.sh "$1" "${folder}/venv"
"${folder}/venv/bin/pip" install --quiet --disable-pip-version-check ".[test]"
{
    echo "# Every version that \`make setup\` installs. Written by tools/freeze-constraints.sh; why: docs/decisions/0004."
    "${folder}/venv/bin/pip" freeze --exclude devops-tasks
} >"${folder}/constraints.txt"
mv "${folder}/constraints.txt" constraints.txt

"${1}" -m venv "${folder}/checkov"
"${folder}/checkov/bin/pip" install --quiet --disable-pip-version-check checkov
{
    echo "# checkov and all that it pulls in. Written by tools/freeze-constraints.sh."
    "${folder}/checkov/bin/pip" freeze
} >"${folder}/checkov.txt"
mv "${folder}/checkov.txt" tests/checkov.txt

"${1}" -m venv "${folder}/oracle"
"${folder}/oracle/bin/pip" install --quiet --disable-pip-version-check pytest statsmodels
{
    echo "# statsmodels and all that it pulls in, for \`make oracle\`. Written by tools/freeze-constraints.sh."
    "${folder}/oracle/bin/pip" freeze
} >"${folder}/oracle.txt"
mv "${folder}/oracle.txt" tests/oracle.txt
