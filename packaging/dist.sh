#!/bin/sh
# Builds dist/ca-supervisor, one file that any Python of the same minor version on the same kind of machine can run, and
# tries it: usage dist.sh PYTHON. `make dist` calls it. What the file holds comes from requirements/run.txt, with hashes.
set -eu
python=$1
site=build/site

rm -rf build/site build/try
mkdir -p dist build/try
"$python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes --target "$site" -r requirements/run.txt
"$python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --target "$site" .
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
"$python" -m shiv.cli --compressed --site-packages "$site" -c ca-supervisor -p "/usr/bin/env $version" -o dist/ca-supervisor

# Unpacked once into ~/.shiv (SHIV_ROOT says where else); there the store's binary must be executable.
SHIV_ROOT=$(pwd)/build/try
export SHIV_ROOT
"$python" dist/ca-supervisor --version
"$python" packaging/demo.py --program "$python dist/ca-supervisor" --quiet
du -h dist/ca-supervisor
