#!/bin/sh
# check_static.sh - what is known without running: no variable outlives a call but the few named here, no
# function has more than 72 kB on the stack (`sh tests/program/check_static.sh frames` lists the largest), and
# none is there that the program does not call, but for tests.
# With CHECK_ALL=1 (check_all.sh) also no warning of gcc and clang with -Wall -Wextra -Wconversion -Wshadow,
# and none of cppcheck but what static.txt lists with its reason; with LINT=1 (`make lint`) the same of
# clang-tidy, which takes longer than all of it. What is not installed is said to be skipped.
. tests/program/lib.sh
remark=

# ---- variables -----------------------------------------------------------------------------------------

# Constant tables of addresses lie in .data.rel.ro, which is read-only once the program is loaded.
variables() { # of archives: file and name of what can be written
    nm -A -f sysv "$@" 2>/dev/null | awk -F'|' '/\|/ { gsub(/ /, "")
        if ($7 ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $7 !~ /^\.data\.rel\.ro/ &&
            $4 ~ /OBJECT|TLS|COMMON/) {
            n = split($1, part, ":"); sub(/\.[0-9]+$/, "", part[n]); print part[n - 1] " " part[n]
        } }' | sort -u
}
# sha256: whether the processor has SHA instructions, found once as cpu's level is.
# cpu: the level, found once (atomic, the same for whoever finds it). volume: the limit of --max-gb, set
# before threads begin. options: the common options of a command that has no place of its own for them.
# interrupt: what a signal handler may write. console: that a text was lost for want of memory, which main
# asks for at the end, as of a stream. info_images: text that is printed at once by the one thread there is.
cat >"$work/allowed" <<'END'
console.o lost
info_images.o text
info_images.o turn
cpu.o cached_hardware
cpu.o cached_level
gzip.o cached
interrupt.o caught
options.o common
sha256.o cached
volume.o limit_gigabytes
END
printf 'static int counter; int *next(void); int *next(void) { return &counter; }\n' >"$work/counter.c"
${CC:-cc} -c "$work/counter.c" -o "$work/counter.o" && ar rc "$work/counter.a" "$work/counter.o"
[ "$(variables "$work/counter.a")" = "counter.o counter" ]
ok "a variable is found where there is one" $?
variables libnephron.a build/apps.a >"$work/variables"
grep -q 'cpu.o cached_level' "$work/variables"
ok "the names are found" $?
grep -vxF -f "$work/allowed" "$work/variables" >"$work/out"
[ ! -s "$work/out" ]
ok "variables that outlive a call: $(tr '\n' ',' <"$work/out")" $?

# ---- frames --------------------------------------------------------------------------------------------

# musl gives a thread 128 kB. What a function takes is read off its instructions, where they are x86-64's;
# a number that does not fit 31 bits is a negative one.
most=73728
frames() { # program: bytes and function, the largest first
    objdump -d --no-show-raw-insn "$1" |
        sed -n 's/^[0-9a-f]* <\(.*\)>:$/\1/p; s/.*sub  *\$\(0x[0-9a-f]\{1,8\}\),%rsp$/\1/p' |
        awk '/^0x/ { print $1, name; next } { name = $1 }' |
        while read -r bytes name; do echo "$((bytes)) $name"; done | sort -rn
}
if command -v objdump >/dev/null && [ "$(uname -m)" = x86_64 ]; then
    printf 'void fill(char *); void f(void) { char a[%d]; fill(a); }\n' $most >"$work/frame.c"
    ${CC:-cc} -O1 -c "$work/frame.c" -o "$work/frame.o"
    [ "$(frames "$work/frame.o" | awk -v most=$most '$1 > most { print $2 }')" = f ]
    ok "a frame that is too large is found" $?
    frames "$nephron" >"$work/frames"
    [ "$(wc -l <"$work/frames")" -gt 500 ] && [ -z "$(awk -v most=$most '$1 > most' "$work/frames")" ]
    ok "frames above $most bytes: $(awk -v most=$most '$1 > most' "$work/frames" | tr '\n' ',')" $?
    [ "$1" != frames ] || head -n 20 "$work/frames"
else echo "skipped: no objdump of x86-64"; fi

# ---- functions -----------------------------------------------------------------------------------------

# Of functions that others can call, those whose name stands once in the program's sources, where they are
# defined: what only tests call has a line "uncalled NAME # reason" in static.txt, what nothing calls goes.
make -s sources >"$work/sources"
uncalled() { # archives
    nm -g --defined-only "$@" 2>/dev/null | awk '$2 == "T" && $3 !~ /^nephron_/ { print $3 }' | sort -u \
        >"$work/defined"
    cat $(cat "$work/sources") $(find tensor -name '*template*.h') apps/mpi/main_mpi.c |
        tr -cs 'A-Za-z0-9_' '\n' | sort | uniq -c | awk '$1 == 1 { print $2 }' | sort >"$work/once"
    comm -12 "$work/defined" "$work/once"
}
uncalled libnephron.a build/apps.a >"$work/uncalled"
grep -qx conv3d_ref_bwd_w "$work/uncalled"
ok "a function that only tests call is found" $?
sed -n 's/^uncalled \([^ ]*\) # .*/\1/p' tests/program/static.txt | sort >"$work/reasons"
new=$(comm -23 "$work/uncalled" "$work/reasons" | tr '\n' ' ')
[ -z "$new" ]
ok "functions that nothing in the program calls: $new" $?
old=$(comm -13 "$work/uncalled" "$work/reasons" | tr '\n' ' ')
[ -z "$old" ]
ok "static.txt has functions that are called, or gone: $old" $?

