#!/usr/bin/env bash
# Installs what is missing, and nothing twice. Usage: setup.sh [base] [tests] [bench] [openvino]; without words: base.
# Root (or sudo) is needed only when a system package is missing.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

OPENVINO_VERSION=2026.4.1
# What the sources link to and start, and what the Swift toolchain itself needs of the system.
BASE_PACKAGES=(bubblewrap libarchive-dev libargon2-dev libcmark-gfm-dev libcmark-gfm-extensions-dev libhyperscan-dev libp11-kit-dev libqrencode-dev libsqlite3-dev libxml2-dev
    poppler-utils tesseract-ocr libgmime-3.0-0
    libgsf-1-114 fonts-dejavu-core zlib1g-dev pkg-config ca-certificates curl git binutils g++ libc6-dev libcurl4 tzdata)
# A token for keys, a peer that speaks TLS and HTTP/2, an OpenID provider, and a reader of QR codes.
TEST_PACKAGES=(softhsm2 nginx-light glewlwyd libzbar0)
BENCH_PACKAGES=(nginx-light wrk gcc libc6-dev)

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "installing packages needs root: run as root once, or install: ${MISSING[*]}"; fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# packages NAME...: installs those that are missing. Daemons that come with them are not started.
packages() {
    command -v dpkg-query >/dev/null || fail "this script knows Debian and its relatives; install by hand: $*"
    MISSING=()
    local name
    for name in "$@"; do installed "$name" || MISSING+=("$name"); done
    [ ${#MISSING[@]} -gt 0 ] || { say "system packages: all here"; return 0; }
    say "system packages: installing ${MISSING[*]}"
    local policy=/usr/sbin/policy-rc.d made_policy=0
    if [ ! -e "$policy" ]; then
        # Also when this is broken off: no daemon would ever start on this machine again.
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        made_policy=1
    fi
    local status=0
    retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 update || status=$?
    [ $status != 0 ] || retry as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
        install --no-install-recommends "${MISSING[@]}" >/dev/null || status=$?
    [ $made_policy = 0 ] || { as_root rm -f "$policy"; trap - EXIT; }
    [ $status = 0 ] || fail "could not install: ${MISSING[*]}"
}

base() {
    command -v swift >/dev/null || fail "no Swift toolchain on PATH: Sallyport needs Swift 6.3 (https://swift.org/install)"
    packages "${BASE_PACKAGES[@]}"
}

# A Python that can make virtual environments.
python() {
    command -v python3 >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null || packages python3 python3-venv
}

tests() {
    packages "${TEST_PACKAGES[@]}"
    python
    # A real browser, for passkeys and pages.
    packages chromium
    local wanted stamp="$DEPS/venv/.requirements"
    wanted="$(sha256sum <Tests/EndToEnd/requirements.txt)"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        say "python test environment: here"
        return 0
    fi
    say "python test environment: installing Tests/EndToEnd/requirements.txt into .deps/venv"
    mkdir -p "$DEPS"
    python3 -m venv --clear "$DEPS/venv"
    retry "$DEPS/venv/bin/pip" install --quiet --disable-pip-version-check --retries 5 --no-deps -r Tests/EndToEnd/requirements.txt
    printf '%s\n' "$wanted" >"$stamp"
}

bench() { packages "${BENCH_PACKAGES[@]}"; }

# The inference runtime from its wheel: headers and the five libraries that are needed at run time.
openvino() {
    local target="$DEPS/openvino" stamp="$DEPS/openvino/.version"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$OPENVINO_VERSION" ]; then
        say "OpenVINO $OPENVINO_VERSION: here"
        return 0
    fi
    python
    say "OpenVINO $OPENVINO_VERSION: fetching its wheel"
    local download="$DEPS/download"
    rm -rf "$download" "$target"
    mkdir -p "$download" "$target"
    python3 -m venv "$download/venv"
    retry "$download/venv/bin/pip" download --quiet --disable-pip-version-check --retries 5 --no-deps --only-binary :all: \
        -d "$download" "openvino==$OPENVINO_VERSION"
    python3 - "$download"/openvino-*.whl "$target" <<'PY'
import re, sys, zipfile
wanted = re.compile(r"openvino/(include/|libs/lib(openvino|openvino_c|openvino_ir_frontend|openvino_intel_cpu_plugin|tbb)\.so|.*LICEN)|.*dist-info/.*LICEN")
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if wanted.match(name):
            wheel.extract(name, sys.argv[2])
PY
    rm -rf "$download"
    ls "$target"/openvino/libs/libopenvino_c.so* >/dev/null || fail "the OpenVINO wheel holds no libopenvino_c"
    printf '%s\n' "$OPENVINO_VERSION" >"$stamp"
}

[ $# -gt 0 ] || set -- base
for part in "$@"; do
    case "$part" in
    base | tests | bench | openvino) step "setup: $part" "$part" ;;
    *) fail "setup.sh knows base, tests, bench and openvino, not '$part'" ;;
    esac
done
