#!/bin/sh
# library_figures.sh - the figures of docs/library.md: sizes of what is installed and exported, names in
# libnephron.so, and a transcript of each program of apps/examples. Markdown on standard output, of this
# commit.
set -e
work=$(mktemp -d "${TMPDIR:-/tmp}/nephron_figures_XXXXXX")
trap 'rm -rf "$work"' EXIT
data=tests/data/hippocampus
image=$data/imagesTr/hippocampus_001_0000.nii.gz
make -s all examples install DESTDIR="$work/root" PREFIX=/usr >/dev/null
root=$work/root/usr
bytes() { wc -c <"$1" | tr -d ' '; }
row() { echo "| $1 | $2 |"; }

echo "Commit $(git describe --always --dirty), $(uname -m), $(cc --version | head -n 1)."
echo
echo "| what | bytes |"
echo "|---|---:|"
row "\`bin/nephron\`, stripped" "$(bytes "$root/bin/nephron")"
row "\`lib/libnephron.so.1\`" "$(bytes "$root/lib/libnephron.so.1")"
row "\`lib/libnephron.a\`" "$(bytes "$root/lib/libnephron.a")"
row "\`include/nephron.h\`" "$(bytes "$root/include/nephron.h")"
link() { # the archive, the map of what is taken of it
    cc -std=c11 -O2 -Ifl apps/examples/predict_one.c "$1" -lm -pthread -Wl,-Map="$2" -o "$work/predict_one"
    strip "$work/predict_one"
}
link "$root/lib/libnephron.a" "$work/map"
row "\`predict_one\` with \`lib/libnephron.a\`, stripped" "$(bytes "$work/predict_one")"
link libnephron.a "$work/map"
row "the same with the tree's \`libnephron.a\`, of which it takes $(grep -c "^libnephron.a(" "$work/map") of $(ar t libnephron.a | wc -l) objects" "$(bytes "$work/predict_one")"
./nephron train $data -o "$work/run" --base-features 4 --patch 24,24,24 --batch 2 --epochs 2 --iterations 10 \
    --no-validation --quiet
./nephron export "$work/run" "$work/device" --weights blob --quiet
cc -std=c11 -O2 -ffp-contract=off -c "$work/device/network.c" -o "$work/network.o"
cc -std=c11 -O2 -ffp-contract=off -c "$work/device/device_kernels.c" -o "$work/kernels.o"
row "that run as C (\`nephron export\`): code" \
    "$(size "$work/network.o" "$work/kernels.o" | awk 'NR > 1 { n += $1 } END { print n }')"
row "its \`weights.bin\`" "$(bytes "$work/device/weights.bin")"
row "its block" "$(sed -n 's/^#define NETWORK_BLOCK_BYTES //p' "$work/device/network.h")"
echo
names=$(nm -D --defined-only "$root/lib/libnephron.so.1" | awk '{print $3}')
others=$(echo "$names" | grep -vc '^nephron_' || true)
echo "\`libnephron.so.1\` exports $(echo "$names" | wc -l) names, $others without \`nephron_\`."
echo

cp "$image" "$work/case.nii.gz"
cp -r build/predict_one build/list_model build/train_memory build/federate_two build/worker "$work"
cp -r $data "$work/data"
cd "$work"
say() { # a command, as a user types it
    printf '    $ %s\n' "$1"
    sh -c "$1" | sed 's/^/    /'
}
echo "The folder has \`data\` (tests/data/hippocampus), \`case.nii.gz\` and \`run\`, a small U-Net after 20" \
    "steps:"
echo
say "./predict_one run map.nii.gz case.nii.gz"
echo
say "./list_model run | head -n 4"
echo
say "./train_memory run trained.safetensors"
echo
say "./federate_two data data federated.safetensors 2 '{\"iterations\": 2, \"base_features\": 4, \"patch\": [24, 32, 24], \"batch\": 2}'"
echo
say "printf 'case.nii.gz\\tmap2.nii.gz\\nnone.nii.gz\\tmap3.nii.gz\\n' | ./worker run"
echo
say "cmp map.nii.gz map2.nii.gz && echo the same bytes"
