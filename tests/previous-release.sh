# Builds the previous release for the test that runs it beside this one. Sourced by tests/run, after tests/machine.sh.

# The commit of the previous release, 0.1.0.
PREVIOUS_RELEASE=023457cbef06c0ad34dc15f404a189378bec1c19

# Builds the previous release, which shares the dependencies of the debug build, and exports its path as PREVIOUS_BIN. Then builds the
# present binaries again, whose names are the same. A clone without the commit leaves the test out.
build_previous_release() {
    local target directory commit
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    directory=$target/previous-release
    if ! commit=$(git rev-parse --verify --quiet "$PREVIOUS_RELEASE^{commit}"); then
        echo "The previous release is left out: this clone has no commit $PREVIOUS_RELEASE. Get it with: git fetch --unshallow" >&2
        return 0
    fi
    export PREVIOUS_BIN=$directory/vaultcast-$commit
    [ ! -x "$PREVIOUS_BIN" ] || return 0
    rm -rf "$directory"
    mkdir -p "$directory/source"
    git archive "$commit" | tar -x -C "$directory/source" &&
        (cd "$directory/source" && cargo build --workspace --bins --target-dir "$target") &&
        cp "$(build_directory)/vaultcast" "$PREVIOUS_BIN" &&
        cargo build --workspace --bins --example echo
}
