#!/bin/bash
# Makes Models/protected/seed.material: fingerprints of open-source licence texts and of well-known code, from what Debian 12 and the
# package checkouts of a build carry. Run from the repository's root after a build: scripts/build-protected-seed.sh [BINARY]
set -euo pipefail
binary=${1:-.build/release/sallyport}
out=Models/protected/seed.material
manifest=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$manifest" "$work"' EXIT

row() { # path kind name licence url
    [ -r "$1" ] || { echo "missing: $1" >&2; exit 1; }
    python3 -c 'import json,sys; print(json.dumps(dict(zip(("path","kind","name","licence","url"), sys.argv[1:]))))' "$@" >> "$manifest"
}

licences=/usr/share/common-licenses
row $licences/Apache-2.0 text "Apache License 2.0" Apache-2.0 https://www.apache.org/licenses/LICENSE-2.0
row $licences/Artistic text "Artistic License 1.0 (Perl)" Artistic-1.0-Perl https://spdx.org/licenses/Artistic-1.0-Perl.html
row $licences/BSD text "BSD 3-Clause (Regents)" BSD-3-Clause https://spdx.org/licenses/BSD-3-Clause.html
row $licences/CC0-1.0 text "CC0 1.0 Universal" CC0-1.0 https://creativecommons.org/publicdomain/zero/1.0/legalcode
row $licences/GFDL-1.2 text "GNU Free Documentation License 1.2" GFDL-1.2-only https://www.gnu.org/licenses/old-licenses/fdl-1.2.txt
row $licences/GFDL-1.3 text "GNU Free Documentation License 1.3" GFDL-1.3-only https://www.gnu.org/licenses/fdl-1.3.txt
row $licences/GPL-1 text "GNU General Public License 1" GPL-1.0-only https://www.gnu.org/licenses/old-licenses/gpl-1.0.txt
row $licences/GPL-2 text "GNU General Public License 2" GPL-2.0-only https://www.gnu.org/licenses/old-licenses/gpl-2.0.txt
row $licences/GPL-3 text "GNU General Public License 3" GPL-3.0-only https://www.gnu.org/licenses/gpl-3.0.txt
row $licences/LGPL-2 text "GNU Library General Public License 2" LGPL-2.0-only https://www.gnu.org/licenses/old-licenses/lgpl-2.0.txt
row $licences/LGPL-2.1 text "GNU Lesser General Public License 2.1" LGPL-2.1-only https://www.gnu.org/licenses/old-licenses/lgpl-2.1.txt
row $licences/LGPL-3 text "GNU Lesser General Public License 3" LGPL-3.0-only https://www.gnu.org/licenses/lgpl-3.0.txt
row $licences/MPL-1.1 text "Mozilla Public License 1.1" MPL-1.1 https://www.mozilla.org/MPL/1.1/
row $licences/MPL-2.0 text "Mozilla Public License 2.0" MPL-2.0 https://www.mozilla.org/MPL/2.0/
sed -n '/^Permission is hereby granted/,$p' .build/checkouts/Yams/LICENSE > "$work/MIT"
row "$work/MIT" text "MIT License" MIT https://spdx.org/licenses/MIT.html

python=/usr/lib/python3.11
for file in argparse bisect contextlib copy dataclasses difflib enum fnmatch fractions functools heapq pprint queue sched shlex statistics string textwrap uuid; do
    row $python/$file.py code "CPython Lib/$file.py" PSF-2.0 https://github.com/python/cpython/blob/v3.11.2/Lib/$file.py
done
row $python/json/encoder.py code "CPython Lib/json/encoder.py" PSF-2.0 https://github.com/python/cpython/blob/v3.11.2/Lib/json/encoder.py
row /usr/include/zlib.h code "zlib zlib.h" Zlib https://github.com/madler/zlib/blob/v1.2.13/zlib.h

rm -f "$out" "$out.lock"
"$binary" protected add --index "$out" --manifest "$manifest"
rm -f "$out.lock"
chmod 644 "$out"
"$binary" protected list --index "$out" | tail -1
