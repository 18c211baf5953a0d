#!/usr/bin/env bash
# Starts three nodes on one PostgreSQL with nginx in front, on this machine: a trial of docs/operations/several-nodes.md, not for
# production. Needs nginx and curl. Ctrl-C stops all.
#
#   DATABASE_URL=postgres://… AUTH_SECRET=… deploy/three-nodes.sh [PORT]
#   kill -USR1 PID     rolls the nodes: each stops, starts and is ready before the next one stops
#
# A node that ends is started again.
#
# nginx listens on 127.0.0.1:PORT (8080) without TLS, the nodes on the three ports after it, and their admin listeners on the three
# after those. nginx is configured as in deploy/nginx.conf. VAULTCAST_BIN names the binary; further variables configure the nodes.
set -euo pipefail

repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
port=${1:-8080}
binary=${VAULTCAST_BIN:-$repository/target/release/vaultcast}
PATH=$PATH:/usr/sbin

fail() {
    echo "three-nodes.sh: $*" >&2
    exit 1
}

[[ ${DATABASE_URL:-} =~ ^postgres(ql)?:// ]] || fail "DATABASE_URL must be a postgres:// URL: several nodes share one PostgreSQL"
[ -x "$binary" ] || fail "$binary does not exist: run \`cargo build --release\`, or set VAULTCAST_BIN"
command -v nginx >/dev/null || fail "nginx is not installed"

directory=$(mktemp -d)
nodes=() nginx=

stop_all() {
    trap - EXIT
    for process in ${nginx:-} "${nodes[@]}"; do kill -TERM "$process" 2>/dev/null || true; done
    wait
    rm -rf "$directory"
}
trap stop_all EXIT
trap 'exit 0' INT TERM

# Starts node N (0, 1 or 2) and waits until it is ready.
start_node() {
    local url=http://127.0.0.1:$((port + 1 + $1))
    env VAULTCAST__SERVER__BIND="${url#http://}" VAULTCAST__ADMIN__BIND="127.0.0.1:$((port + 4 + $1))" \
        VAULTCAST__SERVER__TRUSTED_PROXIES='["127.0.0.1"]' VAULTCAST__CLUSTER__NODE="node-$1" "$binary" serve &
    nodes[$1]=$!
    until curl --silent --fail --output /dev/null "$url/readyz"; do
        kill -0 "${nodes[$1]}" 2>/dev/null || fail "node $1 has ended"
        sleep 0.1
    done
    echo "three-nodes.sh: node $1 is ready, process ${nodes[$1]}"
}

# While a node is down, nginx sends its requests to the others.
roll() {
    for node in 0 1 2; do
        kill -TERM "${nodes[$node]}"
        while kill -0 "${nodes[$node]}" 2>/dev/null; do sleep 0.1; done
        start_node "$node"
    done
    echo "three-nodes.sh: all nodes rolled"
}

configure_nginx() {
    local servers
    servers=$(printf 'server 127.0.0.1:%d max_fails=0; ' $((port + 1)) $((port + 2)) $((port + 3)))
    # Without the redirect to https, TLS, and the application.
    sed -e '/^server {/{N;/listen 80;/{:rest;N;/\n}/!b rest;d}}' -e '/^    ssl_/d' \
        -e "s|listen 443 ssl;|listen 127.0.0.1:$port;|" \
        -e "s|server 127.0.0.1:3000 max_fails=0;|$servers|" \
        -e "s|http://127.0.0.1:3001|http://vaultcast|" \
        -e "s|/var/log/nginx/vaultcast.log|$directory/access.log|" \
        "$repository/deploy/nginx.conf" >"$directory/vaultcast.conf"
    local user=
    [ "$(id -u)" != 0 ] || user='user root;'
    cat >"$directory/nginx.conf" <<EOF
$user daemon off; pid $directory/pid; error_log stderr warn;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path $directory/body; proxy_temp_path $directory/proxy; fastcgi_temp_path $directory/fastcgi;
    uwsgi_temp_path $directory/uwsgi; scgi_temp_path $directory/scgi;
    include $directory/vaultcast.conf;
}
EOF
}

for node in 0 1 2; do start_node "$node"; done
configure_nginx
nginx -p "$directory" -c "$directory/nginx.conf" &
nginx=$!
until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/readyz"; do
    kill -0 "$nginx" 2>/dev/null || fail "nginx has ended"
    sleep 0.1
done
trap roll USR1
echo "three-nodes.sh: http://127.0.0.1:$port is ready; kill -USR1 $$ rolls the nodes"

# The wait ends when a process ends, and after a signal.
while kill -0 "$nginx" 2>/dev/null; do
    wait -n || true
    for node in 0 1 2; do kill -0 "${nodes[$node]}" 2>/dev/null || start_node "$node"; done
done
fail "nginx has ended"
