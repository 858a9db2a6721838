#!/usr/bin/env bash
# The release build. With --build-tests it makes binary and tests at once.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
retry swift package resolve
if [ "${1:-}" = --build-tests ]; then swift build -c release --build-tests; else swift build -c release --product sallyport; fi
