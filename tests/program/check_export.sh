#!/bin/sh
# check_export.sh - a network as C: exported, compiled with nothing but a compiler, and run; its results have
# the bits of the program's own inference. Natively, and where the tools are on aarch64, riscv64 and a
# Cortex-M55 without an operating system. With CHECK_ALL=1 (check_all.sh) each kind of network on each
# machine; else the kinds natively, and the smallest one elsewhere.
. tests/program/lib.sh
board=$(pwd)/apps/export
CC=${CC:-cc}
strict="-std=c11 -O2 -ffp-contract=off"
other="-std=c11 -O1 -ffp-contract=off" # elsewhere: another level of optimisation, the same bits

have() { command -v "$1" >/dev/null; }

same() { # folder, what, runner and binary...: the logits and the result of the sample
    dir=$1
    what=$2
    shift 2
    "$@" <"$dir/sample.input" | cmp -s - "$dir/sample.result"
    ok "$what: the results are the program's" $?
    "$@" logits <"$dir/sample.input" | cmp -s - "$dir/sample.logits"
    ok "$what: the logits are the program's" $?
}

native() { # folder, what; the kernels, which are the same files in all, are compiled once
    [ -e "$work/kernels.o" ] ||
        $CC $strict -Wall -Wextra -pedantic -Werror -c "$1/device_kernels.c" -o "$work/kernels.o"
    $CC $strict -Wall -Wextra -pedantic -Werror "$1/network.c" "$1/main.c" "$1"/weights.[cS] \
        "$work/kernels.o" -o "$work/native" -Wa,-I"$1"
    ok "$2 compiles without warnings" $?
    cmp -s "$1/device_kernels.c" "$work/u/device_kernels.c"
    ok "$2 has the kernels of the others" $?
    same "$1" "$2" "$work/native"
}

quick="--batch 2 --epochs 1 --iterations 2 --augment 0 --validation-batches 0 --pictures 0 --no-validation \
    --quiet"

# A plain U-Net, large enough for Winograd's forms; six cases are enough here.
data="$work/data"
mkdir -p "$data/imagesTr" "$data/labelsTr"
for case in 001 003 004 006 007 008; do
    cp tests/data/hippocampus/imagesTr/hippocampus_${case}_0000.nii.gz "$data/imagesTr"
    cp tests/data/hippocampus/labelsTr/hippocampus_$case.nii.gz "$data/labelsTr"
done
sed 's/"numTraining": 40/"numTraining": 6/' tests/data/hippocampus/dataset.json >"$data/dataset.json"
$nephron train "$data" -o "$work/unet" --base-features 16 --patch 16,16,16 $quick &&
    $nephron export "$work/unet" "$work/u" --weights blob >"$work/said"
ok "a U-Net is exported" $?
grep -q "block .* bytes" "$work/said" &&
    grep -q "_BLOCK_BYTES $(sed -n 's/^  block  *\([0-9]*\) bytes/\1/p' "$work/said")$" "$work/u/network.h"
ok "the block's size is said and defined" $?
native "$work/u" "U-Net"
grep -q "(d, h, w): 1.0, 1.0, 1.0; along the axes z, y, x of the file$" "$work/u/network.h"
ok "network.h says which axis of the file d is: $(grep "d, h, w" "$work/u/network.h")" $?
$CC $strict -c "$work/u/network.c" -o "$work/network.o" &&
    ! nm -u "$work/network.o" "$work/kernels.o" | grep ' U ' |
    grep -vE 'device_|network_|mem(cpy|set)|GLOBAL_OFFSET|__stack_chk|__gcov'
grep -q "no library but memcpy and memset\." "$work/u/network.h"
ok "nothing of a library is used but memcpy and memset" $?
if $CC $strict -fstack-usage -c "$work/u/network.c" -o "$work/frames.o" 2>/dev/null &&
    [ -s "$work/frames.su" ]; then
    ! awk '$2 > 256 { print; found = 1 } END { exit !found }' "$work/frames.su"
    ok "the stack does not grow with the network" $?
fi
# A program in C++ has the network beside it, compiled as C.
if have "${CXX:-g++}"; then
    cat >"$work/main.cpp" <<'END'
#include <cstdio>
#include "network.h"
alignas(64) static unsigned char block[NETWORK_BLOCK_BYTES];
static unsigned char result[NETWORK_RESULT_BYTES];
int main()
{
    if (fread(network_input(block), sizeof(float), NETWORK_INPUTS, stdin) != NETWORK_INPUTS) return 1;
    if (network_check(network_weights)) return 2;
    network_run(block, network_weights);
    network_result(result, block);
    return fwrite(result, 1, sizeof result, stdout) != sizeof result;
}
END
    ${CXX:-g++} -Wall -Wextra -pedantic -Werror -I"$work/u" -c "$work/main.cpp" -o "$work/main.o" &&
        $CC $strict -c "$work/u/weights.S" -o "$work/weights.o" -Wa,-I"$work/u" &&
        ${CXX:-g++} "$work/main.o" "$work/network.o" "$work/weights.o" "$work/kernels.o" -o "$work/cpp" &&
        "$work/cpp" <"$work/u/sample.input" | cmp -s - "$work/u/sample.result"
    ok "a program in C++ calls it" $?
