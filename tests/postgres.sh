# A PostgreSQL for as long as the tests run: sourced by tests/run and tests/crash, after tests/machine.sh.

# The directory of PostgreSQL's programs; installs them where there are none.
postgres_programs() {
    if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
        local as_root=
        [ "$(id -u)" = 0 ] || as_root=sudo
        # Debian starts a server of its own with it, unless told not to.
        install_packages postgresql-common &&
            $as_root sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
                /etc/postgresql-common/createcluster.conf &&
            install_packages postgresql || return
    fi
    dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)"
}

# PostgreSQL does not run as root: there it is another user's.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}

free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

postgres_at= postgres_bin= postgres_url=

stop_postgres() {
    [ -n "$postgres_at" ] || return 0
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_at/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$postgres_at"
}
trap stop_postgres EXIT
trap 'exit 130' INT TERM

# Starts a server in a directory of its own, on a port that is free, for as long as this runs.
start_postgres() {
    postgres_bin=$(postgres_programs) || return
    postgres_at=$(mktemp -d) || return
    chmod 755 "$postgres_at"
    [ "$(id -u)" != 0 ] || chown postgres "$postgres_at"
    local port
    port=$(free_port) || return
    as_postgres "$postgres_bin/initdb" -D "$postgres_at/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null || return
    # It is never killed, so it need not wait for the disk, which each new database would do a hundred times.
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_at/data" -l "$postgres_at/log" -w \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$postgres_at -c max_connections=500 -c fsync=off" \
        start >/dev/null || {
        cat "$postgres_at/log" >&2
        return 1
    }
    postgres_url=postgres://postgres@127.0.0.1:$port/postgres
}
