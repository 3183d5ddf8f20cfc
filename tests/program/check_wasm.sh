#!/bin/sh
# check_wasm.sh - the kernels compiled to WebAssembly give in node the bits of plain C (wasm_levels.c), with
# SIMD128 alone and with relaxed SIMD. What is not installed (clang, its WebAssembly linker and wasi-libc,
# node; clang 16 for relaxed SIMD) is not checked, and the last line then says so. Run by check-all: compiling
# takes minutes.
. tests/program/lib.sh
. apps/web/compilers.sh
cat >"$work/run.mjs" <<'END'
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';
const wasi = new WASI({ version: 'preview1', args: ['wasm_levels'], env: {} });
const module = await WebAssembly.compile(await readFile(process.argv[2]));
const imports = { wasi_snapshot_preview1: wasi.wasiImport };
process.exitCode = wasi.start(await WebAssembly.instantiate(module, imports));
END
sources="tests/program/wasm_levels.c apps/web/pool_single.c tensor/reference/conv_ref.c
tensor/base/amx.c tensor/base/check.c tensor/base/cpu.c tensor/base/level_kernels.c tensor/base/rng.c
tensor/base/rng_normals.c tensor/base/vmath.c $(echo tensor/conv/*.c tensor/direct/*.c)
$(echo tensor/winograd/*.c tensor/tiles/*.c tensor/elem/*.c)"
skipped=

run_level() { # NAME COMMAND
    if [ -z "$2" ] || ! command -v node >/dev/null; then
        echo "skipped $1: node, clang, lld or wasi-libc is not installed, or clang is too old"
        skipped=", $1 skipped"
        return
    fi
    engine=
    node --v8-options | grep -q -e --experimental-wasm-relaxed-simd && engine=--experimental-wasm-relaxed-simd
    compiler="$2 -O2 -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno"
    mkdir -p "$work/$1"
    if ! printf '%s\n' $sources |
        xargs -P 3 -I FILE sh -c "$compiler -c FILE -o $work/$1/\$(basename FILE .c).o" ||
        ! $compiler -o "$work/$1.wasm" "$work/$1"/*.o; then
        fail "$1: the kernels do not compile to WebAssembly"
        return
    fi
    output=$(timeout 60 node --no-warnings $engine "$work/run.mjs" "$work/$1.wasm" 2>&1)
    printf '%s\n' "$output" | sed "s/^check_wasm: /$1: /"
    counts=$(printf '%s\n' "$output" | sed -n 's/^check_wasm: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p')
    [ -n "$counts" ] || echo "FAILED $1: it did not end"
    set -- ${counts:-0 1}
    passed=$((passed + $1))
    failed=$((failed + $2))
}

run_level simd128 "$simd"
run_level relaxed "$relaxed"
finish "$skipped"
