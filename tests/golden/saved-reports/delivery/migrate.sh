#!/usr/bin/env bash
# Migrate the databases, one Job after another, before anything of the new version takes traffic. What each Job runs is
# held by the suspended CronJob of its name: apply the overlay first, and it is the new version's image and settings.
# The first Job that fails ends this: nothing was moved, and what serves goes on as it is.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... migrate.sh [--yes] [--dry-run]

--yes        do not ask (needed off a terminal)
--dry-run    check and say what would be done, change nothing
environment  DEADLINE (seconds to wait for each Job; unless it is set, what each may take and a minute), NOTIFY_URL (a
             chat's webhook)
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
readonly DEADLINE="${DEADLINE:-}"
need kubectl cat sleep
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

# The image and the command that the next Job of a migration gets.
command_of() {
    "${kube[@]}" get cronjob "$1" --output \
        go-template='{{range .spec.jobTemplate.spec.template.spec.containers}}{{.image}}{{range .command}} {{.}}{{end}}{{end}}'
}

# Every Job of a migration with its end: "api-migrate-3 Complete", or the name alone while it goes on.
runs_of() {
    "${kube[@]}" get jobs --selector "app.kubernetes.io/name=$1" --output \
        go-template='{{range .items}}{{.metadata.name}}{{range .status.conditions}}{{if eq .status "True"}}{{if or (eq .type "Complete") (eq .type "Failed")}} {{.type}}{{end}}{{end}}{{end}}{{"\n"}}{{end}}'
}

# How a Job ended: Complete, or Failed and why; nothing while it goes on.
end_of() {
    "${kube[@]}" get job "$1" --output \
        go-template='{{range .status.conditions}}{{if eq .status "True"}}{{if or (eq .type "Complete") (eq .type "Failed")}}{{.type}} {{.reason}}{{end}}{{end}}{{end}}'
}

# Put into $next the name of a migration's next Job. Two who start at once get the same one, and the server refuses one.
name_next() {
    local migration="$1" runs job end number last=0
    runs="$(runs_of "${migration}")"
    while read -r job end; do
        [[ -n "${job}" ]] || continue
        [[ -n "${end}" ]] || die "${job} still goes on: nothing was started; kubectl describe job ${job}"
        number="${job##*-}"
        [[ ! "${number}" =~ ^[0-9]{1,9}$ ]] || ((10#${number} <= last)) || last=$((10#${number}))
    done <<<"${runs}"
    next="${migration}-$((last + 1))"
}

running=""
finish() {
    local status=$?
    trap - EXIT INT TERM
    [[ -z "${running}" ]] || log "${running} goes on in the cluster; see how it ends before the next try: kubectl describe job ${running}"
    exit "${status}"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

migrations=(feature-api-migrate)
waits=(1860)
for migration in "${migrations[@]}"; do
    command="$(command_of "${migration}")"
    name_next "${migration}"
    log "will run ${next}: ${command}"
done
log "in ${NAMESPACE} of ${KUBE_CONTEXT}"
confirm

for position in "${!migrations[@]}"; do
    migration="${migrations[position]}"
    wait="${DEADLINE:-${waits[position]}}"
    name_next "${migration}"
    running="${next}"
    if ! "${kube[@]}" create job "${next}" --from "cronjob/${migration}" >/dev/null; then
        running=""
        die "${next} was not made: somebody else may have been faster"
    fi
    log "${next} goes on"
    until=$((SECONDS + wait))
    end="$(end_of "${next}")"
    while [[ -z "${end}" ]]; do
        ((SECONDS < until)) || die "${next} has not ended within ${wait} s"
        sleep 2
        end="$(end_of "${next}")"
    done
    running=""
    if [[ "${end}" != Complete* ]]; then
        "${kube[@]}" logs "job/${next}" --tail 50 >&2 || log "warning: its log cannot be read"
        notify "The migration ${next} in ${NAMESPACE} FAILED: the release ends before anything was moved"
        die "${next}: ${end}"
    fi
    log "${next}: ${end}"
done
log "the databases are migrated"
