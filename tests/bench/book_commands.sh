#!/bin/sh
# book_commands.sh [CHAPTER...] - runs what the book's chapters give to try, each chapter's commands as they stand
# there, in a fresh clone of the last commit, and prints chapter, seconds and exit code. A command that fails ends
# its chapter. A table on the standard output; what the commands print goes to book_commands.log. Exit code 1 if
# any chapter fails.
set -e
here=$PWD
commit=$(git rev-parse --short HEAD)
work=$(mktemp -d "${TMPDIR:-/tmp}/nephron_book_XXXXXX")
trap 'rm -rf "$work"' EXIT
git clone -q "$here" "$work/nephron"
cd "$work/nephron"
make -j2 >"$work/make.log" 2>&1 || { tail -n 5 "$work/make.log"; exit 1; }
[ $# -gt 0 ] || set -- docs/book/[0-9][0-9]_*.md
echo "| chapter (commit $commit, $(nproc) processors) | seconds | exit code |"
echo "|---|---|---|"
failed=0
for chapter; do
    { # all blocks of commands
        echo "set -e"
        awk '/^```/{ inside = !inside && /^```sh$/; next } inside' "$chapter"
    } >"$work/commands"
    begin=$(date +%s)
    code=0
    sh "$work/commands" >"$work/out" 2>&1 || code=$?
    [ $code -eq 0 ] || failed=1
    { echo "== $chapter, exit code $code"; cat "$work/out"; } >>"$work/log"
    echo "| $(basename "$chapter" .md) | $(($(date +%s) - begin)) | $code |"
done
cp "$work/log" "$here/book_commands.log"
exit $failed
