#!/usr/bin/env bash
# Install the real tools that only Debian's packages carry: promtool and prometheus, amtool and alertmanager.
# Only the tests need them. Without root this says what to install and fails.
set -euo pipefail

declare -A package_of=(
    [promtool]=prometheus
    [prometheus]=prometheus
    [amtool]=prometheus-alertmanager
    [prometheus-alertmanager]=prometheus-alertmanager
)

missing=()
for program in "${!package_of[@]}"; do
    command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "the tests need these packages: apt-get install --no-install-recommends ${missing[*]} (as root)" >&2
    exit 1
fi

# The packages start their daemons, which nobody asked for here: exit code 101 forbids it while we install.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi

echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
