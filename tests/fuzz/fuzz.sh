#!/bin/sh
# fuzz.sh SECONDS [TARGET...] - fuzzes each target (all of check_fuzz --list) for so long with libFuzzer, ASan
# and UBSan, from the corpus of tests/fuzz/corpus and what earlier runs kept in build/fuzz/corpus. Prints
# target, executions, processor seconds, edges reached and findings, as rows of a table; what crashed lies in
# build/fuzz/found. Kernels are built without instrumentation: they take no bytes of others, and clang needs
# minutes for each. ccache is used where it is installed. An input that takes longer than TIMEOUT (60) seconds
# on the clock is a finding.
# MERGE=1 only minimises: build/fuzz/merged/TARGET has the fewest inputs that reach as much.
# TABLE=1 prints docs/testing.md's table of all runs so far (build/fuzz/runs.tsv), without running anything.
runs_so_far=build/fuzz/runs.tsv
if [ -n "$TABLE" ]; then
    echo '| target | executions | processor minutes | edges reached | findings |'
    echo '|---|---:|---:|---:|---:|'
    awk -F'\t' 'function row(name, n, s, c, f) {
            printf "| %s | %d | %.1f | %s | %d |\n", name, n, s / 60, c, f }
        { if (!($1 in n)) order[++targets] = $1
          n[$1] += $2; s[$1] += $3; f[$1] += $5; if ($4 + 0 > c[$1] + 0) c[$1] = $4 }
        END { for (i = 1; i <= targets; i++) { t = order[i]; row(t, n[t], s[t], c[t], f[t])
                  all_n += n[t]; all_s += s[t]; all_f += f[t] }
              row("all", all_n, all_s, "", all_f) }' "$runs_so_far"
    exit
fi
seconds=${1:-60}
[ $# -eq 0 ] || shift
root=$PWD
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
tree=$root/build/fuzz/tree
rm -rf build/fuzz/base
mkdir -p "$tree" build/fuzz/found build/fuzz/base
find Makefile tensor nn fl io apps tests/fuzz tests/unit \( -name '*.[ch]' -o -name '*.sh' -o -name Makefile \) |
    tar cf - -T - | tar xf - -C "$tree"
cache=
if command -v ccache >/dev/null; then cache='ccache '; fi
watched=-fsanitize=address,undefined,fuzzer-no-link
(
    cd "$tree" || exit 1
    kernels=$(make -s kernels)
    make -s -j"$jobs" $kernels CC="$cache${CC:-cc}" &&
        make -s -j"$jobs" build/apps.a libnephron.a CC="$cache${FUZZ_CC:-clang}" \
            CFLAGS="-O1 -g -fno-sanitize-recover=undefined $watched" &&
        clang -O1 -g -std=c11 -D_GNU_SOURCE -I. -DLIBFUZZER -fsanitize=address,undefined,fuzzer \
            -fno-sanitize-recover=undefined -pthread \
            -o "$root/build/fuzz/fuzzer" tests/fuzz/*.c build/apps.a libnephron.a -lm
) >build/fuzz/log 2>&1 || { tail -n 5 build/fuzz/log; exit 1; }
[ $# -gt 0 ] || set -- $(FUZZ_LIST=1 build/fuzz/fuzzer)
found=0
for target in "$@"; do
    corpus=build/fuzz/corpus/$target
    log=build/fuzz/log.$target
    mkdir -p "$corpus"
    export FUZZ_TARGET=$target FUZZ_BASE=$root/build/fuzz/base
    options="-rss_limit_mb=3000 -timeout=${TIMEOUT:-60} -max_len=20000 -artifact_prefix=$root/build/fuzz/found/$target-"
    if [ -n "$MERGE" ]; then
        rm -rf "build/fuzz/merged/$target"
        mkdir -p "build/fuzz/merged/$target"
        "$root/build/fuzz/fuzzer" -merge=1 $options "$root/build/fuzz/merged/$target" "$root/$corpus" \
            "$root/tests/fuzz/corpus/$target" >"$log" 2>&1
        echo "$target: $(ls "build/fuzz/merged/$target" | wc -l) inputs"
        continue
    fi
    (
        "$root/build/fuzz/fuzzer" -max_total_time="$seconds" -print_final_stats=1 $options "$root/$corpus" \
            "$root/tests/fuzz/corpus/$target" >"$log" 2>&1
        echo $? >build/fuzz/code
        times >build/fuzz/time
    )
    code=$(cat build/fuzz/code)
    took=$(tail -n 1 build/fuzz/time | sed 's/s//g; s/m/ /g' | awk '{
        printf "%.0f", 60 * ($1 + $3) + $2 + $4 }')
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    reached=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    [ "$code" -eq 0 ] || found=$((found + 1))
    printf '%s\t%s\t%s\t%s\t%s\n' "$target" "${runs:-0}" "$took" "${reached#cov: }" \
        $((code != 0)) >>"$runs_so_far"
    what=none
    [ "$code" -eq 0 ] || what=$(grep -m 1 -E 'ERROR|runtime error|^fuzz:' "$log")
    echo "| $target | ${runs:-0} | $took | ${reached#cov: } | $what |"
done
[ $found -eq 0 ]
