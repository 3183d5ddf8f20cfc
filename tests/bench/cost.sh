#!/bin/sh
# cost.sh [PYTHON] - instructions and memory traffic of one step of training in fp32, nephron beside PyTorch,
# as a table: valgrind's callgrind counts them, for one thread at the level AVX2, which is the highest that it
# knows, through a simulated cache: 32 KB for instructions and 32 KB for data, behind them 1 MB for both, all
# of 8 ways and lines of 64 bytes, without prefetching. The start and a first step are not counted. callgrind
# computes each lane of a fused multiply-add by itself, so the network is the U-Net of `unet_hippo_b2` on a
# batch of one patch of 16x24x16, 1/29 of the voxels, with 1/32 of a cache of 32 MB. Run from the project's
# folder after `make`; wants valgrind with its headers, and PYTHON has torch. More than twelve minutes of a
# processor.
set -e
python=${1:-python3}
first=32768,8,64
last=1048576,8,64
folder=$(mktemp -d "${TMPDIR:-/tmp}/nephron_cost_XXXXXX")
trap 'rm -rf "$folder"' EXIT
cc -O2 -I. -D_GNU_SOURCE -o "$folder/cost" tests/bench/cost.c build/apps.a libnephron.a -lm -pthread
cc -O2 -I. -D_GNU_SOURCE -fPIC -shared -o "$folder/cost.so" tests/bench/cost.c build/apps.a libnephron.a \
    -lm -pthread

# count NAME COMMAND...: NAME.out has a line of the events' names and one of their totals.
count()
{
    name=$1
    shift
    valgrind --tool=callgrind --instr-atstart=no --cache-sim=yes --simulate-wb=yes --I1=$first --D1=$first \
        --LL=$last --callgrind-out-file="$folder/$name.out" "$@" >"$folder/$name.log" 2>&1 ||
        { tail -n 20 "$folder/$name.log" >&2; exit 1; }
}

count nephron env NEPHRON_ISA=avx2 "$folder/cost"
count torch env ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 MALLOC_MMAP_MAX_=0 \
    MALLOC_TRIM_THRESHOLD_=1000000000000 "$python" tests/bench/cost.py "$folder/cost.so"

echo "commit $(git rev-parse --short HEAD), $(valgrind --version)," \
    "PyTorch $("$python" -c 'import torch; print(torch.__version__)')"
cat >"$folder/table.awk" <<'END'
/^events:/ { for (i = 2; i <= NF; i++) name[i] = $i }
/^totals:/ {
    side++
    for (i = 2; i <= NF; i++) n[side, name[i]] = $i
}
function row(what, scale, events,    part, k, m, v) {
    m = split(events, part, " ")
    v[1] = v[2] = 0
    for (k = 1; k <= m; k++) {
        v[1] += n[1, part[k]] * scale
        v[2] += n[2, part[k]] * scale
    }
    printf "| %s | %.0f | %.0f | %.1f |\n", what, v[1], v[2], v[2] / v[1]
}
END {
    if (side != 2 || !n[1, "Ir"]) exit 1
    print "| one step, one thread, AVX2 | nephron | PyTorch | ratio |"
    print "| --- | --- | --- | --- |"
    row("instructions, millions", 1e-6, "Ir")
    row("of them loads and stores, millions", 1e-6, "Dr Dw")
    row("into the first cache, MB", 64e-6, "I1mr D1mr D1mw")
    row("from memory, MB", 64e-6, "ILmr DLmr DLmw")
    row("to memory, MB", 64e-6, "ILdmr DLdmr DLdmw")
}
END
awk -f "$folder/table.awk" "$folder/nephron.out" "$folder/torch.out"
