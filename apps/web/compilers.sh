# compilers.sh - sourced: sets $simd and $relaxed to commands that compile and link for WebAssembly in WASI,
# with SIMD128 and with relaxed SIMD, or to nothing where there is none. CLANG names another clang than those
# tried here. Relaxed SIMD needs clang 16 or later: earlier ones write the instructions by numbers that were
# changed since.

wasm_works() { # COMMAND...: links an empty program
    printf 'int main(void) { return 0; }\n' >"$1/none.c" || return 1
    where=$1
    shift
    "$@" "$where/none.c" -o "$where/none.wasm" >/dev/null 2>&1
}

wasm_probe=${TMPDIR:-/tmp}/nephron_compilers.$$
mkdir -p "$wasm_probe"
simd=
relaxed=
for clang in ${CLANG:-clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang clang-15 clang-14}; do
    command -v "$clang" >/dev/null || continue
    wasm_version=$(printf '__clang_major__\n' | "$clang" -E -P - 2>/dev/null)
    [ -n "$simd" ] || ! wasm_works "$wasm_probe" "$clang" --target=wasm32-wasi -msimd128 ||
        simd="$clang --target=wasm32-wasi -msimd128"
    [ "${wasm_version:-0}" -ge 16 ] && [ -z "$relaxed" ] || continue
    wasm_works "$wasm_probe" "$clang" --target=wasm32-wasi -msimd128 -mrelaxed-simd || continue
    relaxed="$clang --target=wasm32-wasi -msimd128 -mrelaxed-simd"
done
rm -rf "$wasm_probe"
