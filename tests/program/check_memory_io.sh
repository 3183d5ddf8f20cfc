#!/bin/sh
# check_memory_io.sh - every allocation of reading and writing each file format fails once: the program must
# end with a message and exit code 1, or do without; never crash, never be silent, never leave half a file
# under a real name. Skipped where malloc cannot be preloaded (another libc, a static program, sanitizers).
. tests/program/lib.sh
preload malloc $nephron info tests/data/images/packed.nrrd

sweep() { # the most allocations to try, then a command; it writes to $work/out.*, if anywhere
    most=$1
    shift
    rm -f "$work"/out.*
    FAIL_COUNT=$work/count LD_PRELOAD=$work/fail.so "$@" >/dev/null 2>&1
    cat "$work"/out.* >"$work/whole" 2>/dev/null
    total=$(cat "$work/count")
    step=$(((total + most - 1) / most))
    i=1
    while [ "$i" -le "$total" ]; do
        rm -f "$work"/out.* "$work"/.out.*
        FAIL_AT=$i LD_PRELOAD=$work/fail.so timeout 20 "$@" >/dev/null 2>"$work/err"
        code=$?
        cat "$work"/out.* >"$work/now" 2>/dev/null
        if [ $code -gt 1 ] || { [ $code -eq 1 ] && [ ! -s "$work/err" ]; } || { [ -s "$work/now" ] &&
            [ $code -eq 0 ] && ! cmp -s "$work/whole" "$work/now"; }; then
            fail "allocation $i of $total: exit code $code, '$(head -c 200 "$work/err")': $*"
        else pass; fi
        i=$((i + step))
    done
}
data=tests/data # the reference files too
most=${CHECK_MEMORY_MOST:-12} # check-all tries all of them
for file in images/scanner.nii.gz images/packed.nrrd images/detached.mhd images/colour.png images/lzw.tif \
    images/stack_backwards.ome.tif dicom/series dicom_jpeg/j2k_pcrl.dcm \
    dicom_jpeg/ls.dcm dicom_jpeg/baseline.dcm golden/io_torch.pth golden/io_deflated.npz golden_plans.json; do
    sweep "$most" $nephron info $data/$file
done
for form in nii.gz nrrd mhd tif; do
    sweep "$most" $nephron convert $data/images/packed.nrrd "$work/out.$form"
done
sweep "$most" $nephron convert $data/images/colour.png "$work/out.png"
for form in safetensors npz; do
    sweep "$most" $nephron convert $data/golden/io_torch.pth "$work/out.$form"
done
finish
