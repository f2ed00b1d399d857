#!/bin/sh
# Makes or updates a virtual environment: usage venv.sh PYTHON FOLDER REQUIREMENTS [PROJECT]. `make` calls it.
# REQUIREMENTS names every package with its hash, so nothing is resolved, and a new release of one changes nothing; PROJECT,
# a folder, is installed as a link to it.
set -eu
python=$1 venv=$2 requirements=$3 project=${4-}

say() { printf '%s\n' "$*" >&2; }

command -v "$python" >/dev/null || {
    say "error: there is no $python; install Python 3.11 or later (Debian: apt-get install python3 python3-venv)"
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "error: $("$python" --version) is too old; 3.11 or later is needed: make PYTHON=python3.11 ..."
    exit 1
}
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making $venv with $("$python" --version)"
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif "$python" -c 'import virtualenv' 2>/dev/null; then
        "$python" -m virtualenv --quiet --clear "$venv"
    else
        say "error: this Python cannot make virtual environments (Debian: apt-get install python3-venv)"
        exit 1
    fi
fi
say "installing what $requirements names"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r "$requirements"
[ -z "$project" ] ||
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e "$project"