fi
# As docs/export.md has it, for weights.bin.
line=$(sed -n 's|^    cc \(.* device/\*\.S .*\)$|\1|p' docs/export.md)
mkdir "$work/page" && cp -r "$work/u" "$work/page/device" && (cd "$work/page" && eval "$CC $line") &&
    "$work/page/network" <"$work/u/sample.input" | cmp -s - "$work/u/sample.result"
ok "docs/export.md compiles weights.bin by: $line" $?
cat "$work/u/sample.input" "$work/u/sample.input" | "$work/native" >"$work/two" &&
    cat "$work/u/sample.result" "$work/u/sample.result" | cmp -s - "$work/two"
ok "patch after patch in one block" $?
head -c 100 "$work/u/sample.input" >"$work/cut"
"$work/native" <"$work/cut" >/dev/null 2>"$work/err"
[ $? -eq 1 ] && grep -q "ends inside a patch" "$work/err"
ok "an input that is cut off is an error" $?
NEPHRON_ISA=scalar $nephron export "$work/unet" "$work/again" --weights blob --quiet &&
    diff -r "$work/u" "$work/again" >/dev/null
ok "the export is the same at another instruction set level" $?
for source in "$work/u/device_kernels.c" tensor/base/vmath.c; do
    ! $CC -std=c11 -D_GNU_SOURCE -I. -Ofast -fsyntax-only "$source" 2>"$work/err" &&
        grep -q "ffast-math" "$work/err"
    ok "$source is refused with -ffast-math" $?
done
cp -r "$work/u" "$work/bad" && printf '\001' |
    dd of="$work/bad/weights.bin" bs=1 seek=1000 conv=notrunc 2>/dev/null
$CC $strict "$work/bad/network.c" "$work/bad/main.c" "$work/bad/weights.S" "$work/kernels.o" -o \
    "$work/wrong" -Wa,-I"$work/bad" &&
    { "$work/wrong" <"$work/u/sample.input" >/dev/null 2>"$work/err"; [ $? -eq 1 ]; } &&
    grep -q "not those that were exported" "$work/err"
ok "weights that were changed are refused" $?
head -c 4000 "$work/u/weights.bin" >"$work/bad/weights.bin"
! $CC -c "$work/bad/weights.S" -o "$work/wrong.o" -Wa,-I"$work/bad" 2>"$work/err" &&
    grep -q "of another network" "$work/err"
ok "weights of another network are not linked" $?
$nephron export "$work/unet" "$work/p" --patch 8,24,16 --weights blob --quiet
native "$work/p" "U-Net with another patch"
cp -r "$work/unet" "$work/names" && sed 's|"Anterior"|"a**/ b //*/ c"|' "$work/unet/dataset.json" \
    >"$work/names/dataset.json" && $nephron export "$work/names" "$work/n" --weights blob --quiet
native "$work/n" "U-Net with a label's name that ends and begins comments"

# A residual encoder with regions, whose labels lie over each other.
cp -r "$data" "$work/regions" && tr -d '\n' <"$data/dataset.json" |
    sed 's/"labels": *{[^}]*}/"labels": {"background": 0, "whole": [1, 2], "posterior": 2},\
        "regions_class_order": [1, 2]/' >"$work/regions/dataset.json"
$nephron train "$work/regions" -o "$work/resenc" --preset resenc_m --base-features 8 --patch 16,16,16 \
    $quick && $nephron export "$work/resenc" "$work/e" --weights blob --quiet
ok "a residual U-Net of regions is exported" $?
native "$work/e" "residual U-Net"

# A classifier, its weights as an array.
classes="tests/data/adrenalmnist3d/adrenalmnist3d.npz --epochs 1 --iterations 2 --batch 4 --augment 0 \
    --validation-batches 0 --no-validation --quiet"
$nephron train $classes -o "$work/resnet" --depth 10 --base 4 &&
    $nephron export "$work/resnet" "$work/c" --quiet && [ ! -e "$work/c/weights.bin" ]
ok "a ResNet is exported" $?
native "$work/c" "ResNet"
grep -q 'Intensities of the crop: values from 0 to 1\.$' "$work/c/network.h"
ok "network.h tells the values of a MedMNIST file" $?

# With covariates beside the image, one of them missing in the sample.
(echo case,label; awk \
    'BEGIN { split("001 003 004 006 007 008", c, " ");
        for (i = 1; i <= 6; i++) print "hippocampus_" c[i] "," i % 2 }') >"$data/labels.csv"
(echo case,age,sex; awk -F, 'NR > 1 { print $1 "," 30 + 7 * NR "," (NR % 3 ? "F" : "M") }' \
    "$data/labels.csv") >"$data/clinical.csv"
$nephron train "$data" -o "$work/covariates" --task classify --depth 10 --base 4 --crop 8,8,8 --batch 4 \
    --fold all --covariates age,volume,sex \
    --epochs 1 --iterations 3 --augment 0 --validation-batches 0 --no-validation --quiet &&
    $nephron export "$work/covariates" "$work/v" --quiet
