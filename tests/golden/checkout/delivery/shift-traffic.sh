#!/usr/bin/env bash
# Give green its share of the traffic, for every public service together: 0, 5, 25, 50, 100 percent; 0 gives it all to blue.
# Refuses a colour that cannot carry its share, and a route that somebody else changed in the meantime.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... shift-traffic.sh [--yes] [--dry-run] PERCENT

PERCENT      green's share: 0, 5, 25, 50, 100
--yes        do not ask (needed off a terminal)
--dry-run    check and say what would be done, change nothing
environment  DEADLINE (seconds to wait for pods and for the Gateway, 300)
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
readonly DEADLINE="${DEADLINE:-300}"
need kubectl cat sleep sort wc

green_share="${arguments[0]:-}"
case "${green_share}" in
0 | 5 | 25 | 50 | 100) ;;
*) die "say green's share: 0, 5, 25, 50, 100" ;;
esac
blue_share=$((100 - green_share))

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

# Wait until every Gateway of a route has taken its newest form.
wait_accepted() {
    local service="$1" until=$((SECONDS + DEADLINE)) state
    while true; do
        # shellcheck disable=SC2016  # the $ is the template's
        state="$("${kube[@]}" get httproute "${service}" --output \
            go-template='{{$now := .metadata.generation}}{{range .status.parents}}{{range .conditions}}{{if or (eq .type "Accepted") (eq .type "ResolvedRefs")}}{{if and (eq .status "True") (eq .observedGeneration $now)}}yes{{else}}no{{end}} {{end}}{{end}}{{end}}')"
        [[ "${state}" != *yes* || "${state}" == *no* ]] || return 0
        ((SECONDS < until)) || die "${service}: no Gateway accepted the route within ${DEADLINE} s; kubectl describe httproute ${service}"
        sleep 2
    done
}

# The weights found before are part of the patch: if anybody changes them first, the server refuses ours.
weights_patch() {
    local service="$1" old_blue="$2" old_green="$3" blue="$4" green="$5" rule=/spec/rules/0/backendRefs
    cat <<JSON
[{"op": "test", "path": "${rule}/0/name", "value": "${service}-blue"},
 {"op": "test", "path": "${rule}/1/name", "value": "${service}-green"},
 {"op": "test", "path": "${rule}/0/weight", "value": ${old_blue}},
 {"op": "test", "path": "${rule}/1/weight", "value": ${old_green}},
 {"op": "replace", "path": "${rule}/0/weight", "value": ${blue}},
 {"op": "replace", "path": "${rule}/1/weight", "value": ${green}}]
JSON
}

services=(checkout-api checkout-web)
declare -A old_blue old_green gains needs

for service in "${services[@]}"; do
    weights="$(read_weights "${service}")"
    [[ "${weights}" =~ ^"${service}-blue "([0-9]+)" ${service}-green "([0-9]+)$ ]] ||
        die "${service}: the route has other backends, or one without a weight: ${weights}"
    old_blue[${service}]="${BASH_REMATCH[1]}"
    old_green[${service}]="${BASH_REMATCH[2]}"
    gains[${service}]=green gives=blue
    ((green_share >= old_green[${service}])) || gains[${service}]=blue gives=green
    # Whoever gains traffic must be able to carry as much as the other does now.
    pods="$(wanted_pods "${service}-${gives}")"
    needs[${service}]=$((pods > 0 ? pods : 1))
    ready="$(ready_pods "${service}-${gains[${service}]}")"
    log "${service}: blue ${old_blue[${service}]} -> ${blue_share}, green ${old_green[${service}]} -> ${green_share};" \
        "${gains[${service}]} has ${ready} ready pods and needs ${needs[${service}]}"
done
log "in ${NAMESPACE} of ${KUBE_CONTEXT}"
confirm

until=$((SECONDS + DEADLINE))
for service in "${services[@]}"; do
    grow "${service}-${gains[${service}]}" "${needs[${service}]}"
done
for service in "${services[@]}"; do
    colour="${service}-${gains[${service}]}"
    ready="$(ready_pods "${colour}")"
    while ((ready < needs[${service}])); do
        ((SECONDS < until)) || die "${colour} has ${ready} of ${needs[${service}]} pods ready: no traffic was moved"
        sleep 2
        ready="$(ready_pods "${colour}")"
    done
done

moved=()
for service in "${services[@]}"; do
    patch="$(weights_patch "${service}" "${old_blue[${service}]}" "${old_green[${service}]}" "${blue_share}" "${green_share}")"
    if "${kube[@]}" patch httproute "${service}" --type json --patch "${patch}" >/dev/null; then
        moved+=("${service}")
        continue
    fi
    for other in "${moved[@]}"; do
        patch="$(weights_patch "${other}" "${blue_share}" "${green_share}" "${old_blue[${other}]}" "${old_green[${other}]}")"
        "${kube[@]}" patch httproute "${other}" --type json --patch "${patch}" >/dev/null ||
            log "warning: ${other} keeps green at ${green_share}"
    done
    die "${service}: the server refused the new weights, as it does when somebody changed the route; moved back: ${moved[*]:-nothing}"
done
for service in "${services[@]}"; do
    wait_accepted "${service}"
    weights="$(read_weights "${service}")"
    [[ "${weights}" == "${service}-blue ${blue_share} ${service}-green ${green_share}" ]] ||
        die "${service}: reads back as ${weights}"
    log "${service}: ${weights}"
done
