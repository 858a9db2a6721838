#!/usr/bin/env bash
# Sets up, builds, and starts the gateway with the configuration that ships with it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
scripts/setup.sh base openvino
say "building (minutes the first time, seconds after)"
scripts/build.sh
say "starting the gateway; Ctrl-C stops it, and what it keeps is in ./var"
exec .build/release/sallyport serve --config config/local.yaml --first-run
