#!/usr/bin/env bash
# Install the real tools that only Debian's packages carry: promtool and prometheus, amtool and alertmanager, a
# PostgreSQL server, what the bundle's scripts call, curl and jq, patch, which reads our diffs, and the shells zsh and fish,
# which complete our commands. Node comes from there too, where none is at hand.
# Only the tests need them. Without root this says what to install and fails.
set -euo pipefail

missing=()
if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
    missing+=(prometheus)
fi
if ! command -v amtool >/dev/null || ! command -v prometheus-alertmanager >/dev/null; then
    missing+=(prometheus-alertmanager)
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    missing+=(nodejs npm)
fi
if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
    missing+=(postgresql)
fi
for name in curl jq patch zsh fish; do
    if ! command -v "${name}" >/dev/null; then
        missing+=("${name}")
    fi
done
if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi

if [[ ${EUID} -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "the tests need these packages: apt-get install --no-install-recommends ${missing[*]} (as root)" >&2
    exit 1
fi

# The packages start their daemons, which nobody asked for here: exit code 101 forbids it while we install.
policy=/usr/sbin/policy-rc.d
if [[ ! -e ${policy} ]]; then
    trap 'rm -f "${policy}"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"${policy}"
    chmod +x "${policy}"
fi

echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
