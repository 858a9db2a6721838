#!/usr/bin/env bash
# environment.sh REQUIREMENTS: installs the named file's packages into .deps/training, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stamp=".deps/training/.$1"
wanted="$(sha256sum <"training/$1")"
[ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || exit 0
[ -x .deps/training/bin/python ] || python3 -m venv .deps/training
.deps/training/bin/pip install -q -r "training/$1"
printf '%s\n' "$wanted" >"$stamp"
