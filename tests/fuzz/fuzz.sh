#!/bin/sh
# fuzz.sh SECONDS [TARGET...] - fuzzes each target (all of check_fuzz --list) for so long with libFuzzer, ASan and UBSan, from the
# corpus of tests/fuzz/corpus and what earlier runs kept in build/fuzz/corpus. Prints target, executions, seconds, lines reached and findings, as
# rows of a table; what crashed lies in build/fuzz/found. Kernels (tensor/) are built without instrumentation: they take no bytes of others,
# and clang needs minutes for each. With MERGE=1 it only minimises: build/fuzz/merged/TARGET has the fewest inputs that reach as much.
seconds=${1:-60}
[ $# -eq 0 ] || shift
root=$PWD
tree=$root/build/fuzz/tree
mkdir -p "$tree" build/fuzz/found
find Makefile tensor nn fl io apps tests/fuzz \( -name '*.[ch]' -o -name '*.sh' -o -name Makefile \) | tar cf - -T - | tar xf - -C "$tree"
watched=-fsanitize=address,undefined,fuzzer-no-link
(
    cd "$tree" || exit 1
    kernels=$(printf 'include Makefile\nprint:\n\t@echo $(TENSOR_BASE) $(TENSOR_REFERENCE) $(TENSOR_CONV) $(TENSOR_ELEM)\n' | make -s -f - print)
    make -s -j"$(getconf _NPROCESSORS_ONLN)" $kernels CC="${CC:-cc}" &&
        make -s -j"$(getconf _NPROCESSORS_ONLN)" build/apps.a libnephron.a CC="${FUZZ_CC:-clang}" CFLAGS="-O1 -g -fno-sanitize-recover=undefined $watched" &&
        clang -O1 -g -std=c11 -D_GNU_SOURCE -I. -DLIBFUZZER -fsanitize=address,undefined,fuzzer -fno-sanitize-recover=undefined -pthread \
            -o "$root/build/fuzz/fuzzer" tests/fuzz/*.c build/apps.a libnephron.a -lm
) >build/fuzz/log 2>&1 || { tail -n 5 build/fuzz/log; exit 1; }
[ $# -gt 0 ] || set -- $(sed -n 's/.*{\(\.name = \)\{0,1\}"\([a-z_0-9]*\)",.*/\2/p' tests/fuzz/fuzz_bytes.c tests/fuzz/fuzz_files.c)
found=0
for target in "$@"; do
    corpus=build/fuzz/corpus/$target
    mkdir -p "$corpus"
    export FUZZ_TARGET=$target
    options="-rss_limit_mb=3000 -timeout=60 -max_len=20000 -close_fd_mask=0 -artifact_prefix=$root/build/fuzz/found/$target-"
    if [ -n "$MERGE" ]; then
        mkdir -p "build/fuzz/merged/$target"
        build/fuzz/fuzzer -merge=1 $options "$root/build/fuzz/merged/$target" "$root/$corpus" "$root/tests/fuzz/corpus/$target" >build/fuzz/log 2>&1
        echo "$target: $(ls "build/fuzz/merged/$target" | wc -l) inputs"
        continue
    fi
    build/fuzz/fuzzer -max_total_time="$seconds" -print_final_stats=1 $options "$root/$corpus" "$root/tests/fuzz/corpus/$target" >build/fuzz/log.$target 2>&1
    code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/log.$target)
    reached=$(grep -o 'cov: [0-9]*' build/fuzz/log.$target | tail -n 1)
    [ $code -eq 0 ] || found=$((found + 1))
    echo "| $target | ${runs:-0} | $seconds | ${reached#cov: } | $([ $code -eq 0 ] && echo none || grep -m 1 -E 'ERROR|runtime error|^fuzz:' build/fuzz/log.$target) |"
done
[ $found -eq 0 ]
