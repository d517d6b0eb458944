#!/usr/bin/env bash
# Install Grafana's types and the compiler that reads them into a folder, where Node is at hand: install-grafana-types.sh FOLDER
# Without Node or a registry this says so, and so does the test that they are for; nothing else needs them.
set -euo pipefail

folder=$1
mkdir -p "${folder}"
cp tests/grafana/package*.json "${folder}/"
if command -v npm >/dev/null && npm ci --prefix "${folder}" --ignore-scripts --no-audit --no-fund --silent; then
    touch "${folder}/.ready"
else
    echo "no types of Grafana: dashboards are not checked against them (npm is missing, or reaches no registry)" >&2
fi
