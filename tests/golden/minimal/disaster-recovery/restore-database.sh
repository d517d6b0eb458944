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
    port=5432 restore_seconds=3600 lose_seconds=21600
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
need psql pg_restore cat dirname sha256sum diff grep sleep sort
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
taken_at="${taken_at#taken-at }"
found="$(
    "${psql[@]}" --dbname postgres --set live="${DB_NAME}" --set taken_at="${taken_at}" <<'SQL'
SELECT CASE WHEN (r.rolsuper OR r.rolcreatedb) AND pg_has_role(d.datdba, 'USAGE') THEN 'yes ' ELSE 'no ' END
       || extract(epoch FROM now() - :'taken_at'::timestamptz)::bigint
FROM pg_database d, pg_roles r WHERE d.datname = :'live' AND r.rolname = current_user;
SQL
)"
[[ -n "${found}" ]] || die "${DB_HOST} has no database ${DB_NAME}"
read -r allowed age <<<"${found}"
[[ "${allowed}" == yes ]] || die "${DB_USER} may not create databases, or does not own ${DB_NAME}"

# What runs now is what will run again.
running=()
jobs=()
if [[ "${verify_only}" == false ]]; then
    if [[ -n "${deployments[*]}" ]]; then
        names="$("${kube[@]}" get deployments "${deployments[@]}" --no-headers \
            --output custom-columns=NAME:.metadata.name,REPLICAS:.spec.replicas)"
        while read -r deployment replicas; do
            [[ "${replicas}" == 0 ]] || running+=("${deployment} ${replicas}")
        done <<<"${names}"
    fi
    names="$("${kube[@]}" get cronjobs --selector app.kubernetes.io/part-of=saved-reports \
        --output go-template='{{range .items}}{{if not .spec.suspend}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}')"
    [[ -z "${names}" ]] || mapfile -t jobs <<<"${names}"
fi

if [[ "${verify_only}" == true ]]; then
    log "${DB_NAME} as it was at ${taken_at} goes into ${fresh} on ${DB_HOST}, which is dropped again"
else
    log "${DB_NAME} on ${DB_HOST} will be as it was at ${taken_at}; everything written since is lost"
    log "stops in ${NAMESPACE} of ${KUBE_CONTEXT}, each with its pods: ${running[*]:-nothing}; the present data stays as ${kept}"
    [[ -n "${running[*]}" || -z "${deployments[*]}" ]] ||
        log "warning: nothing runs; if an earlier restore was cut off, first run the commands that it printed"
fi
confirm

# What brings the application back, as a shell takes it: printed before anything is stopped, and run by this script itself.
resume_commands() {
    local each where
    where="$(printf '%q ' "${kube[@]}")"
    for each in "${running[@]}"; do
        printf '%sscale deployment %q --replicas %q\n' "${where}" "${each% *}" "${each#* }"
    done
    for each in "${jobs[@]}"; do
        printf "%spatch cronjob %q --type merge --patch '%s'\n" "${where}" "${each}" '{"spec": {"suspend": false}}'
    done
}
stopped=false
resume() {
    local commands line failed=()
    [[ "${stopped}" == true ]] || return 0
    commands="$(resume_commands)"
    while read -r line; do
        bash -c "${line}" >/dev/null || failed+=("${line}")
    done <<<"${commands}"
    if [[ -n "${failed[*]}" ]]; then
        log "THE APPLICATION IS STILL STOPPED. Run:"
        printf '%s\n' "${failed[@]}" >&2
        return 1
    fi
    stopped=false
    log "the application has its pods again"
}