[ -n "$CHECK_ALL" ] || { finish; exit; }

# ---- warnings ------------------------------------------------------------------------------------------

jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
language="-std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION=\"x\" -I."
without() { # program: says that it is skipped
    command -v "$1" >/dev/null && return 1
    remark="$remark, $1 skipped"
}
warnings() { # compiler and options: no warning
    compiler=$1
    shift
    without "$compiler" && return
    xargs -P "$jobs" -n 8 "$compiler" -fsyntax-only $language -Wall -Wextra -Wconversion -Wshadow "$@" \
        <"$work/sources" 2>&1 |
        grep -E 'warning:|error:' | sort -u >"$work/out"
    cat "$work/out"
    [ ! -s "$work/out" ]
    ok "$compiler: $(wc -l <"$work/out") warnings" $?
}
warnings gcc
# clang's takes a double that is a condition for a loss; gcc's finds what is one
warnings clang -Wno-float-conversion

# ---- analysers -----------------------------------------------------------------------------------------

# tool, findings as "file: id": those that static.txt does not list (lines "tool file id # reason", file *
# for any)
listed() {
    sed -n "s/^$1 \([^#]*[^# ]\) *#.*/\1/p" tests/program/static.txt >"$work/reasons"
    while read -r file id; do
        grep -qxF -e "${file%:} $id" -e "* $id" "$work/reasons" || echo "$file $id"
    done <"$2" >"$work/out"
    cat "$work/out"
    [ ! -s "$work/out" ]
    ok "$1: $(wc -l <"$work/out") findings that static.txt has no reason for" $?
}
if ! without cppcheck; then
    mkdir -p build/lint/cppcheck # what it found in a file, until that changes
    cppcheck --cppcheck-build-dir=build/lint/cppcheck --std=c11 -D_GNU_SOURCE -D__x86_64__ -D__GNUC__=12 \
        -I. -j "$jobs" --quiet \
        --enable=warning,portability \
        --inline-suppr --suppress=missingInclude --suppress=missingIncludeSystem --template='{file}: {id}' \
        --file-list="$work/sources" 2>"$work/err"
    sort -u "$work/err" | grep -v '^nofile' >"$work/found"
    listed cppcheck "$work/found"
fi

# clang-tidy's bugprone, cert and the analyser, without those that ask for another language or style:
#   easily-swappable-parameters, branch-clone, suspicious-string-compare   style
#   DeprecatedOrUnsafeBufferHandling   wants Annex K, which glibc has not
#   strcpy, cert-err34-c (atoi)     the length, and that they are digits, is checked on the lines before
#   cert-err33-c                                                             printf's result
#   implicit-widening-of-multiplication-result, narrowing-conversions, misplaced-widening-cast
#       -Wconversion above; sizes are checked where they are read
#   valist.Uninitialized            clang 14 takes every va_list behind the first file for one
#   sizeof-expression               sizeof *p of an array of pointers
#   FloatLoopCounter, cert-flp30-c  the counter of a recurrence is its argument
#   excessive padding (Padding)     no bug
# File by file it does not see that error_set returns -1: analyser.h tells it.
checks='-*,bugprone-*,cert-*,clang-analyzer-*'
for check in bugprone-easily-swappable-parameters bugprone-branch-clone bugprone-suspicious-string-compare \
    clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling \
    clang-analyzer-security.insecureAPI.strcpy \
    cert-err34-c cert-err33-c bugprone-implicit-widening-of-multiplication-result \
    bugprone-narrowing-conversions \
    bugprone-misplaced-widening-cast clang-analyzer-valist.Uninitialized bugprone-sizeof-expression \
    clang-analyzer-security.FloatLoopCounter cert-flp30-c clang-analyzer-optin.performance.Padding; do
    checks=$checks,-$check
done
# What was said of a file is kept in build/lint by a hash of all that it was read from, so that a second run
# reads what has changed: an hour of one processor otherwise.
tidy='
    language="-std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION=\"x\" -I. -Wno-unused-value"
    language="$language -include tests/program/analyser.h"
    read_from=$(${CC:-cc} -MM $language "$1" | tr -d "\\\\\n" | sed "s/^[^:]*://")
    kept=build/lint/$({ clang-tidy --version; echo "$0 $1 $language"; cat $read_from; } | sha256sum |
        cut -c 1-40)
    [ -e "$kept" ] || {
        clang-tidy --quiet --checks="$0" "$1" -- $language >"$kept.$$" 2>/dev/null ||
            echo "$1:1: error: exit code $? [no-end]" >>"$kept.$$"
        mv "$kept.$$" "$kept"
    }
    cat "$kept"'
findings() { # files on stdin: what clang-tidy says, one a line
    xargs -P "$jobs" -n 1 sh -c "$tidy" "$checks" | grep -E 'warning:|error:' |
        sed "s|^$root/||; s|^\./||" | sort -u
}
if [ -n "$LINT" ] && ! without clang-tidy; then
    mkdir -p build/lint
    printf 'int f(int a);\nint f(int a) { if (a == 0) return 1 / a; return a; }\n' >"$work/divides.c"
    echo "$work/divides.c" | findings | grep -q DivideZero
    ok "clang-tidy: a division by 0 is found" $?
    grep -vx io/base/error.c "$work/sources" | findings >"$work/tidy"
    cat "$work/tidy" >build/lint/findings
    sed 's/^\([^:]*\):.*\[\([^],]*\)[^]]*\]$/\1: \2/' "$work/tidy" | sort -u >"$work/found"
    listed clang-tidy "$work/found"
fi
finish "$remark"
