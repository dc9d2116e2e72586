#!/usr/bin/env bash
# Installs a built wheel or sdist of the runtime, and nothing else of ours, into a new environment outside the
# checkout, and queries it there as a user would.
set -euo pipefail
wheel=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet "$wheel" pytest
cp "$here/test_installed.py" "$place/"
cd "$place"
env -u PYTHONPATH PATH="$place/venv/bin:$PATH" "$place/venv/bin/python" -m pytest -q -p no:cacheprovider test_installed.py
