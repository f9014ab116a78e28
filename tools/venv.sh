#!/bin/bash
# usage: tools/venv.sh PYTHON DIR: makes a virtual environment unless it is there; says in one sentence what is missing.
set -euo pipefail
python=$1 dir=$2

if [ -x "$dir/bin/python" ] && "$dir/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "make: $python is not Python 3.11 or newer; install it, or say make PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "make: Python's venv module is missing; install it (Debian: sudo apt-get install python3-venv) and try again" >&2
        exit 1
    fi
fi
# A half-made one is made anew.
"$python" -m venv --clear "$dir"
