#!/usr/bin/env bash
# Install checkov into an environment of its own, since it pins a hundred packages that ours has newer:
# install-checkov.sh PYTHON FOLDER
set -euo pipefail

python=$1
folder=$2
tools/make-venv.sh "${python}" "${folder}"
"${folder}/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/checkov.txt
