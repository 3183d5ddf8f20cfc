#!/bin/sh
# web_bench.sh RUN IMAGE [TIMES] - sizes of the page and its modules, and seconds of a prediction in headless
# Chromium (each module, from the click to the label map) beside the program with one thread at each level;
# the least of TIMES (3), and whether the label maps are the same.
set -e
run=$1
image=$2
times=${3:-3}
dir=${TMPDIR:-/tmp}/nephron_web_bench.$$
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
[ -f web/nephron.html ] || make web
least() { sort -n | head -n 1; }
files=$(find "$run" \( -name dataset.json -o -name plans.json -o -name manifest.json \
    -o -name 'checkpoint_final.*' \) ! -path '*/validation/*')
mkdir "$dir/run"
for f in $files; do
    to=$dir/run/${f#"$run"/}
    mkdir -p "$(dirname "$to")"
    cp "$f" "$to"
done

for f in web/nephron_relaxed.wasm web/nephron_simd128.wasm web/nephron.html; do
    [ ! -f "$f" ] || echo "$f: $(wc -c <"$f") bytes, $(gzip -9 <"$f" | wc -c) with gzip"
done
./nephron info "$image" | head -n 3
for module in '' '#simd128'; do
    steps=
    for i in $(seq "$times"); do steps="$steps click:run wait:!app.busy print:app.seconds"; done
    node tests/program/web_driver.mjs "web/nephron.html$module" wait:app.level "files:image-files=$image" \
        "wait:app.image" "files:model-folder=$dir/run" \
        "wait:app.model" $steps click:save wait:app.saved "bytes:app.saved=$dir/map$module.nii.gz" \
        >"$dir/seconds"
    echo "browser, ${module:-relaxed}: $(least <"$dir/seconds") s"
done
for isa in '' avx512 avx2 scalar; do
    for i in $(seq "$times"); do
        rm -rf "$dir/out"
        begin=$(date +%s.%N)
        NEPHRON_ISA=$isa ./nephron predict "$run" -i "$image" -o "$dir/out" -j 1 --quiet >/dev/null
        echo "$(date +%s.%N) $begin" | awk '{ printf "%.3f\n", $1 - $2 }'
    done >"$dir/seconds"
    echo "program, one thread, ${isa:-highest level}: $(least <"$dir/seconds") s"
done
for map in "$dir"/map*.nii.gz; do cmp -s "$map" "$dir"/out/*.nii.gz &&
    echo "$(basename "$map"): the program's bytes" || echo "$(basename "$map"): DIFFERS"; done
