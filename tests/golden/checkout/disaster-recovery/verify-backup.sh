#!/usr/bin/env bash
# Prove that the newest backup of a database comes back: restore it into a scratch server, which holds nothing else, and
# compare the rows of every table with those counted when it was made. What the backup is of is not touched.
set -Eeuo pipefail
shopt -s inherit_errexit

usage() {
    cat <<'USAGE'
usage: BACKUP_DIR=... DB_HOST=... DB_USER=... verify-backup.sh [--download-only | --restore-only] DATABASE

DATABASE         orders-db
--download-only  bring the newest backup into BACKUP_DIR, an empty folder
--restore-only   restore the backup that is in BACKUP_DIR
environment      DB_PORT and the password in PGPASSWORD or ~/.pgpass, of the scratch server; BACKUP_TO (the bucket that
                 backups go to; the spec's, where it has one); JOBS (restore so many tables at once, 4)
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

download=true
restore=true
database=""
for argument in "$@"; do
    case "${argument}" in
    --download-only) restore=false ;;
    --restore-only) download=false ;;
    -h | --help)
        usage
        exit 0
        ;;
    -*) die "unknown option ${argument}; try --help" ;;
    *) database="${argument}" ;;
    esac
done

case "${database}" in
orders-db)
    to=s3://shop-backups/orders-db
    stale_seconds=5700 restore_seconds=1800
    ;;
*) die "say which database: orders-db" ;;
esac
: "${BACKUP_DIR:?name the folder that the backup is put into}"
to="${BACKUP_TO:-${to}}"
[[ -d "${BACKUP_DIR}" ]] || die "${BACKUP_DIR} is no folder"

# A backup is whole when its checksums are there: they are uploaded last.
fetch() {
    local place="${to#s3://}" keys key now oldest newest="" part
    place="${place%/}/"
    keys="$(aws s3api list-objects-v2 --bucket "${place%%/*}" --prefix "${place#*/}${database}-" --query 'Contents[].Key' --output text)"
    for key in ${keys}; do
        key="${key##*/}"
        if [[ "${key}" =~ ^"${database}-"[0-9]{8}T[0-9]{6}Z\.sha256$ && "${key}" > "${newest}" ]]; then
            newest="${key}"
        fi
    done
    [[ -n "${newest}" ]] || die "${database}: there is no backup in ${to}"
    printf -v now '%(%s)T' -1
    TZ=UTC printf -v oldest '%(%Y%m%dT%H%M%SZ)T' "$((now - stale_seconds))"
    [[ "${newest}" > "${database}-${oldest}" ]] || die "${database}: the newest backup is ${newest%.sha256}, and newer ones are missing"
    for part in dump manifest sha256; do
        aws s3 cp --only-show-errors "${to%/}/${newest%.sha256}.${part}" "${BACKUP_DIR}/${newest%.sha256}.${part}"
    done
    log "${database}: ${newest%.sha256} is in ${BACKUP_DIR}"
}

verify() {
    local checksums name roles role others expected found tables
    local psql=(psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1)
    export PGHOST="${DB_HOST:?the scratch server}" PGPORT="${DB_PORT:-5432}" PGUSER="${DB_USER:?its superuser}"
    export PGCONNECT_TIMEOUT=10 PGOPTIONS="--client-min-messages=warning"
    for checksums in "${BACKUP_DIR}/${database}-"*.sha256; do
        [[ -e "${checksums}" ]] || die "${database}: no backup in ${BACKUP_DIR}"
        name="${checksums%.sha256}"
    done
    (cd "${BACKUP_DIR}" && sha256sum --check --quiet "${name##*/}.sha256") || die "${name##*/} is damaged"

    others="$("${psql[@]}" --dbname postgres --command "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")"
    [[ -z "${others}" ]] || die "${PGHOST} is no scratch server: it has ${others//$'\n'/, }"
    # What the dump gives to roles needs them to be there; here they can do nothing else.
    roles="$(grep '^role ' "${name}.manifest" || true)"
    while read -r role; do
        "${psql[@]}" --dbname postgres --set role="${role#role }" <<'SQL'
SELECT format('CREATE ROLE %I', :'role')
WHERE :'role' <> '' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SQL
    done <<<"${roles}"

    log "${database}: restoring ${name##*/}"
    pg_restore --create --exit-on-error --jobs "${JOBS:-4}" --dbname postgres "${name}.dump"
    found="$("${psql[@]}" --dbname postgres --command "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")"
    found="$(
        PGDATABASE="${found}" "${psql[@]}" <<'SQL'
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
    expected="$(grep '^rows ' "${name}.manifest" | sort || true)"
    found="$(sort <<<"${found}")"
    diff <(echo "${expected}") <(echo "${found}") >&2 || die "${database}: the rows differ from those of the backup (< wanted, > found)"
    tables="$(grep --count '^rows ' "${name}.manifest" || true)"
    log "${database}: ${name##*/} can be restored: the rows of ${tables} tables are those of the backup"
    log "${database}: it took ${SECONDS} s, of ${restore_seconds} s allowed"
    ((SECONDS <= restore_seconds)) || die "${database}: restoring takes longer than is allowed"
}

if [[ "${download}" == true ]]; then
    [[ "${to}" == s3://* && "${to}" != *undecided* ]] || die "${to:-nothing} is no bucket that a backup can come from"
    need aws
    fetch
fi
if [[ "${restore}" == true ]]; then
    need psql pg_restore cat sha256sum diff grep sort
    verify
fi
