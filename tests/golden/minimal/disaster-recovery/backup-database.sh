#!/usr/bin/env bash
# Save one database now: a dump, the number of rows of every table in it, and checksums. Dump and rows come from one
# snapshot, so a restore can be compared with them exactly. The checksums are written last: without them, no backup.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: BACKUP_DIR=... DB_HOST=... DB_USER=... DB_NAME=... backup-database.sh [--dump-only | --upload-only] DATABASE

DATABASE       saved-reports-db
--dump-only    leave the backup in BACKUP_DIR
--upload-only  upload what is in BACKUP_DIR
environment    DB_PORT; the password in PGPASSWORD or ~/.pgpass; or DATABASE_URL_FILE, a file that holds a whole URL,
               instead of DB_*; BACKUP_TO (a bucket such as s3://backups/reports; the spec's, where it has one)
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

dump=true
upload=true
database=""
for argument in "$@"; do
    case "${argument}" in
    --dump-only) upload=false ;;
    --upload-only) dump=false ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) die "unknown option ${argument}; try --help" ;;
    *) database="${argument}" ;;
    esac
done

case "${database}" in
saved-reports-db)
    port=5432 keep_seconds=2592000 to=''
    ;;
*) die "say which database: saved-reports-db" ;;
esac
: "${BACKUP_DIR:?name the folder that backups are put into}"
to="${BACKUP_TO:-${to}}"
[[ -d "${BACKUP_DIR}" ]] || die "${BACKUP_DIR} is no folder"

# What is older than the backups are kept for; a backup's name holds the time at which it was begun.
printf -v now '%(%s)T' -1
TZ=UTC printf -v stamp '%(%Y%m%dT%H%M%SZ)T' "${now}"
TZ=UTC printf -v oldest '%(%Y%m%dT%H%M%SZ)T' "$((now - keep_seconds))"
is_expired() {
    if [[ "$1" =~ ^"${database}-"([0-9]{8}T[0-9]{6}Z)\.(dump|manifest|sha256)$ && "${BASH_REMATCH[1]}" < "${oldest}" ]]; then
        echo yes
    fi
}

save() {
    local name="${database}-${stamp}" scratch
    # An empty URL leaves the rest to the PG* variables.
    export DATABASE_URL="" DUMP PGCONNECT_TIMEOUT=10 PGOPTIONS="--statement-timeout=0"
    if [[ -n "${DATABASE_URL_FILE:-}" ]]; then
        DATABASE_URL="$(<"${DATABASE_URL_FILE}")"
    else
        export PGHOST="${DB_HOST:?the server}" PGPORT="${DB_PORT:-${port}}"
        export PGUSER="${DB_USER:?a role that may read everything}" PGDATABASE="${DB_NAME:?the name in the server}"
    fi
    scratch="$(mktemp -d "${BACKUP_DIR}/.${name}.XXXXXX")"
    # shellcheck disable=SC2064  # the folder's name is meant as it is now
    trap "rm -rf '${scratch}'" EXIT
    DUMP="${scratch}/${name}.dump"

    log "${database}: dumping"
    psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --dbname "${DATABASE_URL}" \
        >"${scratch}/${name}.manifest" <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT 'database ' || current_database();
SELECT 'taken-at ' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
SELECT 'role ' || rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname;
SELECT pg_export_snapshot() AS snapshot \gset
\setenv SNAPSHOT :snapshot
\! pg_dump --format custom --snapshot "${SNAPSHOT}" --file "${DUMP}.unchecked" --dbname "${DATABASE_URL}" && mv "${DUMP}.unchecked" "${DUMP}"
SELECT format('SELECT %L || count(*) || %L FROM %I.%I', 'rows ', ' ' || n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
\gexec
COMMIT;
SQL
    [[ -s "${DUMP}" ]] || die "${database}: pg_dump failed"
    pg_restore --list "${DUMP}" >/dev/null
    (cd "${scratch}" && sha256sum "${name}.dump" "${name}.manifest" >"${name}.sha256")
    mv "${scratch}/${name}.dump" "${scratch}/${name}.manifest" "${BACKUP_DIR}/"
    mv "${scratch}/${name}.sha256" "${BACKUP_DIR}/"
    log "${database}: saved as ${BACKUP_DIR}/${name}.dump"
}

prune_folder() {
    local file old
    for file in "${BACKUP_DIR}/${database}-"*; do
        old="$(is_expired "${file##*/}")"
        [[ -z "${old}" ]] || rm "${file}"
    done
}

send() {
    local checksums name part
    for checksums in "${BACKUP_DIR}/${database}-"*.sha256; do
        [[ -e "${checksums}" ]] || die "${database}: no backup in ${BACKUP_DIR}"
        name="${checksums%.sha256}"
        (cd "${BACKUP_DIR}" && sha256sum --check --quiet "${checksums##*/}")
        for part in dump manifest sha256; do
            aws s3 cp --only-show-errors "${name}.${part}" "${to%/}/${name##*/}.${part}"
        done
        log "${database}: ${name##*/} is in ${to%/}"
    done
}

prune_bucket() {
    local place="${to#s3://}" keys key old
    place="${place%/}/"
    keys="$(aws s3api list-objects-v2 --bucket "${place%%/*}" --prefix "${place#*/}${database}-" --query 'Contents[].Key' --output text)"
    for key in ${keys}; do
        old="$(is_expired "${key##*/}")"
        [[ -z "${old}" ]] || aws s3 rm --only-show-errors "s3://${place%%/*}/${key}"
    done
}

if [[ "${dump}" == true ]]; then
    need psql pg_dump pg_restore cat sha256sum mktemp mv rm
    save
    prune_folder
fi
if [[ "${upload}" == true ]]; then
    [[ -n "${to}" ]] || die "no bucket is decided: the backup stays in ${BACKUP_DIR}; set BACKUP_TO, or add --dump-only"
    [[ "${to}" == s3://* && "${to}" != *undecided* ]] || die "${to} is no bucket that a backup can go to"
    need aws sha256sum
    send
    prune_bucket
fi
