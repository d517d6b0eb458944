#!/usr/bin/env bash
# Put a backup in the place of a database. Everything that writes is stopped, the backup is restored into a new database
# and compared with its manifest; only then the two exchange names. The old data stays until somebody drops it.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: KUBE_CONTEXT=... NAMESPACE=... DB_HOST=... DB_USER=... DB_NAME=... restore-database.sh [OPTION]... DATABASE BACKUP

DATABASE       saved-reports-db
BACKUP         the .dump that backup-database.sh made, with its .manifest and .sha256 beside it
--verify-only  restore into a new database, compare, drop it again; the application runs on
--yes          do not ask (needed off a terminal)
--dry-run      check and say what would be done, change nothing
environment    DB_PORT; the password in PGPASSWORD or ~/.pgpass; JOBS (restore so many tables at once, 4);
               DEADLINE (seconds to wait for pods, 300)
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
verify_only=false
arguments=()
for argument in "$@"; do
    case "${argument}" in
    --yes) YES=true ;;
    --dry-run) DRY_RUN=true ;;
    --verify-only) verify_only=true ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) die "unknown option ${argument}; try --help" ;;
    *) arguments+=("${argument}") ;;
    esac
done

# What writes to each database, and how fast it is to be back.
database="${arguments[0]:-}"
case "${database}" in
saved-reports-db)
    port=5432 objective_seconds=3600
    services=(saved-reports-api)
    deployments=(saved-reports-api-blue saved-reports-api-green)
    ;;
*) die "say which database: saved-reports-db" ;;
esac
backup="${arguments[1]:-}"
[[ -f "${backup}" ]] || die "name the backup's .dump file"
: "${DB_HOST:?the server}" "${DB_USER:?a role that may create databases and owns this one}" "${DB_NAME:?the name in the server}"
export PGHOST="${DB_HOST}" PGPORT="${DB_PORT:-${port}}" PGUSER="${DB_USER}"
export PGCONNECT_TIMEOUT=10 PGOPTIONS="--client-min-messages=warning --statement-timeout=0"
readonly DEADLINE="${DEADLINE:-300}"
need psql pg_restore sha256sum diff grep sort
if [[ "${verify_only}" == false ]]; then
    : "${KUBE_CONTEXT:?name the cluster, as kubectl config get-contexts lists it}"
    : "${NAMESPACE:?name the namespace, saved-reports in production}"
    need kubectl
fi
kube=(kubectl --context "${KUBE_CONTEXT:-}" --namespace "${NAMESPACE:-}" --request-timeout "${REQUEST_TIMEOUT:-20s}")
psql=(psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1)
[[ "${DB_NAME}" =~ ^.{1,40}$ ]] || die "${DB_NAME} is too long a name to keep a copy beside it"

TZ=UTC printf -v stamp '%(%Y%m%d%H%M%S)T' -1
readonly fresh="${DB_NAME}_restore_${stamp}" kept="${DB_NAME}_before_${stamp}"
manifest="${backup%.dump}.manifest"
checksums="${backup%.dump}.sha256"
folder="$(cd "$(dirname "${backup}")" && pwd)"

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

# Nothing is stopped before the backup is known to be whole and to be of this database.
[[ -f "${manifest}" && -f "${checksums}" ]] || die "${backup} has no .manifest and .sha256 beside it"
(cd "${folder}" && sha256sum --check --quiet "${checksums##*/}") || die "${backup} is damaged: take an older one"
pg_restore --list "${backup}" >/dev/null || die "${backup} is no archive that pg_restore can read"
grep --quiet --line-regexp --fixed-strings "database ${DB_NAME}" "${manifest}" || die "${backup} is of another database than ${DB_NAME}"
taken_at="$(grep '^taken-at ' "${manifest}")"
allowed="$(
    "${psql[@]}" --dbname postgres --set live="${DB_NAME}" <<'SQL'
SELECT (r.rolsuper OR r.rolcreatedb) AND pg_has_role(d.datdba, 'USAGE')
FROM pg_database d, pg_roles r WHERE d.datname = :'live' AND r.rolname = current_user;
SQL
)"
[[ "${allowed}" == t ]] || die "${DB_NAME} is not there, or ${DB_USER} may not create databases or does not own it"

log "${DB_NAME} on ${DB_HOST} will be as it was at ${taken_at#taken-at }; everything written since is lost"
stopped=()
paused=()
restoring=""
if [[ "${verify_only}" == true ]]; then
    log "only into ${fresh}, which is dropped again"
else
    log "stops ${deployments[*]:-nothing} in ${NAMESPACE} of ${KUBE_CONTEXT}; the present data stays as ${kept}"
fi
confirm

