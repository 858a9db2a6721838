#!/usr/bin/env bash
# The release build. With --build-tests it makes binary and tests at once.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
retry swift package resolve
flags=(-c release)
if [ "${1:-}" = --build-tests ]; then swift build "${flags[@]}" --build-tests; else
    swift build "${flags[@]}" --product sallyport
    # Reads documents in a process of its own; found beside the gateway.
    swift build "${flags[@]}" --product sallyport-worker
fi
