#!/usr/bin/env bash
# Installs a built wheel or sdist of the runtime, and nothing else of ours but the wheel of further catalogs
# where it is given, into a new environment outside the checkout, and queries it there as a user would.
set -euo pipefail
wheels=() tests=(test_installed.py)
for wheel; do wheels+=("$(realpath "$wheel")"); done
[ $# -lt 2 ] || tests+=(test_installed_spaces.py)
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet "${wheels[@]}" pytest
cp "${tests[@]/#/$here/}" "$place/"
cd "$place"
env -u PYTHONPATH PATH="$place/venv/bin:$PATH" "$place/venv/bin/python" -m pytest -q -p no:cacheprovider "${tests[@]}"
