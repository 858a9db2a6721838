#!/usr/bin/env bash
# Everything that CI runs, each stage with its time: set-up, one release build, unit tests, end-to-end tests with real clients.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

unit() { swift test -c release --skip-build; }
end_to_end() { (cd Tests/EndToEnd && "$DEPS/venv/bin/python" -m pytest -q --durations=5 "$@"); }

# Also of a run that failed.
trap times_of_steps EXIT
step "set-up" scripts/setup.sh base tests openvino
step "build" scripts/build.sh --build-tests
step "unit tests" unit
step "end-to-end tests" end_to_end "$@"
