#!/usr/bin/env bash
# Send all traffic back to blue, at once, for every public service.
# Refuses while blue has no ready pod; what failed stays on green for whoever looks into it.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... rollback.sh [--yes] [--dry-run]

--yes        do not ask (needed off a terminal)
--dry-run    check and say what would be done, change nothing
environment  DEADLINE (seconds to wait for pods, 120), NOTIFY_URL (a chat's webhook)
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

YES=false
DRY_RUN=false
arguments=()
for argument in "$@"; do
    case "${argument}" in
    --yes) YES=true ;;
    --dry-run) DRY_RUN=true ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) die "unknown option ${argument}; try --help" ;;
    *) arguments+=("${argument}") ;;
    esac
done

: "${KUBE_CONTEXT:?name the cluster, as kubectl config get-contexts lists it}"
: "${NAMESPACE:?name the namespace, checkout in production}"
kube=(kubectl --context "${KUBE_CONTEXT}" --namespace "${NAMESPACE}" --request-timeout "${REQUEST_TIMEOUT:-20s}")
readonly DEADLINE="${DEADLINE:-120}"
need kubectl cat sleep sort wc
[[ -z "${NOTIFY_URL:-}" ]] || need curl

confirm() {
    local answer
    if [[ "${DRY_RUN}" == true ]]; then
        log "dry run: nothing was changed"
        exit 0
    fi
    [[ "${YES}" == false ]] || return 0
    [[ -t 0 ]] || die "no terminal to ask on: nothing was changed; add --yes"
    read -r -p "Go on? [y/N] " answer
    [[ "${answer}" == [yY]* ]] || die "stopped by you: nothing was changed"
}

# Tell a chat's webhook, where NOTIFY_URL names one; that it cannot be told never changes what this script returns.
notify() {
    log "$1"
    [[ -n "${NOTIFY_URL:-}" ]] || return 0
    curl --silent --show-error --fail --max-time 10 --output /dev/null --header 'Content-Type: application/json' \
        --data "{\"text\": \"$1\"}" "${NOTIFY_URL}" || log "warning: nobody was notified"
}

# How many pods a Service can send to. A colour at zero has null endpoints, on which a jsonpath filter is an error.
ready_pods() {
    local names
    names="$("${kube[@]}" get endpointslices --selector "kubernetes.io/service-name=$1" --output \
        go-template='{{range .items}}{{range .endpoints}}{{if .conditions.ready}}{{with .targetRef}}{{.name}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}')"
    if [[ -z "${names}" ]]; then
        echo 0
    else
        sort -u <<<"${names}" | wc -l
    fi
}

wanted_pods() {
    "${kube[@]}" get deployment "$1" --output go-template='{{.spec.replicas}}'
}

# Give a Deployment at least so many pods. Its autoscaler does nothing at zero pods, so both numbers are set.
grow() {
    local deployment="$1" pods="$2" wanted scaler
    wanted="$(wanted_pods "${deployment}")"
    ((wanted < pods)) || return 0
    log "${deployment}: from ${wanted} to ${pods} pods"
    scaler="$("${kube[@]}" get horizontalpodautoscaler "${deployment}" --ignore-not-found --output name)"
    if [[ -n "${scaler}" ]]; then
        "${kube[@]}" patch "${scaler}" --type merge --patch "{\"spec\": {\"minReplicas\": ${pods}}}" >/dev/null
    fi
    "${kube[@]}" scale deployment "${deployment}" --replicas "${pods}" >/dev/null
}

# Both backends of a route with their weights: "api-blue 90 api-green 10".
read_weights() {
    local weights
    weights="$("${kube[@]}" get httproute "$1" --output \
        go-template='{{range (index .spec.rules 0).backendRefs}}{{.name}} {{.weight}} {{end}}')"
    echo "${weights% }"
}

# Weights are set only where both backends are the ones we mean; whoever shifts at the same moment loses.
blue_patch() {
    local service="$1" rule=/spec/rules/0/backendRefs
    cat <<JSON
[{"op": "test", "path": "${rule}/0/name", "value": "${service}-blue"},
 {"op": "test", "path": "${rule}/1/name", "value": "${service}-green"},
 {"op": "add", "path": "${rule}/0/weight", "value": 100},
 {"op": "add", "path": "${rule}/1/weight", "value": 0}]
JSON
}

here=.
[[ "${BASH_SOURCE[0]}" != */* ]] || here="${BASH_SOURCE[0]%/*}"
services=(checkout-api checkout-web)

for service in "${services[@]}"; do
    weights="$(read_weights "${service}")"
    blue="$(ready_pods "${service}-blue")"
    green="$(wanted_pods "${service}-green")"
    log "${service}: now ${weights}; blue has ${blue} ready pods and needs ${green}"
done
log "will give blue 100 and green 0 in ${NAMESPACE} of ${KUBE_CONTEXT}"
confirm

# Blue may have shrunk since green took its traffic. One ready pod is enough to go on: a bad version serves meanwhile.
until=$((SECONDS + DEADLINE))
for service in "${services[@]}"; do
    pods="$(wanted_pods "${service}-green")"
    grow "${service}-blue" "$((pods > 0 ? pods : 1))"
done
for service in "${services[@]}"; do
    pods="$(wanted_pods "${service}-blue")"
    blue="$(ready_pods "${service}-blue")"
    while ((blue < pods && SECONDS < until)); do
        sleep 2
        blue="$(ready_pods "${service}-blue")"
    done
    ((blue > 0)) || die "${service}-blue has no ready pod: no traffic was moved; kubectl describe deployment ${service}-blue"
    ((blue >= pods)) || log "warning: ${service}-blue has ${blue} of ${pods} pods ready; going on"
done

failed=()
for service in "${services[@]}"; do
    patch="$(blue_patch "${service}")"
    "${kube[@]}" patch httproute "${service}" --type json --patch "${patch}" >/dev/null || failed+=("${service}")
done
for service in "${services[@]}"; do
    weights="$(read_weights "${service}")"
    log "${service}: ${weights}"
    [[ "${weights}" == "${service}-blue 100 ${service}-green 0" ]] || failed+=("${service}")
done
if [[ -n "${failed[*]}" ]]; then
    notify "Rollback in ${NAMESPACE} FAILED for ${failed[*]}: move their weights by hand"
    exit 1
fi
notify "Rolled back in ${NAMESPACE}: blue has all of the traffic"

# Weights that read back right still serve nobody when blue is broken too.
"${here}/smoke-test.sh" blue
log "now revert the commit: Git still holds the version that failed"
log "workers were not touched: order-mailer"
