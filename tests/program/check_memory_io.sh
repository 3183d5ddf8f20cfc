#!/bin/sh
# check_memory_io.sh - every allocation of reading and writing each file format fails once: the program must
# end with a message and exit code 1, or do without; never crash, never be silent, never leave half a file
# under a real name, and with exit code 0 have printed all that it prints. Tables of results too: one that is
# lost is exit code 1, whatever was computed. Skipped where malloc cannot be preloaded (another libc, a
# static program, sanitizers).
. tests/program/lib.sh
preload malloc $nephron info tests/data/images/packed.nrrd

sweep() { # the most allocations to try, then a command; it writes to $work/out.*, if anywhere
    most=$1
    shift
    rm -f "$work"/out.*
    FAIL_COUNT=$work/count LD_PRELOAD=$work/fail.so "$@" >"$work/printed" 2>/dev/null
    cat "$work"/out.* >"$work/whole" 2>/dev/null
    total=$(cat "$work/count")
    step=$(((total + most - 1) / most))
    i=1
    while [ "$i" -le "$total" ]; do
        rm -f "$work"/out.* "$work"/.out.*
        FAIL_AT=$i LD_PRELOAD=$work/fail.so timeout 20 "$@" >"$work/prints" 2>"$work/err"
        code=$?
        cat "$work"/out.* >"$work/now" 2>/dev/null
        if [ $code -gt 1 ] || { [ $code -eq 1 ] && [ ! -s "$work/err" ]; } || { [ -s "$work/now" ] &&
            [ $code -eq 0 ] && ! cmp -s "$work/whole" "$work/now"; } ||
            { [ $code -eq 0 ] && ! cmp -s "$work/printed" "$work/prints"; }; then
            fail "allocation $i of $total: exit code $code, '$(head -c 200 "$work/err")': $*"
        else pass; fi
        if [ $code -eq 1 ] && grep -q 'out of memory: a part of .* is left out' "$work/err" &&
            ! cmp -s "$work/printed" "$work/prints"; then lost=$((lost + 1)); fi
        i=$((i + step))
    done
}
data=tests/data # the reference files too
lost=0
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

# Tables: what is lost is found.
printf 'case,label,probability\nc1,0,0.2\nc2,1,0.7\nc3,0,0.4\nc4,1,0.9\nc5,0,0.1\nc6,1,0.3\n' >"$work/a.csv"
sed 's/0\.7/0.6/; s/0\.4/0.5/' "$work/a.csv" >"$work/b.csv"
for command in "info $data/golden/io_torch.pth" "compare $work/a.csv $work/b.csv"; do
    lost=0
    sweep $((30 * most)) $nephron $command
    [ $lost -gt 0 ]
    ok "a table lost for want of memory is exit code 1 and said: $lost times in $command" $?
done
finish
