#!/bin/sh
# check_bits.sh - the same bits everywhere: bits.c is built and run, and each hash that it prints is compared
# with hashes.txt. Here with the tree's own objects at each level of this machine; with CHECK_ALL=1 (`make
# check-bits`) with gcc and clang at -O0, -O2 and -O3, with glibc and static musl, with 1, 2, 3 and 8 threads;
# on aarch64, riscv64 and s390x (big-endian) under emulation; in WebAssembly; and one network as C (nephron
# export) on all of them and on a Cortex-M55. What is not installed, and a level that this machine has not, is
# listed as skipped. Copies are built under build/bits and stay: the next run compiles what changed. FEW=1:
# each compiler, optimisation, level, number of threads and machine, but not each with each (what check-all
# has time for): this build stands for gcc -O2, clang is there at -O2. PARTS="aarch64 s390x" runs only the
# parts of these names (gcc-O0 ... clang-O3 musl aarch64 riscv64 s390x wasm device). After a change of
# arithmetic that is meant: sh tests/bits/check_bits.sh --update [NAME...] writes all lines, or those of these
# names; the phantom's is check_phantom's.
root=$(pwd)
want=$root/tests/bits/hashes.txt
work=$root/build/bits
flags="-std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -ffp-contract=off -fno-math-errno -pthread"
sources="tests/bits/bits.c tests/bits/bits_learn.c tests/bits/bits_measure.c"
jobs=$(getconf _NPROCESSORS_ONLN)
passed=0
failed=0
skipped=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/nephron_bits_XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$work" "$tmp/files"

ok() { # description, status
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1"; fi
}
skip() { echo "skipped $1: $2"; skipped=$((skipped + 1)); }
have() { command -v "$1" >/dev/null; }

# The lines wanted at a level: bf16 has its own constant where the level multiplies bf16.
wanted() { # level
    case $1 in
    amx | avx512bf16) sed -n "s/@$1=/=/p" "$want"; grep -v '_bf16[@=]' "$want" ;;
    *) grep -v @ "$want" ;;
    esac
}

# description, level wanted (any: ""), file of lines; others than these of the program are not looked at
compare() {
    level=$(sed -n 's/^level=//p' "$3")
    if [ -n "$2" ] && [ "$level" != "$2" ]; then
        skip "$1" "this machine has not the level $2"
        return
    fi
    [ "$level" != amx ] || grep -q '@amx=' "$want" || skip "$1, bf16" "no constant is known for this level"
    wanted "$level" | while IFS= read -r line; do
        case $line in
        files=*) [ -z "$no_files" ] || continue ;;
        esac
        grep -q "^$line\$" "$3" ||
            echo "$1: ${line%%=*} is $(sed -n "s/^${line%%=*}=//p" "$3"), not ${line#*=}"
    done >"$tmp/differs"
    cat "$tmp/differs"
    [ ! -s "$tmp/differs" ] || echo "$1: where that is meant: sh tests/bits/check_bits.sh --update NAME"
    [ ! -s "$tmp/differs" ] && grep -q '^phantom=' "$3"
    ok "$1" $?
}

run() { # description, level wanted ("": the machine's own), threads, command that is bits...
    what=$1
    level=$2
    threads=$3
    shift 3
    folder=$tmp/files
    [ -z "$no_files" ] || folder=
    NEPHRON_ISA=$level "$@" "$root" "$threads" $folder >"$tmp/lines" 2>"$tmp/errors"
    cat "$tmp/errors"
    compare "$what, ${level:-its level}, $threads threads" "$level" "$tmp/lines"
}

# ---- here ----------------------------------------------------------------------------------------------

native() { # the tree's objects
    ${CC:-cc} $flags -O2 $sources build/apps.a libnephron.a -lm -o "$tmp/native" ||
        { ok "bits compiles" 1; exit 1; }
}

