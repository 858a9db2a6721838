#!/usr/bin/env bash
# Makes Benchmarks/gateway.profdata anew: how often each piece of code runs under the benchmark's load. For after larger changes of what a request runs:
# functions that have changed are built as if nothing were known of them. An instrumented build in .build/instrumented, then about two minutes of load.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

OUT="$ROOT/.build/instrumented"
COUNTS="$OUT/counts"
runtime="$("$(toolchain)/clang" --print-resource-dir)/lib/linux/libclang_rt.profile-$(uname -m).a"
[ -f "$runtime" ] || fail "this toolchain has no profile runtime: $runtime"
profdata() { "$(toolchain)/llvm-profdata" "$@"; }

# collect NAME ARGUMENT...: what the benchmark's part runs.
collect() {
    local name="$1"
    shift
    LLVM_PROFILE_FILE="$COUNTS/$name-%p.profraw" python3 Benchmarks/bench.py --binary "$OUT/release/sallyport" --rounds 1 "$@"
    profdata merge -sparse -o "$COUNTS/$name.profdata" "$COUNTS/$name"-*.profraw
}

# weighted SHARE NAME: the part as an argument of `merge`, so that parts count by their shares and not by how long they ran.
weighted() {
    local total
    total="$(profdata show "$COUNTS/$2.profdata" | awk '/^Total count:/ { print $3 }')"
    printf -- '-weighted-input=%s,%s\n' "$((1 + $1 * 10000000000 / total))" "$COUNTS/$2.profdata"
}

step "packages" retry swift package resolve --scratch-path "$OUT"
step "instrumented build" swift build -c release --product sallyport --scratch-path "$OUT" -Xswiftc -Xfrontend -Xswiftc -ir-profile-generate \
    -Xlinker "$runtime" -Xlinker -u__llvm_profile_runtime
rm -rf "$COUNTS"
mkdir -p "$COUNTS"
step "small requests" collect small --only small --connections 16 --seconds 6
step "streams" collect streams --only streams --streams 100,300
step "large bodies" collect large --only large
profdata merge -sparse -o Benchmarks/gateway.profdata "$(weighted 10 small)" "$(weighted 10 streams)" "$(weighted 1 large)"
profdata show Benchmarks/gateway.profdata
times_of_steps