ok "a ResNet with covariates is exported" $?
native "$work/v" "ResNet with covariates"
grep -q 'COVARIATES 3' "$work/v/network.h" &&
    grep -q 'covariate 1: volume, the logarithm' "$work/v/network.h" &&
    grep -q 'covariate 2: sex' "$work/v/network.h" &&
    grep -q 'Intensities of the crop: each channel to mean 0 and' "$work/v/network.h"
ok "network.h names the covariates, and how images are normalised" $?
# an image of zeros, three floats; 1 is 00 00 80 3f
numbers() { head -c 2048 /dev/zero; printf "$1"; printf '\0\0\200\077\0\0\200\077'; }
numbers '\0\0\110\102' | "$work/native" logits >"$work/young" && numbers '\0\0\240\102' |
    "$work/native" logits >"$work/old"
[ "$(wc -c <"$work/old")" -eq 8 ] && ! cmp -s "$work/young" "$work/old"
ok "the logits follow a covariate" $?
head -c 2048 "$work/v/sample.input" | "$work/native" >/dev/null 2>"$work/err"
[ $? -eq 1 ] && grep -q "ends inside a patch" "$work/err"
ok "a patch without its covariates is an error" $?

elsewhere="c v"
if [ -n "$CHECK_ALL" ]; then # slices; bottlenecks, instance norm, a stem of 7 with max pooling
    $nephron train "$data" -o "$work/flat" --configuration 2d --base-features 8 --patch 1,32,32 $quick &&
        $nephron export "$work/flat" "$work/f" --quiet
    ok "a network of slices is exported" $?
    native "$work/f" "network of slices"
    grep -q "Spacing of the voxels (d, h, w): its own, 1.0, 1.0;" "$work/f/network.h"
    ok "network.h tells that slices keep their distance" $?
    refuses 1 "single slices" $nephron export "$work/flat" "$work/x" --patch 2,32,32
    $nephron train $classes -o "$work/resnet50" --depth 50 --base 4 --stem7 --norm instance --crop 48,48,48 &&
        $nephron export "$work/resnet50" "$work/b" --quiet
    ok "a ResNet of bottlenecks is exported" $?
    native "$work/b" "ResNet of bottlenecks"
    elsewhere="u e c v f b"
fi

# What is wrong is said.
refuses 1 "no such run folder" $nephron export "$work/none" "$work/x"
refuses 1 "is not empty" $nephron export "$work/unet" "$work/u"
refuses 1 "no folder" $nephron export "$work/unet" "$work/cut"
refuses 1 "--patch 10,16,16: .*patch_size\[0\] is 10, not a multiple" $nephron export "$work/unet" "$work/x" --patch 10,16,16
refuses 1 "the crop that it was trained with, 28,28,28" $nephron export "$work/resnet" "$work/x" --patch \
    32,32,32
refuses 1 "fold_3" $nephron export "$work/unet" "$work/x" --fold 3
refuses 2 "const|blob" $nephron export "$work/unet" "$work/x" --weights int8
refuses 1 "" $nephron export "$work/unet" /dev/full/x
[ ! -e "$work/x" ]
ok "an export that failed leaves nothing" $?

# Other machines.
skip() { echo "check_export: $1: skipped, $2 is not installed"; }
parts() { echo "$work/$1/network.c $work/$1/main.c $(ls "$work/$1"/weights.[cS])"; } # without the kernels
for machine in aarch64 riscv64; do
    if have $machine-linux-gnu-gcc && qemu=$(emulator $machine); then
        $machine-linux-gnu-gcc $other -c "$work/c/device_kernels.c" -o "$work/$machine.o"
        for dir in $elsewhere; do
            $machine-linux-gnu-gcc $other -static $(parts $dir) "$work/$machine.o" -o "$work/$machine" \
                -Wa,-I"$work/$dir"
            same "$work/$dir" "$machine, $dir" "$qemu" "$work/$machine"
        done
    else skip "$machine" "$machine-linux-gnu-gcc or qemu-$machine"; fi
done
if have arm-none-eabi-gcc && have qemu-system-arm; then
    m55="arm-none-eabi-gcc -mcpu=cortex-m55 -mfloat-abi=hard $other"
    $m55 -c "$work/c/device_kernels.c" -o "$work/m55.o"
    for dir in $elsewhere; do
        $m55 --specs=rdimon.specs -nostartfiles -T "$board/m55.ld" "$board/m55_startup.c" $(parts $dir) \
            "$work/m55.o" -o "$work/m55" -Wa,-I"$work/$dir" 2>"$work/err" &&
            timeout 100 qemu-system-arm -M mps3-an547 -nographic -kernel "$work/m55" -semihosting-config \
                "enable=on,target=native,arg=network,arg=$work/$dir/sample.input,arg=$work/device,arg=logits" 2>"$work/err" </dev/null
        cmp -s "$work/device" "$work/$dir/sample.logits"
        ok "Cortex-M55, $dir: the logits are the program's" $?
    done
else skip "Cortex-M55" "arm-none-eabi-gcc or qemu-system-arm"; fi
finish
