#!/usr/bin/env bash
# Fuzzes the parsers with libFuzzer: fuzz.sh [TARGET...]; FUZZ_SECONDS (60) each. Needs the release build (`make build`, or the tests').
# Our modules are compiled once more, with coverage, and linked to the libraries of that build; findings and what was learned lie in .build/fuzz.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

WIRE=(json sse multipart path header)
GATEWAY=(form route batch token keyset proxy policy pii text body image stream trace)
BUILT="$ROOT/.build/release"
OUT="$ROOT/.build/fuzz"
WIRE_MODULES=(SallyportCore SallyportWire)
GATEWAY_MODULES=(SallyportPatterns SallyportGuard SallyportIdentity SallyportRetrieval SallyportOversight SallyportGateway)

[ -d "$BUILT/Modules" ] || fail "there is no release build: make build"
mkdir -p "$OUT/modules"

# The C modules that the Swift ones import.
headers=(-Xcc -fmodule-map-file="$ROOT/Sources/CHyperscan/module.modulemap")
for folder in $(pkg-config --cflags-only-I libhs); do headers+=(-Xcc "$folder"); done
while IFS= read -r map; do
    headers+=(-Xcc "-fmodule-map-file=$map" -Xcc -I -Xcc "$(dirname "$map")")
done < <(find "$ROOT"/.build/checkouts/*/Sources -name module.modulemap -path '*/include/*' | sort)
while IFS= read -r map; do headers+=(-Xcc "-fmodule-map-file=$map"); done < <(find "$BUILT"/ -maxdepth 2 -name module.modulemap | sort)

compile() { # MODULE SOURCE...
    local module="$1" object="$OUT/$1.o" stamp="$OUT/$1.stamp" key
    shift
    key="$(cat "$@" "$0" "$OUT"/upstream.stamp 2>/dev/null | sha256sum)"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$key" ]; then
        say "compiling $module with coverage"
        swiftc -swift-version 6 -O -wmo -parse-as-library -enable-testing -package-name sallyport -module-name "$module" -enable-upcoming-feature ExistentialAny \
            -sanitize=address -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp -suppress-warnings -I "$OUT/modules" -I "$BUILT/Modules" "${headers[@]}" \
            -emit-module -emit-module-path "$OUT/modules/$module.swiftmodule" -c -o "$object" "$@"
        printf '%s\n' "$key" >"$stamp"
    fi
    cat "$stamp" >>"$OUT/upstream.stamp"
}

# Everything else that the release build made, as one archive: the linker takes what is needed.
libraries() {
    [ "$OUT/libraries.a" -nt "$BUILT/Modules" ] && return 0
    rm -rf "$OUT/libraries.a" "$OUT/objects"
    mkdir "$OUT/objects"
    # An archive keeps one member of a name, and modules have files of the same name.
    local number=0 object
    while IFS= read -r object; do
        number=$((number + 1))
        ln -s "$object" "$OUT/objects/$number.o"
    done < <(find "$BUILT"/ -name '*.o' -not -path '*/Sallyport*' -not -path '*/sallyport*' -not -path '*-tool.build/*' -not -path '*Tests*' | sort)
    find "$OUT/objects" -name '*.o' -print0 | xargs -0 ar rcs "$OUT/libraries.a"
}

# link NAME MODULE...: a fuzzer of these modules.
link() {
    local name="$1"
    shift
    swiftc -sanitize=fuzzer,address -o "$OUT/fuzz-$name" $(printf "$OUT/%s.o " "$@") "$OUT/libraries.a" -lhs -lstdc++ 2> >(grep -v 'Cannot export local symbol' >&2)
}

build() { # wire|gateway
    : >"$OUT/upstream.stamp"
    local module modules=("${WIRE_MODULES[@]}")
    [ "$1" = wire ] || modules+=("${GATEWAY_MODULES[@]}")
    for module in "${modules[@]}"; do compile "$module" $(find "Sources/$module" -name '*.swift' | sort); done
    libraries
    if [ "$1" = wire ]; then
        compile FuzzWire Fuzz/Entry.swift Fuzz/Wire/Targets.swift
        link wire "${modules[@]}" FuzzWire
    else
        compile FuzzGateway Fuzz/Entry.swift Fuzz/Gateway/Targets.swift
        link gateway "${modules[@]}" FuzzGateway
    fi
}

run() { # wire|gateway TARGET
    local program="$OUT/fuzz-$1" target="$2" seeds=()
    mkdir -p "$OUT/corpus/$target" "$OUT/findings"
    for folder in "Fuzz/corpus/$target" "Tests/SallyportWireTests/Corpus/$target"; do [ ! -d "$folder" ] || seeds+=("$folder"); done
    FUZZ_TARGET="$target" SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 nice -n "${FUZZ_NICE:-19}" "$program" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$OUT/findings/$target-" "$OUT/corpus/$target" "${seeds[@]}" >"$OUT/$target.log" 2>&1 || {
        tail -40 "$OUT/$target.log"
        fail "$target: see .build/fuzz/findings"
    }
    say "$target: $(awk '/number_of_executed_units|new_units_added|peak_rss_mb/ { printf "%s %s  ", $1, $2 }' "$OUT/$target.log")"
}

belongs() { case " ${WIRE[*]} " in *" $1 "*) echo wire ;; *) echo gateway ;; esac }
[ $# -gt 0 ] || set -- "${WIRE[@]}" "${GATEWAY[@]}"
for program in wire gateway; do
    wanted=()
    for target in "$@"; do [ "$(belongs "$target")" != $program ] || wanted+=("$target"); done
    [ ${#wanted[@]} -gt 0 ] || continue
    step "build $program" build $program
    for target in "${wanted[@]}"; do run $program "$target"; done
done
