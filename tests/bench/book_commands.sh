#!/bin/sh
# book_commands.sh [CHAPTER...] - runs what the book's chapters give to try, each chapter's commands in their
# order as they stand there, in a fresh clone of the last commit, and prints a table: chapter, commands, those
# that failed, seconds. A command fails where any program in it does, where one that is to be refused is not,
# or where nothing is printed. What the commands print goes to book_commands.log. Exit code 1 if any fails. A
# CHAPTER is a file, such as docs/book/01_voxel.md.
# Needs bash, git, make and a compiler.
[ $# -gt 0 ] || set -- docs/book/[0-9][0-9]_*.md
for chapter; do
    [ -f "$chapter" ] || { echo "book_commands.sh: $chapter: no such chapter" >&2; exit 2; }
done
here=$PWD
log=$here/book_commands.log
work=$(mktemp -d "${TMPDIR:-/tmp}/nephron_book_XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
git clone -q "$here" "$work/nephron" && cd "$work/nephron" || exit 1
commit=$(git rev-parse --short HEAD)
make -j2 >"$work/make.log" 2>&1 || { tail -n 5 "$work/make.log"; exit 1; }
: >"$log"

# The next command of standard input, lines up to where a shell finds nothing open.
next_command() {
    command=
    while IFS= read -r line; do
        command=$command$line
        case $line in
        *\\) ;;
        *) bash -n -c "$command" 2>/dev/null && return 0 ;;
        esac
        command="$command
"
    done
    [ -n "$command" ]
}
# A program that is stopped because the next one has read enough (141) does not fail.
run() {
    bash -o pipefail -c "$command" </dev/null >"$work/out" 2>&1
    code=$?
    { echo "\$ $command"; cat "$work/out"; echo "[exit code $code]"; } >>"$log"
    [ $code -eq 0 ] || [ $code -eq 141 ] || return 1
    case $command in
    *'|| echo "exit code'*) grep -q '^exit code' "$work/out" ;;
    *' >'* | *--quiet* | 'cc '*) ;; # says nothing where all went well
    *) [ -s "$work/out" ] ;;
    esac
}

echo "| chapter (commit $commit, $(nproc) processors) | commands | failed | seconds |"
echo "|---|---|---|---|"
all=0
all_failed=0
for chapter; do
    awk '/^```/{ inside = !inside && /^```sh$/; next } inside && !/^#/' "$chapter" >"$work/commands"
    echo "== $chapter" >>"$log"
    begin=$(date +%s)
    count=0
    failed=0
    while next_command; do
        count=$((count + 1))
        run || { failed=$((failed + 1)); echo "FAILED $chapter: $command" >&2; }
    done <"$work/commands"
    echo "| $(basename "$chapter" .md) | $count | $failed | $(($(date +%s) - begin)) |"
    all=$((all + count))
    all_failed=$((all_failed + failed))
done
echo "book_commands: $all commands, $all_failed failed" | tee -a "$log"
[ $all_failed -eq 0 ]
