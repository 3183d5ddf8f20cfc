#!/bin/sh
# figures.sh [FOLDER] - the table of docs/export.md: two small networks are trained on the samples that ship
# here, exported, compiled for each machine whose tools are installed, and run on their own sample.input. Code
# is network.c and device_kernels.c without the weights; instructions are those of the whole of main.c's run,
# by valgrind's callgrind on x86-64 with FMA (COUNT_ALL=1: without it too, which takes minutes) and by the
# clock of the emulated board (-icount) on the Cortex-M55. The hash is the begin of the logits' SHA-256.
nephron=./nephron
here=apps/export
work=${1:-build/export}
rm -rf "$work"
mkdir -p "$work"
flags="-std=c11 -O2 -ffp-contract=off"

have() { command -v "$1" >/dev/null; }
# of a machine, by either name
emulator() { command -v "qemu-$1" || command -v "qemu-$1-static" || echo "qemu-$1"; }
number() { sed -n "s/^#define NETWORK_$2 \([0-9]*\).*/\1/p" "$1/network.h"; }
code() { size "$1/network.o" "$1/device_kernels.o" | awk 'NR > 1 { sum += $1 } END { print sum }'; }

compile() { # network, machine, compiler and its flags...: the objects and the program
    dir=$work/$1
    out=$work/$1.$2
    mkdir -p "$out"
    shift 2
    for file in network device_kernels main; do
        "$@" $flags -c "$dir/$file.c" -o "$out/$file.o" || exit 1
    done
    "$@" $flags -c "$dir/weights.S" -Wa,-I"$dir" -o "$out/weights.o" || exit 1
}

row() { # network, machine, the logits, instructions ("-": not counted)
    voxels=$(($(number "$work/$1" DEPTH) * $(number "$work/$1" HEIGHT) * $(number "$work/$1" WIDTH)))
    each=-
    [ "$4" = - ] || each=$((($4 + voxels / 2) / voxels))
    cmp -s "$3" "$work/$1/sample.logits" && equal=$(sha256sum "$3" | cut -c1-12) || equal="other bits"
    block=$(number "$work/$1" BLOCK_BYTES) weights=$(($(number "$work/$1" WEIGHTS) * 4))
    echo "| $1 | $2 | $(code "$work/$1.$2") | $block | $weights | $each | $equal |"
}

on_linux() { # network, machine, runner ("": none), compiler and its flags...
    network=$1
    machine=$2
    runner=$3
    shift 3
    have "$1" && { [ -z "$runner" ] || have "$runner"; } || return
    compile "$network" "$machine" "$@"
    out=$work/$network.$machine
    "$@" -static "$out"/*.o -o "$out/network" || exit 1
    $runner "$out/network" logits <"$work/$network/sample.input" >"$out/logits"
    counted=-
    if [ -z "$runner" ] && have valgrind && { [ "$machine" != x86-64 ] || [ -n "$COUNT_ALL" ]; }; then
        counted=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$out/network" <"$work/$network/sample.input" 2>&1 >/dev/null |
            sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
    fi
    row "$network" "$machine" "$out/logits" "$counted"
}

on_board() { # network
    have arm-none-eabi-gcc && have qemu-system-arm || return
    compile "$1" Cortex-M55 arm-none-eabi-gcc -mcpu=cortex-m55 -mfloat-abi=hard
    out=$work/$1.Cortex-M55
    arm-none-eabi-gcc -mcpu=cortex-m55 -mfloat-abi=hard $flags --specs=rdimon.specs -nostartfiles -T \
        $here/m55.ld $here/m55_startup.c "$out"/*.o -o "$out/network" || exit 1
    counted=$(qemu-system-arm -M mps3-an547 -nographic -icount shift=0 -kernel "$out/network" -semihosting-config \
        "enable=on,target=native,arg=network,arg=$work/$1/sample.input,arg=$out/logits,arg=logits" 2>&1 </dev/null |
        sed -n 's/^instructions: //p')
    row "$1" Cortex-M55 "$out/logits" "${counted:--}"
}

$nephron train tests/data/hippocampus -o "$work/run_unet" --base-features 8 --patch 24,24,24 --batch 2 \
    --epochs 4 --iterations 25 \
    --validation-batches 0 --pictures 0 --no-validation --quiet &&
    $nephron train tests/data/adrenalmnist3d/adrenalmnist3d.npz -o "$work/run_resnet" --depth 10 --base 8 \
    --epochs 2 --iterations 25 \
        --validation-batches 0 --no-validation --quiet || exit 1
for network in unet resnet; do
    $nephron export "$work/run_$network" "$work/$network" --weights blob --quiet || exit 1
done

echo "| network | machine | code | block | weights | instructions a voxel | logits |"
echo "|---|---|---:|---:|---:|---:|---|"
for network in unet resnet; do
    on_linux $network x86-64 "" cc
    on_linux $network x86-64-v3 "" cc -march=x86-64-v3
    on_linux $network aarch64 "$(emulator aarch64)" aarch64-linux-gnu-gcc
    on_linux $network riscv64 "$(emulator riscv64)" riscv64-linux-gnu-gcc
    on_board $network
done