# The phantom's line is not in hashes.txt: check_phantom.c holds its constant, here all others are as this
# build's.
with_phantom() {
    { cat "$want"; "$tmp/native" "$root" 1 | grep '^phantom='; } >"$tmp/want"
    want=$tmp/want
}

if [ "$1" = --update ]; then
    shift
    native
    NEPHRON_ISA=avx512 "$tmp/native" "$root" 1 "$tmp/files" | grep -v -e '^level=' -e '^phantom=' >"$tmp/new"
    for level in avx512bf16 amx; do
        NEPHRON_ISA=$level "$tmp/native" "$root" 1 >"$tmp/lines"
        grep -q "^level=$level\$" "$tmp/lines" && sed -n "s/_bf16=/_bf16@$level=/p" "$tmp/lines" >>"$tmp/new"
    done
    if [ $# -eq 0 ]; then # lines of levels that are not here stay
        grep @ "$want" 2>/dev/null | while IFS= read -r line; do
            grep -q "^${line%%=*}=" "$tmp/new" || echo "$line"
        done >>"$tmp/new"
        cp "$tmp/new" "$want"
    fi
    for name in "$@"; do
        line=$(grep "^$name=" "$tmp/new") || { echo "no line '$name'"; exit 1; }
        sed "s/^$name=.*/$line/" "$want" >"$tmp/lines" && cp "$tmp/lines" "$want"
    done
    exit 0
fi

if [ -z "$CHECK_ALL" ]; then
    native
    with_phantom
    run "this build" "" 3 "$tmp/native"
    grep -q avx512bw /proc/cpuinfo 2>/dev/null && run "this build" avx2 2 "$tmp/native"
    echo "check_bits: $passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
fi

# ---- every compiler, level and machine -----------------------------------------------------------------

wants() { # part
    case " ${PARTS:-$1} " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

build() { # name, compiler, its flags, flags of the link: build/bits/NAME/bits
    mkdir -p "$work/$1"
    tar cf - --exclude='*.o' --exclude='*.d' --exclude='*.a' Makefile tensor nn fl io apps tests/bits \
        tests/unit/expect.h | tar xf - -C "$work/$1"
    phantom=$(echo apps/phantom/*.c | sed 's/\.c/.o/g')
    (cd "$work/$1" && make -j"$jobs" libnephron.a $phantom CC="$2" CFLAGS="$3" &&
        $2 $flags $3 $sources $phantom libnephron.a $4 -lm -o bits) \
        >"$work/$1.log" 2>&1 && return
    tail -n 5 "$work/$1.log"
    ok "$1 builds" 1
    return 1
}

some() { # numbers of threads: with FEW one of them, another one each time
    [ -n "$FEW" ] && shift $((turns % $#)) && set -- "$1"
    echo "$@"
}

here_is() { # level: whether this processor has it
    case $1 in
    scalar) return 0 ;;
    avx512) flag=avx512bw ;;
    avx512bf16) flag=avx512_bf16 ;;
    amx) flag=amx_bf16 ;;
    *) flag=$1 ;;
    esac
    grep -qw "$flag" /proc/cpuinfo 2>/dev/null
}

levels() { # numbers of threads, name, program
    for level in scalar avx2 avx512 avx512bf16 amx; do
        here_is $level || { skip "$2, $level" "this machine has not the level"; continue; }
        turns=$((turns + 1))
        for threads in $(some $1); do run "$2" $level $threads "$3"; done
    done
}

here() { # numbers of threads, name, compiler, flags, flags of the link: at each level
    counts=$1
    shift
    wants "$1" || return
    have "${2%% *}" || { skip "$1" "$2 is not installed"; return; }
    build "$@" && levels "$counts" "$1" "$work/$1/bits"
}

elsewhere() { # name, compiler, emulator, flags: with 1 and 3 threads
    wants "$1" || return
    emulator=$(command -v "$3" || command -v "$3-static")
    have "$2" && [ -n "$emulator" ] || { skip "$1" "$2 or $3 is not installed"; return; }
    build "$1" "$2" "-O1 $4" -static || return
    turns=1 # emulated threads: 3
    for threads in $(some 1 3); do run "$1" "" $threads "$emulator" "$work/$1/bits"; done
    [ "$1" != aarch64 ] || [ -n "$FEW" ] || run "$1" scalar 1 "$emulator" "$work/$1/bits"
}

turns=0
native
with_phantom
if [ -n "$FEW" ]; then
    ! wants gcc-O2 || levels "1 2 3 8" "this build" "$tmp/native"
else
    here "1 2 3 8" gcc-O2 gcc -O2
    here "1 3" clang-O0 clang -O0
    here "1 3" clang-O3 clang -O3
fi
here "1 3" gcc-O0 gcc -O0
here "1 3" gcc-O3 gcc -O3
here "1 2 3 8" clang-O2 clang -O2
here "1 2 3 8" musl musl-gcc -O2 -static
elsewhere aarch64 aarch64-linux-gnu-gcc qemu-aarch64
elsewhere riscv64 riscv64-linux-gnu-gcc qemu-riscv64
# ISO C lets gcc take floats for doubles there
elsewhere s390x s390x-linux-gnu-gcc qemu-s390x -fexcess-precision=fast

# ---- WebAssembly ---------------------------------------------------------------------------------------

wasm() { # name, compiler
    wants wasm || return
    [ -n "$2" ] && have node ||
        { skip "$1" "node, clang, lld or wasi-libc is not installed, or clang is too old"; return; }
    mkdir -p "$work/$1"
    rm -f "$work/$1"/*.o
    # without threads: clang 14 has no errno of a thread's own there
    compile="$2 -O2 -DNEPHRON_VERSION=\\\"x\\\" -D_WASI_EMULATED_MMAN -include tests/bits/wasi.h"
    compile="$compile ${flags% -pthread}"
    (make -s sources | grep -E '^(tensor|io|nn|fl|apps/phantom|build)/' |
        grep -vE '^tensor/base/pool.c|^fl/federate.c'
        echo $sources apps/web/pool_single.c | tr ' ' '\n') |
        xargs -P "$jobs" -I FILE sh -c "$compile -c FILE -o $work/$1/\$(basename FILE .c).o" >"$work/$1.log" \
        2>&1 &&
        $2 -O2 -D_WASI_EMULATED_MMAN -include apps/web/wasi/posix.h -c apps/web/memory.c -o \
        "$work/$1/memory.o" &&
        $2 "$work/$1"/*.o -Wl,-z,stack-size=4194304 -lm -o "$work/$1.wasm" ||
        { tail -n 5 "$work/$1.log"; ok "$1 builds" 1; return; }
    engine=
    node --v8-options | grep -q -e --experimental-wasm-relaxed-simd && engine=--experimental-wasm-relaxed-simd
    for level in simd128 scalar; do
        run "$1" $level 1 node --no-warnings $engine tests/bits/run.mjs "$work/$1.wasm"
    done
}
. apps/web/compilers.sh
wasm wasm-simd128 "$simd"
[ -n "$FEW" ] || wasm wasm-relaxed "$relaxed"

# ---- one network as C ----------------------------------------------------------------------------------

# of a machine, by either name
emulator() { command -v "qemu-$1" || command -v "qemu-$1-static" || echo "qemu-$1"; }

the_hash() { # machine, file of logits
    hash=$(sha256sum "$2" | cut -c1-16)
    echo "  network as C on $1: $hash"
    grep -q "^network=$hash\$" "$want"
    ok "network as C, $1: $hash" $?
}

device() { # machine, emulator (or ""), compiler and flags...
    machine=$1
    emulator=$2
    shift 2
    have "$1" && { [ -z "$emulator" ] || have "${emulator%% *}"; } ||
        { skip "network as C, $machine" "$1 or $emulator is not installed"; return; }
    in=$work/network/sample.input
    "$@" -std=c11 -O2 -ffp-contract=off "$work"/network/*.c -o "$tmp/device" 2>"$tmp/errors" ||
        cat "$tmp/errors"
    # main.c reads and writes floats in the machine's own order of bytes
    [ "$machine" != s390x ] || { objcopy -I binary -O binary --reverse-bytes=4 "$in" "$tmp/input" &&
        in=$tmp/input; }
    $emulator "$tmp/device" logits <"$in" >"$tmp/output" 2>"$tmp/errors"
    cat "$tmp/errors"
    [ "$machine" != s390x ] || { objcopy -I binary -O binary --reverse-bytes=4 "$tmp/output" "$tmp/input" &&
        cp "$tmp/input" "$tmp/output"; }
    the_hash "$machine" "$tmp/output"
}

board() { # a Cortex-M55 without an operating system
    have arm-none-eabi-gcc && have qemu-system-arm ||
        { skip "network as C, Cortex-M55" "arm-none-eabi-gcc or qemu-system-arm is not installed"; return; }
    arm-none-eabi-gcc -mcpu=cortex-m55 -mfloat-abi=hard -std=c11 -O2 -ffp-contract=off --specs=rdimon.specs \
        -nostartfiles -T apps/export/m55.ld \
        apps/export/m55_startup.c "$work"/network/*.c -o "$tmp/m55" 2>"$tmp/errors" || cat "$tmp/errors"
    rm -f "$tmp/output"
    timeout 200 qemu-system-arm -M mps3-an547 -nographic -kernel "$tmp/m55" -semihosting-config \
        "enable=on,target=native,arg=network,arg=$work/network/sample.input,arg=$tmp/output,arg=logits" \
        2>"$tmp/errors" </dev/null
    the_hash Cortex-M55 "$tmp/output"
}

browser() { # the compiler for WebAssembly: a page that holds the network and its sample, in headless Chromium
    CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
    [ -n "$1" ] && [ -n "$CHROMIUM" ] && have node ||
        { skip "network as C, Chromium" "chromium, node or clang is not installed"; return; }
    export CHROMIUM
    $1 -std=c11 -O2 -ffp-contract=off -nostartfiles -I"$work/network" tests/bits/browser.c \
        "$work"/network/network.c "$work"/network/weights.c \
        "$work"/network/device_kernels.c -Wl,--no-entry -Wl,--export=page_input -Wl,--export=page_run \
        -Wl,--export=page_outputs -o "$tmp/page.wasm"
    cat >"$tmp/page.html" <<END
<script>
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
let logits;
WebAssembly.instantiate(bytes('$(base64 -w 0 "$tmp/page.wasm")')).then(({ instance: { exports: n } }) => {
  const place = n.page_input(), sample = bytes('$(base64 -w 0 "$work/network/sample.input")');
  new Uint8Array(n.memory.buffer).set(sample, place);
  logits = new Uint8Array(n.memory.buffer, n.page_run(), 4 * n.page_outputs());
});
</script>
END
    rm -f "$tmp/output"
    node tests/program/web_driver.mjs "$tmp/page.html" "wait:logits" "bytes:logits=$tmp/output"
    the_hash Chromium "$tmp/output"
}

if ! wants device; then
    echo "check_bits: $passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ]
    exit
fi
rm -rf "$work/network"
"$tmp/native" "$root" export "$work/network" || ok "the network is exported" 1
device x86-64 "" gcc
grep -q avx2 /proc/cpuinfo && device x86-64-v3 "" gcc -march=x86-64-v3
grep -q avx512bw /proc/cpuinfo && device x86-64-v4 "" gcc -march=x86-64-v4
device x86-64-clang "" clang
for machine in aarch64 riscv64; do device $machine "$(emulator $machine)" $machine-linux-gnu-gcc -static; done
device s390x "$(emulator s390x)" s390x-linux-gnu-gcc -static -fexcess-precision=fast
board
[ -z "$simd" ] || device wasm "node --no-warnings tests/bits/run.mjs" $simd
browser "$simd"
echo "check_bits: $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
