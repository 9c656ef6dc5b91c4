#!/bin/sh
# Finds a Python new enough for ildm and hands over to install.py. It is a shell script so that it can say so when
# there is none at all. PYTHON names one to use instead of searching.
set -u

version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

seen=""
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if found=$(version "$candidate"); then
        exec "$candidate" "${0%/*}/install.py" "$@"
    fi
    [ -z "$found" ] || seen="$seen, $candidate is $found"
done

if [ -n "$seen" ]; then
    problem="only older ones were found (${seen#, })"
elif [ -n "${PYTHON:-}" ]; then
    problem="PYTHON=$PYTHON cannot be run"
else
    problem="there is none on PATH"
fi
echo "ildm needs Python 3.11 or newer, but $problem: install one from python.org or from your system's packages," \
    "or name one with make PYTHON=/path/to/python3." >&2
exit 2
