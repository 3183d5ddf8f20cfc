#!/bin/sh
# coverage.sh CHECK... - line and branch coverage of checks (the Makefile's programs and scripts; `make
# coverage` gives all of `make check`), by gcc and gcov alone. Works on a copy in build/coverage, which stays;
# counts start anew. Prints a table of folders and the functions that nothing called, and keeps both in
# build/coverage/table and build/coverage/uncalled. What a check kills or what runs in another build (a page,
# a board) is not seen.
root=$(pwd)
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
copy=$root/build/coverage
mkdir -p "$copy"
find Makefile README.md LICENSE tensor nn fl io apps tests docs \( -path tests/data -o -path \
    tests/fuzz/corpus \) -prune -o \
    -type f \( -name '*.*' ! -name '*.[oad]' ! -name '*.gc??' -o -name Makefile -o -name LICENSE \) -print |
    tar cf - -T - | tar xf - -C "$copy"
for folder in data fuzz/corpus; do ln -sfn "$root/tests/$folder" "$copy/tests/$folder"; done
cd "$copy" || exit 1
# Kernels are not counted but with KERNELS=1: they take most of the time, and tests/kernels compares each with
# plain loops. Their counters are not atomic: threads that share one would take ten times as long.
# Left out are the checks that make allocations and writes fail, gcov's own too, or kill programs: they leave
# half a file of counts, and what others had counted there is lost; and those that look at what the library
# exports or at the sources, not at what they do.
programs=
checks=
for check in "$@"; do
    case $KERNELS$check in tests/kernels/*) continue ;; esac
    case $check in
    *check_memory.sh | *check_memory_io.sh | *check_library_memory | *check_writes.sh | *kills.sh) continue ;;
    *check_library.sh | *check_static.sh | *check_docs.sh) continue ;;
    esac
    checks="$checks $check"
    case $check in *.sh) ;; *) programs="$programs $check" ;; esac
done
kernels=$(make -s kernels)
[ -n "$KERNELS" ] || make -s -j"$jobs" $kernels CC="${CC:-cc}" >build.log 2>&1
# What scripts build is linked with these objects: by their own make, or by $CC.
export CC="${CC:-cc} --coverage"
MAKEFLAGS=CC=$(echo "$CC" | sed 's/ /\\ /g')
export MAKEFLAGS
{
    make -s -j"$jobs" $kernels &&
        make -s -j"$jobs" nephron $programs CFLAGS="-O1 -g -fprofile-update=atomic"
} >>build.log 2>&1 || { tail -n 5 build.log; exit 1; }
find . -name '*.gcda' -exec rm -f {} +
sh tests/run_checks.sh $checks >run.log 2>&1
tail -n 1 run.log

# gcov says of each object, of every function and file in it: lines, branches. Of a header with code that
# several objects include the one that ran most of it counts.
make -s sources | grep -v '^build/' | while read -r source; do
    [ ! -e "${source%.c}.gcda" ] && [ ! -e "${source%.c}.gcno" ] ||
        gcov -b -c -f -n "${source%.c}.o" 2>/dev/null |
        sed "s|^|$source	|"
done >gcov.log
# A check may have a source in itself, to call what is static there.
for program in $programs; do
    ! grep -q '^#include ".*\.c"' "$program.c" ||
        gcov -b -c -f -n "$program-${program##*/}.gcda" 2>/dev/null | sed "s|^|$program	|"
done >>gcov.log
awk -F'\t' '
    function share(text) { sub(/^[^:]*:/, "", text); sub(/%.*/, "", text); return text / 100 }
    function total(text) { sub(/.* of /, "", text); return text + 0 }
    { text = $2 }
    text ~ /^Function / { function_name = text; gsub(/^Function .|.$/, "", function_name); file = "" }
    text ~ /^File / { file = text; gsub(/^File .|.$/, "", file); function_name = ""; first = 1 }
    text ~ /^Lines executed/ && function_name {
        if ($1 ~ /^tests/ && share(text) > 0) called[$1, function_name] = 1
        else if ($1 !~ /^tests/ && share(text) == 0) uncalled[$1, function_name] = 1 }
    $1 ~ /^tests/ && text ~ /^File / { inside[file] = $1 }
    # the second line behind a file is the sum of all files
    text ~ /^Lines executed/ && file && first && file !~ /^\/|^tests/ { n = total(text); ran = share(text) * n
        if (!(file in lines) || ran > run[file]) { lines[file] = n; run[file] = ran; counts = 1 }
            else counts = 0
        first = 0 }
    text ~ /^Taken at least once/ && file && file !~ /^\/|^tests/ && counts { branches[file] = total(text)
        taken[file] = share(text) * total(text) }
    END {
        for (key in uncalled) {
            split(key, part, SUBSEP)
            if (!((inside[part[1]], part[2]) in called)) print part[1] ": " part[2] >"uncalled.all" }
        for (file in lines) { folder = file; sub(/\/[^\/]*$/, "", folder)
            l[folder] += lines[file]; r[folder] += run[file]; b[folder] += branches[file];
                t[folder] += taken[file]
            L += lines[file]; R += run[file]; B += branches[file]; T += taken[file] }
        for (folder in l) printf "| %s | %d | %.1f %% | %d | %.1f %% |\n", folder, l[folder],
            100 * r[folder] / l[folder], b[folder], b[folder] ? 100 * t[folder] / b[folder] : 100 | "sort"
        close("sort")
        if (L) printf "| all | %d | %.1f %% | %d | %.1f %% |\n", L, 100 * R / L, B, 100 * T / B
    }' gcov.log >rows
{
    echo '| folder | lines | run | branches | taken |'
    echo '|---|---:|---:|---:|---:|'
    cat rows
} >table
sort -u uncalled.all >uncalled 2>/dev/null
cat table
echo "functions that nothing called: $(wc -l <uncalled)"
cat uncalled
