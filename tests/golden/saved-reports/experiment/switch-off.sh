#!/usr/bin/env bash
# Switch the experiment off: everybody gets control, within three minutes and without a rollout. With "undo", on again, each
# user in the arm of before. What is so already stays as it is.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... switch-off.sh [--yes] [--dry-run] [undo]

undo         switch it on again
--yes        do not ask (needed off a terminal)
--dry-run    check and say what would be done, change nothing
environment  NOTIFY_URL (a chat's webhook)
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
: "${NAMESPACE:?name the namespace, saved-reports in production}"
kube=(kubectl --context "${KUBE_CONTEXT}" --namespace "${NAMESPACE}" --request-timeout "${REQUEST_TIMEOUT:-20s}")
need kubectl cat jq
[[ -z "${NOTIFY_URL:-}" ]] || need curl

readonly FLAG=saved-reports MAP=saved-reports-flags
case "${arguments[*]}" in
"") state=DISABLED word=off ;;
undo) state=ENABLED word=on ;;
*) die "say undo, or nothing: ${arguments[*]}" ;;
esac

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

# shellcheck disable=SC2016  # the $ is jq's
readonly STATE='.data["flags.json"] | fromjson | .flags[$flag].state'
# What was found before is part of the patch: if anybody changes it first, the server refuses ours.
# shellcheck disable=SC2016  # the same
readonly PATCH='.data["flags.json"] as $old | ($old | fromjson | .flags[$flag].state = $state | tojson) as $new
    | [{op: "test", path: "/data/flags.json", value: $old}, {op: "replace", path: "/data/flags.json", value: $new}]'

map="$("${kube[@]}" get configmap "${MAP}" --output json)"
found="$(jq --raw-output --arg flag "${FLAG}" "${STATE}" <<<"${map}")"
[[ "${found}" == ENABLED || "${found}" == DISABLED ]] || die "${MAP} has no flag ${FLAG}: nothing was changed"
if [[ "${found}" == "${state}" ]]; then
    log "${FLAG} is ${word} already in ${NAMESPACE} of ${KUBE_CONTEXT}"
else
    log "will switch ${FLAG} ${word} in ${NAMESPACE} of ${KUBE_CONTEXT}"
    confirm
    patch="$(jq --compact-output --arg flag "${FLAG}" --arg state "${state}" "${PATCH}" <<<"${map}")"
    "${kube[@]}" patch configmap "${MAP}" --type json --patch "${patch}" >/dev/null ||
        die "the server refused the change, as it does when somebody changed ${MAP}: run this again"
    notify "The experiment ${FLAG} is ${word} in ${NAMESPACE}: every pod knows within three minutes"
fi
log "now commit \"state\": \"${state}\" in experiment/flags.json: what Git holds comes back with the next release"
