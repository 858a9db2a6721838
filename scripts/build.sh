#!/usr/bin/env bash
# The release build. With --build-tests it makes binary and tests at once. GATEWAY_PROFILE=none builds without the profile.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
retry swift package resolve
flags=(-c release)

# Code is inlined and laid out by how often a request runs it (decision 27). A profile that this toolchain cannot read is left aside.
profile="${GATEWAY_PROFILE:-$ROOT/Benchmarks/gateway.profdata}"
if [ "$profile" != none ] && "$(toolchain)/llvm-profdata" show "$profile" >/dev/null 2>&1; then
    flags+=(-Xswiftc -Xfrontend -Xswiftc "-ir-profile-use=$profile")
    used="$(sha256sum <"$profile")"
else
    [ "$profile" = none ] || say "building without $profile: this toolchain cannot read it"
    used=none
fi
# The compiler keeps an object file whose code has not changed, whatever the profile says of it now.
if [ "$(cat .build/profile.used 2>/dev/null)" != "$used" ]; then
    find .build/ -path '*/release/*.build/*.swift.o' -not -path '.build/instrumented/*' -delete 2>/dev/null || true
    mkdir -p .build
    printf '%s\n' "$used" >.build/profile.used
fi

if [ "${1:-}" = --build-tests ]; then swift build "${flags[@]}" --build-tests; else
    swift build "${flags[@]}" --product sallyport
    # Reads documents in a process of its own; found beside the gateway.
    swift build "${flags[@]}" --product sallyport-worker
fi
