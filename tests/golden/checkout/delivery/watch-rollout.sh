#!/usr/bin/env bash
# Take a release through its steps (5%, 25%, 50% and 100% of traffic, 15 minutes each), asking Prometheus all the while.
# Rolls back when a rollback criterion fires, when it cannot be judged, when somebody else moves the traffic, and when
# this script is interrupted.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... PROMETHEUS_URL=... watch-rollout.sh [--yes] [--dry-run]

--yes        do not ask (needed off a terminal)
--dry-run    check and say what would be done, change nothing
environment  PAUSE (seconds at each step, 900), EVERY (seconds between two questions, 15),
             LOST (questions in a row without an answer that end the release, 4), NOTIFY_URL (a chat's webhook)
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
: "${PROMETHEUS_URL:?where Prometheus answers, such as http://127.0.0.1:9090 behind a port-forward}"
readonly PAUSE="${PAUSE:-900}"
readonly EVERY="${EVERY:-15}"
readonly LOST="${LOST:-4}"
need kubectl cat curl jq sleep
here=.
[[ "${BASH_SOURCE[0]}" != */* ]] || here="${BASH_SOURCE[0]%/*}"

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

# Both backends of a route with their weights: "api-blue 90 api-green 10".
read_weights() {
    local weights
    weights="$("${kube[@]}" get httproute "$1" --output \
        go-template='{{range (index .spec.rules 0).backendRefs}}{{.name}} {{.weight}} {{end}}')"
    echo "${weights% }"
}

# The rollback criteria are alerts with the label guardrail: rollback. Prometheus itself says whether their rules are
# loaded, evaluate without error, wait out their time or fire.
# shellcheck disable=SC2016  # the $ are jq's
readonly CRITERIA='
    [.data.groups[].rules[]
        | select(.type == "alerting" and .labels.guardrail == "rollback")
        | select(.labels.service as $name | $watched | index($name))]
    | if length == 0 then "lost: no rollback criterion is loaded"
      elif any(.health == "err") then "lost: \([.[] | select(.health == "err") | .name] | join(", ")) cannot be evaluated"
      elif any(.state == "firing") then "broken: \([.[] | select(.state == "firing") | .name] | join(", "))"
      elif any(.state == "pending") then "pending: \([.[] | select(.state == "pending") | .name] | join(", "))"
      else "healthy" end'
readonly WATCHED='["checkout-api", "checkout-web", "order-mailer", "orders-db", "order-events"]'
# Silence of a colour that nobody scrapes is no health.
readonly SCRAPED='count(count by (job) (up{namespace="'"${NAMESPACE}"'",job=~"checkout-api|checkout-web",colour="green"} == 1))'

# Put into $verdict what Prometheus says now: healthy, pending, broken or lost.
judge() {
    local answer
    if ! answer="$(curl --silent --show-error --fail --max-time 10 "${PROMETHEUS_URL%/}/api/v1/rules?type=alert" 2>&1)"; then
        verdict="lost: ${answer}"
        return
    fi
    verdict="$(jq --raw-output --argjson watched "${WATCHED}" "${CRITERIA}" <<<"${answer}" 2>/dev/null)" ||
        verdict="lost: the answer is none of Prometheus"
    [[ "${verdict}" == healthy || "${verdict}" == pending* ]] || return 0
    if ! answer="$(curl --silent --show-error --fail --max-time 10 --get --data-urlencode "query=${SCRAPED}" \
        "${PROMETHEUS_URL%/}/api/v1/query" 2>&1)"; then
        verdict="lost: ${answer}"
        return
    fi
    answer="$(jq --raw-output '.data.result[0].value[1] // "0"' <<<"${answer}" 2>/dev/null)" || answer=0
    [[ "${answer}" == 2 ]] || verdict="lost: ${answer} of 2 services are scraped"
}

# A route that is not where this release has set it was moved by somebody else, perhaps to roll back.
look_at_routes() {
    local share="$1" service weights
    [[ "${verdict}" != broken* ]] || return 0
    for service in "${services[@]}"; do
        # shellcheck disable=SC2310  # what cannot be read for once is counted, and ends nothing by itself
        weights="$(read_weights "${service}" || true)"
        if [[ -z "${weights}" ]]; then
            verdict="lost: the route of ${service} cannot be read"
        elif [[ "${weights}" != "${service}-blue $((100 - share)) ${service}-green ${share}" ]]; then
            verdict="moved by somebody else: ${weights}"
        fi
    done
}

# Watch for the pause, and on while a criterion is pending; return only when all is well.
watch_release() {
    local until=$((SECONDS + PAUSE)) lost=0
    verdict=pending
    while ((SECONDS < until)) || [[ "${verdict}" != healthy ]]; do
        # In the background, so that an interruption is heard at once.
        sleep "${EVERY}" &
        wait "$!"
        judge
        look_at_routes "$1"
        case "${verdict}" in
        broken* | moved*) die "${verdict}" ;;
        lost*)
            lost=$((lost + 1))
            log "${verdict} (${lost} of ${LOST})"
            ((lost < LOST)) || die "${verdict}"
            ;;
        pending*)
            lost=0
            log "${verdict}"
            ;;
        *) lost=0 ;;
        esac
    done
    log "healthy for ${PAUSE} s"
}

# However this script ends before its end, the release is not watched any more: back to the old version.
finish() {
    local status=$?
    trap - EXIT INT TERM
    [[ "${watching}" == true ]] || exit "${status}"
    log "rolling back"
    "${here}/rollback.sh" --yes || die "THE ROLLBACK FAILED: act by hand, runbooks/operations/roll-back.md"
    exit 1
}

watching=false
judge
[[ "${verdict}" == healthy ]] || die "not now: ${verdict}"
services=(checkout-api checkout-web)
first="$(read_weights "${services[0]}")"
first="${first##* }"
log "green has ${first} percent; will go through 5%, 25%, 50% and 100% of traffic, 15 minutes each in ${NAMESPACE} of ${KUBE_CONTEXT}"
confirm

watching=true
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
shares=(5 25 50 100)
for share in "${shares[@]}"; do
    ((share > first)) || continue
    "${here}/shift-traffic.sh" --yes "${share}"
    watch_release "${share}"
done
watching=false
log "green has all of the traffic; leave blue as it is until you are sure, then promote: runbooks/operations/deploy-new-version.md"