# However the script ends: what was stopped runs again as it did, or this says exactly how.
resume() {
    local deployment job failed=()
    for deployment in "${stopped[@]}"; do
        "${kube[@]}" scale deployment "${deployment% *}" --replicas "${deployment#* }" >/dev/null ||
            failed+=("${kube[*]} scale deployment ${deployment% *} --replicas ${deployment#* }")
    done
    for job in "${paused[@]}"; do
        "${kube[@]}" patch cronjob "${job}" --type merge --patch '{"spec": {"suspend": false}}' >/dev/null ||
            failed+=("${kube[*]} patch cronjob ${job} --type merge --patch '{\"spec\": {\"suspend\": false}}'")
    done
    [[ -n "${stopped[*]}${paused[*]}" ]] || return 0
    stopped=()
    paused=()
    if [[ -z "${failed[*]}" ]]; then
        log "the application has its pods again"
        return 0
    fi
    log "THE APPLICATION IS STILL STOPPED. Run:"
    printf '%s\n' "${failed[@]}" >&2
}
finish() {
    local status=$?
    trap - EXIT INT TERM
    [[ -z "${restoring}" ]] || kill "${restoring}" 2>/dev/null || true
    ((status == 0)) || log "ENDED BEFORE ITS END: what went wrong is said above"
    resume
    # After the exchange there is no database of this name any more; before it, it holds half a restore.
    "${psql[@]}" --dbname postgres --set fresh="${fresh}" \
        <<<"SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', :'fresh') \gexec" || log "warning: ${fresh} is left over"
    exit "${status}"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [[ "${verify_only}" == false ]]; then
    jobs="$("${kube[@]}" get cronjobs --selector app.kubernetes.io/part-of=saved-reports \
        --output go-template='{{range .items}}{{if not .spec.suspend}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}')"
    for job in ${jobs}; do
        paused+=("${job}")
        "${kube[@]}" patch cronjob "${job}" --type merge --patch '{"spec": {"suspend": true}}' >/dev/null
    done
    for deployment in "${deployments[@]}"; do
        replicas="$("${kube[@]}" get deployment "${deployment}" --output go-template='{{.spec.replicas}}')"
        stopped+=("${deployment} ${replicas}")
    done
    log "running until now: ${stopped[*]:-nothing}"
    for deployment in "${deployments[@]}"; do
        "${kube[@]}" scale deployment "${deployment}" --replicas 0 >/dev/null
    done
    until=$((SECONDS + DEADLINE))
    for service in "${services[@]}"; do
        while true; do
            pods="$("${kube[@]}" get pods --selector "app.kubernetes.io/name=${service}" --output name)"
            [[ -n "${pods}" ]] || break
            ((SECONDS < until)) || die "pods of ${service} do not end: ${pods//$'\n'/ }"
            sleep 2
        done
    done
    log "stopped"
fi

# The new database is made like the one it replaces: owner, encoding, locale, grants, settings.
"${psql[@]}" --dbname postgres --set live="${DB_NAME}" --set fresh="${fresh}" <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
              :'fresh', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
FROM pg_database WHERE datname = :'live' \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'fresh')
FROM pg_database WHERE datname = :'live' AND datacl IS NOT NULL \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s', a.privilege_type, :'fresh',
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = :'live' \gexec
SELECT format(CASE split_part(s.setting, '=', 1) WHEN 'search_path' THEN 'ALTER DATABASE %I SET %I = %s'
              ELSE 'ALTER DATABASE %I SET %I = %L' END,
              :'fresh', split_part(s.setting, '=', 1), substr(s.setting, strpos(s.setting, '=') + 1))
FROM pg_db_role_setting r JOIN pg_database d ON d.oid = r.setdatabase, unnest(r.setconfig) AS s(setting)
WHERE d.datname = :'live' AND r.setrole = 0 \gexec
SQL
log "restoring into ${fresh}"
# In the background, so that an interruption is heard at once.
pg_restore --exit-on-error --jobs "${JOBS:-4}" --dbname "${fresh}" "${backup}" &
restoring=$!
wait "${restoring}"
restoring=""
"${psql[@]}" --dbname "${fresh}" --command ANALYZE

found="$(
    "${psql[@]}" --dbname "${fresh}" <<'SQL'
SELECT format('SELECT %L || count(*) || %L FROM %I.%I', 'rows ', ' ' || n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
\gexec
SQL
)"
expected="$(grep '^rows ' "${manifest}" | sort || true)"
found="$(sort <<<"${found}")"
diff <(echo "${expected}") <(echo "${found}") >&2 || die "the rows differ from those of the backup (< wanted, > found)"
rows="$(grep --count '^rows ' "${manifest}" || true)"
log "the rows of ${rows} tables are those of the backup"
if [[ "${verify_only}" == true ]]; then
    log "the backup of ${taken_at#taken-at } can be restored; it took ${SECONDS} s"
    exit 0
fi

# In one transaction, so that at every moment one database has the name. Whoever is still connected is cut off.
"${psql[@]}" --single-transaction --dbname postgres --set live="${DB_NAME}" --set fresh="${fresh}" --set kept="${kept}" \
    >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'live', :'fresh') AND pid <> pg_backend_pid();
SELECT format('ALTER DATABASE %I RENAME TO %I', :'live', :'kept') \gexec
SELECT format('ALTER DATABASE %I RENAME TO %I', :'fresh', :'live') \gexec
SQL
log "${DB_NAME} is the restored one; the data before is ${kept}"

resume
for deployment in "${deployments[@]}"; do
    "${kube[@]}" --request-timeout "${DEADLINE}s" rollout status "deployment/${deployment}" --timeout "${DEADLINE}s"
done
log "recovery point: ${taken_at#taken-at }"
log "recovery time: ${SECONDS} s, of ${objective_seconds} s allowed"
log "when you are sure, drop the old data: dropdb '${kept}'"
