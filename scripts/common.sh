# What the scripts share: sourced, not run.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
DEPS="$ROOT/.deps"
cd "$ROOT"

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# retry COMMAND...: three tries, with a growing pause between them.
retry() {
    local try
    for try in 1 2 3; do
        "$@" && return 0
        [ "$try" = 3 ] || { say "failed, trying again: $*"; sleep $((try * 3)); }
    done
    return 1
}

# The folder of the Swift toolchain's programs.
toolchain() { (cd "$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')/../../bin" && pwd); }

# step NAME COMMAND...: runs it and says how long it took; the times are listed by `times_of_steps`.
STEP_TIMES=()
step() {
    local name="$1" start=$SECONDS
    shift
    say "$name"
    # Not `|| ...` here: it would switch off `set -e` within the step.
    UNFINISHED="$name" UNFINISHED_SINCE=$start
    "$@"
    UNFINISHED=
    STEP_TIMES+=("$(printf '%6d s  %s' $((SECONDS - start)) "$name")")
    say "$name: $((SECONDS - start)) s"
}
UNFINISHED=
times_of_steps() {
    [ ${#STEP_TIMES[@]} = 0 ] || printf '%s\n' "${STEP_TIMES[@]}"
    [ -z "$UNFINISHED" ] || printf '%6d s  %s (not finished)\n' $((SECONDS - UNFINISHED_SINCE)) "$UNFINISHED"
}

# The release build. One build serves the binary and, with --build-tests, the tests.
resolve_packages() { retry swift package resolve; }