# However the script ends, what was stopped runs again as it did, or this says exactly how. Nothing may cut this short:
# no second Ctrl-C, no terminal that is gone.
restoring=""
finish() {
    local status=$? old
    trap - EXIT
    trap '' HUP INT TERM
    set +e
    if [[ -n "${restoring}" ]]; then
        kill "${restoring}"
        wait "${restoring}"
    fi
    ((status == 0)) || log "ENDED BEFORE ITS END: what went wrong is said above"
    resume
    [[ "${stopped}" == false ]] || status=1
    # After the exchange there is no database of this name any more; before it, it holds half a restore.
    "${psql[@]}" --dbname postgres --set fresh="${fresh}" \
        <<<"SELECT format('DROP DATABASE IF EXISTS %I WITH (FORCE)', :'fresh') \gexec" || log "warning: ${fresh} is left over"
    if ((status != 0)) && [[ "${verify_only}" == false ]]; then
        old="$("${psql[@]}" --dbname postgres --set kept="${kept}" <<<"SELECT datname FROM pg_database WHERE datname = :'kept'")"
        case "${old}" in
        "${kept}") log "${DB_NAME} is the restored one; the data before is ${kept}" ;;
        *) log "${DB_NAME} was not replaced" ;;
        esac
    fi
    exit "${status}"
}
trap '' PIPE
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The new database is made like the one it replaces: owner, encoding, locale, limits, grants, settings, comment.
"${psql[@]}" --dbname postgres --set live="${DB_NAME}" --set fresh="${fresh}" <<'SQL'
SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L CONNECTION LIMIT %s',
              :'fresh', pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datconnlimit)
       || CASE t.spcname WHEN 'pg_default' THEN '' ELSE format(' TABLESPACE %I', t.spcname) END
       || CASE own ->> 'datlocprovider'
          WHEN 'c' THEN ' LOCALE_PROVIDER libc'
          WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE ' || quote_literal(COALESCE(own ->> 'datlocale', own ->> 'daticulocale'))
               || COALESCE(' ICU_RULES ' || quote_literal(own ->> 'daticurules'), '')
          WHEN 'b' THEN ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ' || quote_literal(own ->> 'datlocale')
          ELSE '' END
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace, to_jsonb(d) AS own
WHERE d.datname = :'live' \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'fresh')
FROM pg_database WHERE datname = :'live' AND datacl IS NOT NULL \gexec
SELECT format('GRANT %s ON DATABASE %I TO %s', a.privilege_type, :'fresh',
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
       || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = :'live' \gexec
SELECT CASE r.setrole WHEN 0 THEN format('ALTER DATABASE %I', :'fresh')
       ELSE format('ALTER ROLE %I IN DATABASE %I', pg_get_userbyid(r.setrole), :'fresh') END
       || format(' SET %I = ', s.name)
       -- The values of lists are kept with their quotes.
       || CASE WHEN s.name IN ('local_preload_libraries', 'search_path', 'session_preload_libraries', 'temp_tablespaces')
          THEN s.value ELSE quote_literal(s.value) END
FROM pg_db_role_setting r JOIN pg_database d ON d.oid = r.setdatabase, unnest(r.setconfig) AS whole,
     LATERAL (SELECT split_part(whole, '=', 1), substr(whole, strpos(whole, '=') + 1)) AS s(name, value)
WHERE d.datname = :'live' \gexec
SELECT format('COMMENT ON DATABASE %I IS %L', :'fresh', shobj_description(oid, 'pg_database'))
FROM pg_database WHERE datname = :'live' \gexec
SQL

if [[ "${verify_only}" == false ]]; then
    log "should this end without another word, these commands bring the application back:"
    resume_commands >&2
    stopped=true
    for job in "${jobs[@]}"; do
        "${kube[@]}" patch cronjob "${job}" --type merge --patch '{"spec": {"suspend": true}}' >/dev/null
    done
    if [[ -n "${running[*]}" ]]; then
        "${kube[@]}" scale deployment "${running[@]% *}" --replicas 0 >/dev/null
    fi
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

log "restoring into ${fresh}"
# In the background, so that an interruption is heard at once.
pg_restore --exit-on-error --jobs "${JOBS:-4}" --dbname "${fresh}" "${backup}" &
restoring=$!
wait "${restoring}"
restoring=""
# Without the warnings that the server's own tables are left out.
"${psql[@]}" --dbname "${fresh}" --command "SET client_min_messages = error" --command ANALYZE

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
    log "the backup of ${taken_at} can be restored; it took ${SECONDS} s"
    exit 0
fi

# In one transaction, so that at every moment one database has the name. Whoever is still connected is cut off; a server
# ends its own cleaning by itself, and lets nobody but a superuser do it.
"${psql[@]}" --single-transaction --dbname postgres --set live="${DB_NAME}" --set fresh="${fresh}" --set kept="${kept}" \
    >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname IN (:'live', :'fresh') AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker';
SELECT format('ALTER DATABASE %I RENAME TO %I', :'live', :'kept') \gexec
SELECT format('ALTER DATABASE %I RENAME TO %I', :'fresh', :'live') \gexec
SQL
log "${DB_NAME} is the restored one; the data before is ${kept}"

resume
for each in "${running[@]}"; do
    "${kube[@]}" --request-timeout "${DEADLINE}s" rollout status "deployment/${each% *}" --timeout "${DEADLINE}s"
done
log "recovery point: ${taken_at}, ${age} s before this restore, of ${lose_seconds} s allowed"
log "recovery time: ${SECONDS} s, of ${restore_seconds} s allowed"
log "when you are sure, drop the old data:"
printf 'dropdb --host %q --port %q --username %q %q\n' "${PGHOST}" "${PGPORT}" "${PGUSER}" "${kept}" >&2
