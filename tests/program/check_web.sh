#!/bin/sh
# check_web.sh - web/nephron.html in headless Chromium, driven as by a user: label maps and probabilities are the program's, with both modules;
# NIfTI, DICOM folders, run folders, zips and weights alone; what is wrong is said and what was loaded stays; cancelling.
# Run by check-all. SHOTS=DIR also keeps screenshots. Builds the page where it is not there.
nephron=${NEPHRON:-./nephron}
dir=${TMPDIR:-/tmp}/nephron_web.$$
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
. apps/web/compilers.sh
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
if [ -z "$simd" ] || [ -z "$browser" ] || ! command -v node >/dev/null; then
    echo "skipped: clang for WebAssembly, chromium or node is not installed"
    echo "check_web: 0 passed, 0 failed, skipped"
    exit 0
fi
export CHROMIUM="$browser"
passed=0
failed=0
expect() { # WHAT GOT WANTED (a pattern)
    case $2 in
    $3) passed=$((passed + 1)) ;;
    *) failed=$((failed + 1)) && printf 'FAILED %s: %s\n    wanted: %s\n' "$1" "$2" "$3" ;;
    esac
}
same() { # WHAT FILE FILE
    if [ -s "$2" ] && cmp -s "$2" "$3"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "FAILED $1: not the same bytes"; fi
}

if [ ! -f web/nephron.html ] && ! make web >"$dir/make.log" 2>&1; then
    cat "$dir/make.log"
    echo "check_web: 0 passed, 1 failed"
    exit 1
fi
image=tests/data/hippocampus/imagesTr/hippocampus_001_0000.nii.gz
$nephron train tests/data/hippocampus -o "$dir/run" --epochs 1 --iterations 4 --base-features 8 --batch 2 --optimizer adamw --lr 0.003 --augment 0 --quiet
$nephron train tests/data/adrenalmnist3d/adrenalmnist3d.npz -o "$dir/classifier" --task classify --depth 10 --base 4 --epochs 1 --iterations 2 --batch 4 \
    --crop 12,12,12 --quiet
$nephron predict "$dir/run" -i "$image" -o "$dir/maps" --quiet
$nephron predict "$dir/run" -i tests/data/dicom/series -o "$dir/dicom" --quiet
$nephron predict "$dir/classifier" -i "$image" -o "$dir/probabilities" --quiet
for run in run classifier; do rm -rf "$dir/$run/fold_0/validation"; done
(cd "$dir" && python3 -c "import shutil; shutil.make_archive('run', 'zip', 'run')" 2>/dev/null || zip -qr run.zip run)
cp "$dir"/run/fold_0/checkpoint_final.safetensors "$dir/weights.safetensors"
head -c 3000 "$image" >"$dir/cut.nii.gz"
head -c 30000 "$dir/run.zip" >"$dir/cut.zip"
echo '{}' >"$dir/dataset.json"

about() { echo "print:document.getElementById('$1').textContent"; }
loaded() { echo "wait:!app.busy && (app.$1 || document.getElementById('$1-problem').textContent)"; }
drive() { timeout 300 node tests/program/web_driver.mjs "$@" 2>&1; }

# A NIfTI file and a zip of a run, then cancelled, predicted and saved; broken files in between change nothing.
drive web/nephron.html "wait:app.level" "print:app.level" "files:image-files=$image" "$(loaded image)" "$(about image-about)" \
    "files:model-files=$dir/cut.zip" "wait:!app.busy" "$(about model-problem)" "files:model-files=$dir/run.zip" "$(loaded model)" "$(about model-about)" \
    "files:image-files=$dir/cut.nii.gz" "wait:!app.busy && !document.getElementById('image-problem').hidden" "$(about image-problem)" "$(about image-about)" \
    "files:model-files=$dir/weights.safetensors" "wait:!app.busy && !document.getElementById('model-problem').hidden" "$(about model-problem)" \
    click:run "wait:document.getElementById('bar').value > 0" click:cancel "wait:!app.busy" "print:Boolean(app.map)" \
    click:run "wait:!app.busy" "print:document.getElementById('run-problem').textContent" "$(about legend)" "bytes:app.map=$dir/map.bin" \
    click:save "wait:app.saved" "bytes:app.saved=$dir/saved.nii.gz" ${SHOTS:+"shot:$SHOTS/desktop.png" "size:1280x860,dark" "shot:$SHOTS/dark.png"} \
    ${SHOTS:+"size:390x844,mobile" "shot:$SHOTS/phone.png" "size:390x844,mobile,dark" "shot:$SHOTS/phone_dark.png"} >"$dir/1.txt"
