#!/bin/sh
# check_wrong_files.sh - every argument and option that takes a file or folder is given each kind that it
# cannot be: a folder, an empty file, text, JSON of another kind, an image, a picture, a zip, the weights of
# another network, /dev/null, a pipe, nothing. The answer is exit code 1 (or 2) and one line that names what
# was given; no crash, no wait, no result, no silence. `make check` gives each option every fourth kind,
# another four to the next option; CHECK_ALL=1 all.
. tests/program/lib.sh
enter_work
mkdir one one/imagesTr one/labelsTr images kinds kinds/folder series
for id in 001 003 004 006 007; do
    cp $data/imagesTr/hippocampus_${id}_0000.nii.gz one/imagesTr || exit 1
    cp $data/labelsTr/hippocampus_$id.nii.gz one/labelsTr || exit 1
done
first=hippocampus_001
cp one/imagesTr/${first}_0000.nii.gz images
tiny="--patch 8,8,8 --batch 2 --quiet --threads 1"
small="$tiny --base-features 4 --step 1 --no-mirror --pictures 0 --validation-batches 0"
short="--epochs 1 --iterations 1"
"$nephron" init one --channels M --labels a,b --quiet >/dev/null &&
    "$nephron" train one -o run $small $short --probabilities &&
    "$nephron" train one -o other $tiny --base-features 8 --no-validation $short &&
    "$nephron" predict run -i images -o maps --step 1 --no-mirror --probabilities --quiet &&
    "$nephron" plan one -o plans.json --write-fingerprint finger.json --quiet || exit 1
cp -r maps maps2 && cp -r run run2
evaluation=run/fold_0/validation/summary.json
cp $root/tests/data/dicom/series/* series
printf 'case,label\nx,1\ny,0\n' >labels.csv
printf 'case,probability\nx,0.7\ny,0.2\n' >scores.csv

# What is given in the place of something else.
: >kinds/empty
printf 'nothing that is meant\n' >kinds/text.txt
printf '{"a": [1, 2]}\n' >kinds/other.json
printf 'a,b\n1,2\n' >kinds/table.csv
cp one/imagesTr/${first}_0000.nii.gz kinds/image.nii.gz
cp $root/docs/report.png kinds/picture.png
cp maps/$first.npz kinds/zip.npz
cp kinds/zip.npz kinds/zip.zip
cp other/fold_0/checkpoint_final.safetensors kinds/other.safetensors
mkfifo kinds/pipe
every="kinds/folder kinds/empty kinds/text.txt kinds/other.json kinds/table.csv kinds/image.nii.gz
    kinds/picture.png kinds/zip.npz kinds/zip.zip kinds/other.safetensors kinds/pipe /dev/null kinds/nothing"

# Kinds that the option may be given are left out; "@" in the command is the file.
wrong() { # kinds that are right, command with @...
    right=$1
    shift
    turn=$((turn + 2))
    for kind in $every; do
        turn=$((turn + 1))
        [ -n "$CHECK_ALL" ] || [ $((turn % 4)) -eq 0 ] || continue
        case " $right " in *" ${kind##*/} "*) continue ;; esac
        rm -rf out
        words=
        for word in "$@"; do
            case $word in *@*) words="$words ${word%@*}$kind" ;; *) words="$words $word" ;; esac
        done
        timeout 20 "$nephron" $words >"$work/said" 2>"$work/err" </dev/null
        code=$?
        name=${kind##*/}
        if { [ $code -ne 1 ] && [ $code -ne 2 ]; } || ! grep -qF -e "$name" "$work/err" ||
            [ "$(grep -vc 'note:' "$work/err")" -gt 1 ]; then
            fail "exit code $code, '$(head -c 300 "$work/err")': nephron$words"
        else pass; fi
        [ -z "$SHOW" ] || printf '%s\n    %s\n' "nephron$words" "$(cat "$work/err")"
    done
}

none=-
turn=0
wrong 'other.json table.csv image.nii.gz picture.png zip.npz other.safetensors' info @
wrong $none plan @
wrong $none plan --fingerprint @ --dataset one/dataset.json -o out
wrong $none plan --fingerprint finger.json --dataset @ -o out
wrong $none init @ -o out
wrong $none train @ -o out $small $short --no-validation
wrong $none train one -o out $small $short --no-validation --patients @
wrong $none train one -o out $small $short --no-validation --pretrained @
wrong $none train one -o out --plans @ --no-validation $short
wrong $none train one -o out $small $short --no-validation --configuration 3d_cascade_fullres \
    --previous-stage @
wrong $none train --resume @
wrong $none federate one -o out --sites @ $small --rounds 1 --local-iterations 1 --no-validation
wrong $none federate @ -o out --sites 2 $small --rounds 1 --local-iterations 1 --no-validation
wrong $none federate --as init -o out --sites A,B --plans @ --dataset one/dataset.json
wrong $none federate --as init -o out --sites A,B --plans plans.json --dataset @
wrong 'folder nothing' federate one --as fingerprint A -o @
wrong $none federate --as aggregate -o @
wrong $none predict @ -i images -o out
wrong image.nii.gz predict run -i @ -o out
wrong $none predict run -i images -o out --postprocessing @
wrong $none predict --resume @
wrong $none evaluate @ maps
wrong image.nii.gz evaluate one/labelsTr/$first.nii.gz @
wrong $none evaluate one/labelsTr maps --chill --dataset @
wrong $none evaluate @ scores.csv
wrong $none evaluate labels.csv @
wrong $none evaluate labels.csv scores.csv --validation @
wrong $none evaluate labels.csv scores.csv --patients @
wrong $none compare @ $evaluation
wrong $none compare $evaluation @
wrong $none compare $evaluation $evaluation --patients @
wrong 'zip.npz other.safetensors' convert @ out.npz
wrong 'image.nii.gz picture.png' convert @ out.nii.gz
wrong $none convert @ out.onnx
wrong $none convert one/labelsTr/$first.nii.gz out.dcm --like @
wrong $none convert one/labelsTr/$first.nii.gz out.dcm --like series --labels @
wrong $none ensemble @ maps -o out
wrong $none ensemble maps maps2 -o out --dataset @
wrong $none ensemble maps maps2 -o out --postprocessing @
wrong $none postprocess @
wrong $none postprocess run --ref @
wrong $none best @ run -o out
wrong $none best run run2 -o out --ref @
wrong $none export @ out
wrong $none study --data @ -o out --preset quick
wrong $none study --data one --sites @ -o out --preset quick --task segment
wrong $none study --resume @

finish
