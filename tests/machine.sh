# Checks and installs what the tests need. Sourced by tests/run and tests/crash from the root of the repository.

fail() {
    echo "$0: $1" >&2
    exit 1
}

needs_rust_and_node() {
    command -v cargo >/dev/null || fail "cargo is not installed (https://rustup.rs)"
    command -v node >/dev/null || fail "node is not installed: the end-to-end tests need Node.js 20.19 or newer"
    command -v npm >/dev/null || fail "npm is not installed: it comes with Node.js"
    node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' ||
        fail "node $(node --version) is too old: the end-to-end tests need 20.19 or newer"
}

# Installs Debian packages, with sudo unless run by root.
install_packages() {
    local as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    {
        $as_root apt-get update -qq
        DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@"
    } >&2
}

# Prints the directory of the debug build.
build_directory() {
    realpath -m "${CARGO_TARGET_DIR:-target}/debug"
}