line() { sed -n "$2p" "$dir/$1.txt"; }
expect "the module" "$(line 1 1)" "*SIMD"
expect "the image" "$(line 1 2)" "hippocampus_001_0000.nii.gz: 35 × 51 × 35 voxels of 1 × 1 × 1 mm"
expect "a cut archive" "$(line 1 3)" "cut.zip: has no directory of a zip archive*"
expect "the model" "$(line 1 4)" "Hippocampus: segments Anterior, Posterior (1 network of * million weights)"
expect "a cut image" "$(line 1 5)" "cut.nii.gz*The image above is kept."
expect "the image after it" "$(line 1 6)" "hippocampus_001_0000.nii.gz: 35*"
expect "weights alone" "$(line 1 7)" "*The model above is kept."
expect "a cancelled prediction" "$(line 1 8)" false
expect "no problem" "$(line 1 9)" ""
expect "the legend" "$(line 1 10)" "Anterior*mlPosterior*ml"
same "the saved label map" "$dir/saved.nii.gz" "$dir/maps/hippocampus_001.nii.gz"

# The module without relaxed SIMD; the run as a folder.
drive "web/nephron.html#simd128" "wait:app.level" "print:app.level" "files:image-files=$image" "files:image-files=$image" "$(loaded image)" \
    "files:model-folder=$dir/run" "$(loaded model)" "$(about model-problem)" click:run "wait:!app.busy" "bytes:app.map=$dir/simd128.bin" >"$dir/2.txt"
expect "the module of any browser" "$(line 2 1)" SIMD
expect "a run folder" "$(line 2 2)" ""
same "its label map" "$dir/simd128.bin" "$dir/map.bin"

# A folder of DICOM slices; weights with dataset.json and plans.json.
drive web/nephron.html "wait:app.level" "files:image-folder=tests/data/dicom/series" "$(loaded image)" "$(about image-about)" "$(about image-problem)" \
    "files:model-files=$dir/run/dataset.json,$dir/run/plans.json,$dir/run/manifest.json,$dir/weights.safetensors" "$(loaded model)" "$(about model-problem)" \
    click:run "wait:!app.busy" "$(about run-problem)" click:save "wait:app.saved" "bytes:app.saved=$dir/series.nii.gz" >"$dir/3.txt"
expect "a DICOM folder" "$(line 3 1)" "series: * voxels of * mm"
expect "no problem with it" "$(line 3 2)$(line 3 3)$(line 3 4)" ""
same "the series' label map" "$dir/series.nii.gz" "$(echo "$dir"/dicom/*.nii.gz)"

# A classifier; an image of two channels does not fit.
drive web/nephron.html "wait:app.level" "files:image-files=$image" "$(loaded image)" "files:model-folder=$dir/classifier" "$(loaded model)" \
    click:run "wait:!app.busy" "print:app.probabilities[1].toPrecision(9)" "$(about classes)" ${SHOTS:+"shot:$SHOTS/classes.png"} \
    "files:image-files=$image,tests/data/hippocampus/imagesTr/hippocampus_003_0000.nii.gz" "wait:!app.busy && !document.getElementById('image-problem').hidden" \
    "$(about image-problem)" "files:model-files=$dir/dataset.json,$dir/weights.safetensors" "wait:!app.busy && !document.getElementById('model-problem').hidden" \
    "$(about model-problem)" ${SHOTS:+"shot:$SHOTS/problems.png"} >"$dir/4.txt"
expect "the probability" "$(line 4 1)" "$(sed -n 2p "$dir/probabilities/predictions.csv" | cut -d, -f2)*"
expect "the classes" "$(line 4 2)" "*%*%"
expect "images of two grids" "$(line 4 3)" "*hippocampus_003_0000.nii.gz*The image above is kept."
expect "a broken dataset.json" "$(line 4 4)" "*The model above is kept."
[ "$failed" -eq 0 ] || cat "$dir"/[0-9].txt
echo "check_web: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
