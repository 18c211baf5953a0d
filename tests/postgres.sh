# Starts a PostgreSQL server for the duration of the tests. Sourced by tests/run and tests/crash, after tests/machine.sh.

# Prints the directory of the PostgreSQL programs; installs them if they are missing.
postgres_programs() {
    if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
        local as_root=
        [ "$(id -u)" = 0 ] || as_root=sudo
        # Keeps Debian from starting a server with the package.
        install_packages postgresql-common &&
            $as_root sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
                /etc/postgresql-common/createcluster.conf &&
            install_packages postgresql || return
    fi
    dirname "$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)"
}

# Runs a command as the user postgres, because PostgreSQL refuses to run as root.
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

postgres_directory= postgres_bin= postgres_url=

stop_postgres() {
    [ -n "$postgres_directory" ] || return 0
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_directory/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$postgres_directory"
}
trap stop_postgres EXIT
trap 'exit 130' INT TERM

# Starts a server in a temporary directory on a free port. It stops when the script ends.
start_postgres() {
    postgres_bin=$(postgres_programs) || return
    postgres_directory=$(mktemp -d) || return
    chmod 755 "$postgres_directory"
    [ "$(id -u)" != 0 ] || chown postgres "$postgres_directory"
    local port
    port=$(free_port) || return
    as_postgres "$postgres_bin/initdb" -D "$postgres_directory/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null || return
    # This server is never killed, so fsync is not needed; each new database would sync a hundred times.
    as_postgres "$postgres_bin/pg_ctl" -D "$postgres_directory/data" -l "$postgres_directory/log" -w \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$postgres_directory -c max_connections=1000 -c fsync=off" \
        start >/dev/null || {
        cat "$postgres_directory/log" >&2
        return 1
    }
    postgres_url=postgres://postgres@127.0.0.1:$port/postgres
}
