#!/usr/bin/env bash
# Make the virtual environment FOLDER with PYTHON, installing what Debian and Ubuntu split off from Python if need be.
# Usage: tools/make-venv.sh PYTHON FOLDER
set -euo pipefail

python=$1
folder=$2

if ! "${python}" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "${python} is not Python 3.11 or later; to use another one: make PYTHON=python3.12 ..." >&2
    exit 1
fi

if ! "${python}" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian's package is named after the version, so that it fits a second Python as well.
    package=$("${python}" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
    if [[ ${EUID} -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "${python} cannot make virtual environments: apt-get install ${package} (as root), then call make again" >&2
        exit 1
    fi
    echo "installing ${package}" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${package}" >/dev/null
fi

"${python}" -m venv "${folder}"
