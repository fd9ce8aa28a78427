#!/usr/bin/env bash
# The daily command: installs what is missing, builds, runs scenarios under allocators (compare/),
# then analyses and reports (analysis/). './run.sh --help' says what can be asked for.
# Paths in the options are relative to the caller's folder. Exit status: compare's, or analysis's
# when that fails; with --record the recorded program's.
set -euo pipefail

# What is closed gets a place to go, or the next file opened would be taken for it; the first is this script.
closed() { [ ! -e "/dev/fd/$1" ] || [ "/dev/fd/$1" -ef "${BASH_SOURCE[0]}" ]; }
! closed 0 || exec </dev/null
! closed 1 || exec >/dev/null
! closed 2 || exec 2>/dev/null

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"

[ ! -x "$root/scripts/bootstrap" ] || "$root/scripts/bootstrap" run
python=/usr/bin/python3
[ ! -x "$root/scripts/find-python" ] || python=$("$root/scripts/find-python")

python=("$python" -P -X utf8) # -P: the caller's folder holds none of our modules; utf8: in any locale
compare=("${python[@]}" -m compare)
record=
reads=
for option in "$@"; do
    case "$option" in
        --help | -h) [ -n "$reads" ] || exec "${compare[@]}" --help ;;
        --gate | --trend) reads=yes ;;
        --record | --record=*) record=yes ;;
        --) break ;; # what follows is a program's
    esac
done
if [ -n "$reads" ]; then # nothing is measured, nothing need be built
    exec "${python[@]}" -m analysis "$@"
fi
"${compare[@]}" --check-args "$@" # a misspelt option need not wait for the build
make -s -C "$root" -j"$(nproc)" all >&2 </dev/null
if [ -n "$record" ]; then # the program has our terminal to itself
    exec "${compare[@]}" "$@"
fi

# In the background, so that a signal sent to this script alone reaches the run too.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"${compare[@]}" "$@" >"$said" &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null || true' INT TERM
status=0
while kill -0 "$pid" 2>/dev/null; do # a signal that comes ends 'wait' early
    wait "$pid" || true
done
wait "$pid" || status=$? # bash remembers it
trap - INT TERM

run=$(tail -n 1 "$said")
if [ "$status" -le 1 ] && { [ -f "$run/run.json" ] || [ -f "$run/runs.json" ]; }; then
    (cd "$root" && "${python[@]}" -m analysis "$run") || status=$?
fi
cat "$said"
exit "$status"
