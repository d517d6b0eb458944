#!/usr/bin/env bash
# Ask one colour of every public service whether it lives and is ready, whoever the route sends traffic to.
# It goes through the API server to a pod of that colour, so neither DNS nor the load balancer can answer for it.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... smoke-test.sh blue|green

environment  DEADLINE (seconds for each step, 120)
USAGE
}

log() {
    TZ=UTC printf '%(%Y-%m-%dT%H:%M:%SZ)T %s\n' -1 "$*" >&2
}

die() {
    log "error: $*"
    exit 1
}

need() {
    local name
    for name in "$@"; do
        command -v "${name}" >/dev/null || die "the command ${name} is not installed"
    done
}

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
    usage
    exit 0
fi
readonly COLOUR="${1:-}"
[[ "${COLOUR}" == blue || "${COLOUR}" == green ]] || die "say which colour: blue or green"
: "${KUBE_CONTEXT:?name the cluster, as kubectl config get-contexts lists it}"
: "${NAMESPACE:?name the namespace, saved-reports in production}"
kube=(kubectl --context "${KUBE_CONTEXT}" --namespace "${NAMESPACE}" --request-timeout "${REQUEST_TIMEOUT:-20s}")
readonly DEADLINE="${DEADLINE:-120}"
need kubectl cat curl mktemp rm sleep

rolled_out() {
    "${kube[@]}" --request-timeout "${DEADLINE}s" rollout status "deployment/$1" --timeout "${DEADLINE}s"
}

tunnel=""
scratch="$(mktemp -d)"
close_tunnel() {
    if [[ -n "${tunnel}" ]]; then
        kill "${tunnel}" 2>/dev/null || true
        wait "${tunnel}" 2>/dev/null || true
    fi
    tunnel=""
}
trap 'close_tunnel; rm -rf "${scratch}"' EXIT

# Forward a free local port to a pod of the Deployment, and put its number into $local_port.
open_tunnel() {
    local until=$((SECONDS + DEADLINE)) line
    local_port=""
    : >"${scratch}/tunnel"
    "${kube[@]}" port-forward "deployment/$1" ":$2" >"${scratch}/tunnel" 2>&1 &
    tunnel=$!
    while [[ -z "${local_port}" ]]; do
        while read -r line; do
            [[ "${line}" =~ ^"Forwarding from 127.0.0.1:"([0-9]+) ]] && local_port="${BASH_REMATCH[1]}"
        done <"${scratch}/tunnel"
        kill -0 "${tunnel}" 2>/dev/null || die "no way to $1: $(<"${scratch}/tunnel")"
        ((SECONDS < until)) || die "no way to $1 within ${DEADLINE} s"
        sleep 0.2
    done
}

ask() {
    local service="$1" port="$2" path
    shift 2
    rolled_out "${service}-${COLOUR}"
    open_tunnel "${service}-${COLOUR}" "${port}"
    for path in "$@"; do
        curl --silent --show-error --fail --output /dev/null --max-time 5 --retry 5 --retry-delay 2 --retry-connrefused \
            --retry-max-time "${DEADLINE}" "http://127.0.0.1:${local_port}${path}" ||
            die "${service}-${COLOUR} does not answer on ${path}"
        log "${service}-${COLOUR} answers on ${path}"
    done
    close_tunnel
}

ask saved-reports-api 3000 /healthz /readyz
