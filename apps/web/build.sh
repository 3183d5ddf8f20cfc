#!/bin/sh
# build.sh VERSION SOURCE... - web/nephron.html and web/*.wasm from the sources of the library: run by `make
# web`. One module for every browser with SIMD128; one more with relaxed SIMD, several times as fast, where
# clang is 16 or later.
set -e
version=$1
shift
. apps/web/compilers.sh
if [ -z "$simd" ]; then
    echo "make web: no clang that compiles and links for WebAssembly. On Debian and Ubuntu:" >&2
    echo "    apt install clang-16 lld-16 libclang-rt-16-dev-wasm32 wasi-libc" >&2
    echo "Another one: make web CLANG=/path/to/clang" >&2
    exit 1
fi
[ -n "$relaxed" ] || echo \
    "note: no clang 16 or later: the page will not use relaxed SIMD and be several times slower than it could"
# one compiler for both modules, so that they share what has no SIMD instruction of its own
base=${relaxed:-$simd}
base=${base% -mrelaxed-simd}
flags="-O2 -std=c11 -D_GNU_SOURCE -DNEPHRON_VERSION=\\\"$version\\\" -D_WASI_EMULATED_MMAN -I. -include apps/web/wasi/posix.h
-Wall -Wextra -ffp-contract=off -fno-math-errno -fvisibility=hidden"
flags=$(echo $flags)
out=build/web
mkdir -p "$out" web
rm -f "$out"/*.o "$out"/*.a
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
sources="apps/web/web.c apps/web/pool_single.c apps/web/memory.c"
for source in "$@"; do
    case $source in # no threads, and of the library what predicts
    fl/nephron.c | fl/nephron_predict.c) sources="$sources $source" ;;
    tensor/base/pool.c | fl/*) ;;
    *) sources="$sources $source" ;;
    esac
done
printf '%s\n' $sources | xargs -P "$jobs" -I FILE sh -c "$base $flags -c FILE -o $out/\$(basename FILE .c).o"
link="-mexec-model=reactor -Wl,-z,stack-size=4194304 -Wl,--strip-all -lm"
$base -o web/nephron_simd128.wasm "$out"/*.o $link
rm -f web/nephron_relaxed.wasm
if [ -n "$relaxed" ]; then
    simd_sources=$(grep -l 'ISA_WASM\|__wasm' $sources)
    mkdir -p "$out/relaxed"
    rm -f "$out"/relaxed/*.o
    cp "$out"/*.o "$out/relaxed"
    printf '%s\n' $simd_sources |
        xargs -P "$jobs" -I FILE sh -c "$relaxed $flags -c FILE -o $out/relaxed/\$(basename FILE .c).o"
    $relaxed -o web/nephron_relaxed.wasm "$out"/relaxed/*.o $link
fi
sh apps/web/page.sh "$version"
