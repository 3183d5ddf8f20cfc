#!/bin/sh
# check_web.sh - web/nephron.html in headless Chromium, driven as by a user: label maps and probabilities are
# the program's, with both modules; NIfTI, DICOM folders, run folders, zips and weights alone; what is wrong
# is said and what was loaded stays; cancelling. Before these, the page's parts in node. Run by check-all.
# SHOTS=DIR also keeps screenshots. Builds the page where it is not there.
. tests/program/lib.sh
. apps/web/compilers.sh
[ -z "$SHOTS" ] || mkdir -p "$SHOTS"
if command -v node >/dev/null; then
    said=$(node tests/program/web_worker.mjs)
    ok "worker.js: $said" $?
    said=$(node tests/program/web_page.mjs)
    ok "page.js: $said" $?
fi
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome)}
if [ -z "$simd" ] || [ -z "$browser" ] || ! command -v node >/dev/null; then
    echo "skipped: clang for WebAssembly, chromium or node is not installed"
    finish ", skipped"
    exit 0
fi
export CHROMIUM="$browser"
expect() { # WHAT GOT WANTED (a pattern)
    case $2 in
    $3) pass ;;
    *) fail "$1: $2; wanted: $3" ;;
    esac
}

if [ ! -f web/nephron.html ] && ! make web >"$work/make.log" 2>&1; then
    cat "$work/make.log"
    fail "make web"
    finish
    exit 1
fi
image=tests/data/hippocampus/imagesTr/hippocampus_001_0000.nii.gz
$nephron train tests/data/hippocampus -o "$work/run" --epochs 1 --iterations 4 --base-features 4 --batch 2 \
    --optimizer adamw --lr 0.003 --augment 0 --quiet
cp -r tests/data/hippocampus "$work/classes" && chmod -R u+w "$work/classes"
awk -F, 'NR == 1 { print "case,label" } NR > 1 { print $1 "," NR % 2 }' "$work/classes/sites.csv" \
    >"$work/classes/labels.csv"
$nephron train "$work/classes" -o "$work/classifier" --task classify --depth 10 --base 4 --epochs 1 \
    --iterations 2 --batch 4 --crop 12,12,12 --quiet
$nephron train "$work/classes" -o "$work/covariates" --task classify --depth 10 --base 4 --epochs 1 \
    --iterations 1 --batch 4 --crop 12,12,12 --covariates volume --no-validation --quiet
$nephron train tests/data/adrenalmnist3d/adrenalmnist3d.npz -o "$work/arrays" --task classify --depth 10 \
    --base 4 --epochs 1 --iterations 2 --batch 4 --crop 12,12,12 --quiet
$nephron predict "$work/run" -i "$image" -o "$work/maps" --quiet
$nephron predict "$work/run" -i tests/data/dicom/series -o "$work/dicom" --quiet
$nephron predict "$work/classifier" -i "$image" -o "$work/probabilities" --quiet
# Two channels, the second an image of another contrast; a model that nnU-Net trained; an oblique image.
mkdir -p "$work/two/imagesTr" "$work/two/labelsTr"
for n in 001 003 004 006; do
    for channel in 0000 0001; do
        cp "tests/data/hippocampus/imagesTr/hippocampus_${n}_0000.nii.gz" \
            "$work/two/imagesTr/h${n}_$channel.nii.gz"
    done
    cp "tests/data/hippocampus/labelsTr/hippocampus_$n.nii.gz" "$work/two/labelsTr/h$n.nii.gz"
done
$nephron init "$work/two" --channels T2,T1 --labels anterior,posterior --quiet
$nephron train "$work/two" -o "$work/run2" --epochs 1 --iterations 2 --base-features 4 --patch 16,16,16 \
    --batch 2 --augment 0 --fold all --quiet
$nephron predict "$work/run2" -i "$work/two/imagesTr" -o "$work/maps2" --quiet
nnunet=tests/data/golden/nnunet_model
mkdir "$work/scanner" && cp tests/data/images/scanner.nii.gz "$work/scanner/scanner_0000.nii.gz"
$nephron predict $nnunet -i "$work/scanner" -o "$work/oblique" --quiet
$nephron predict $nnunet -i "$image" -o "$work/maps3" --quiet
for run in run classifier; do rm -rf "$work/$run/fold_0/validation"; done
(cd "$work" && python3 -c "import shutil; shutil.make_archive('run', 'zip', 'run')" 2>/dev/null ||
    zip -qr run.zip run)
cp "$work"/run/fold_0/checkpoint_final.safetensors "$work/weights.safetensors"
head -c 3000 "$image" >"$work/cut.nii.gz"
head -c 30000 "$work/run.zip" >"$work/cut.zip"
echo '{}' >"$work/dataset.json"

about() { echo "print:document.getElementById('$1').textContent"; }
loaded() { echo "wait:!app.busy && (app.$1 || document.getElementById('$1-problem').textContent)"; }
drive() { timeout 1800 node tests/program/web_driver.mjs "$@" 2>&1; }

# So short a prediction could end before it is cancelled: from then on the page hears of its progress alone.
endless="set:{ const hear = worker.onmessage; worker.onmessage = (e) => e.data.progress && hear(e); }"

# A NIfTI file and a zip of a run, then cancelled, predicted and saved; broken files in between change
# nothing.
drive web/nephron.html "wait:app.level" "print:app.level" "files:image-files=$image" "$(loaded image)" \
    "$(about image-about)" \
    "files:model-files=$work/cut.zip" "wait:!app.busy" "$(about model-problem)" \
    "files:model-files=$work/run.zip" "$(loaded model)" "$(about model-about)" \
    "files:image-files=$work/cut.nii.gz" \
    "wait:!app.busy && !document.getElementById('image-problem').hidden" "$(about image-problem)" \
    "$(about image-about)" \
    "files:model-files=$work/weights.safetensors" \
    "wait:!app.busy && !document.getElementById('model-problem').hidden" "$(about model-problem)" \
    "$endless" click:run "wait:document.getElementById('bar').value > 0" click:cancel "wait:!app.busy" \
    "print:Boolean(app.map)" \
    click:run "wait:!app.busy" "print:document.getElementById('run-problem').textContent" "$(about legend)" \
    "bytes:app.map=$work/map.bin" \
    click:save "wait:app.saved" "bytes:app.saved=$work/saved.nii.gz" ${SHOTS:+"shot:$SHOTS/desktop.png" \
    "size:1280x860,dark" "shot:$SHOTS/dark.png"} \
    ${SHOTS:+"size:390x844,mobile" "shot:$SHOTS/phone.png" "size:390x844,mobile,dark" \
    "shot:$SHOTS/phone_dark.png"} >"$work/1.txt"
line() { sed -n "$2p" "$work/$1.txt"; }
expect "the module" "$(line 1 1)" "*SIMD"
expect "the image" "$(line 1 2)" "hippocampus_001_0000.nii.gz: 35 × 51 × 35 voxels of 1 × 1 × 1 mm"
expect "a cut archive" "$(line 1 3)" "cut.zip: has no directory of a zip archive*"
expect "the model" "$(line 1 4)" "Hippocampus: segments Anterior, Posterior (1 network of * weights)"
expect "a cut image" "$(line 1 5)" "cut.nii.gz*The image above is kept."
expect "the image after it" "$(line 1 6)" "hippocampus_001_0000.nii.gz: 35*"
expect "weights alone" "$(line 1 7)" "*The model above is kept."
expect "a cancelled prediction" "$(line 1 8)" false
expect "no problem" "$(line 1 9)" ""
expect "the legend" "$(line 1 10)" "Anterior*mlPosterior*ml"
same "the saved label map" "$work/saved.nii.gz" "$work/maps/hippocampus_001.nii.gz"

# The module without relaxed SIMD; the run as a folder.
drive "web/nephron.html#simd128" "wait:app.level" "print:app.level" "files:image-files=$image" \
    "files:image-files=$image" "$(loaded image)" \
    "files:model-folder=$work/run" "$(loaded model)" "$(about model-problem)" click:run "wait:!app.busy" \
    "bytes:app.map=$work/simd128.bin" >"$work/2.txt"
expect "the module of any browser" "$(line 2 1)" SIMD
expect "a run folder" "$(line 2 2)" ""
same "its label map" "$work/simd128.bin" "$work/map.bin"

# A folder of DICOM slices; weights with dataset.json and plans.json.
drive web/nephron.html "wait:app.level" "files:image-folder=tests/data/dicom/series" "$(loaded image)" \
    "$(about image-about)" "$(about image-problem)" \
    "files:model-files=$work/run/dataset.json,$work/run/plans.json,$work/run/manifest.json,$work/weights.safetensors" "$(loaded model)" "$(about model-problem)" \
    click:run "wait:!app.busy" "$(about run-problem)" click:save "wait:app.saved" \
    "bytes:app.saved=$work/series.nii.gz" >"$work/3.txt"
expect "a DICOM folder" "$(line 3 1)" "series: * voxels of * mm"
expect "no problem with it" "$(line 3 2)$(line 3 3)$(line 3 4)" ""
same "the series' label map" "$work/series.nii.gz" "$(echo "$work"/dicom/*.nii.gz)"

# A classifier; an image of two channels does not fit.
drive web/nephron.html "wait:app.level" "files:image-files=$image" "$(loaded image)" \
    "files:model-folder=$work/classifier" "$(loaded model)" \
    click:run "wait:!app.busy" "print:app.probabilities[1].toPrecision(9)" "$(about classes)" \
    ${SHOTS:+"shot:$SHOTS/classes.png"} \
    "files:image-files=$image,tests/data/hippocampus/imagesTr/hippocampus_003_0000.nii.gz" \
    "wait:!app.busy && !document.getElementById('image-problem').hidden" \
    "$(about image-problem)" "files:model-files=$work/dataset.json,$work/weights.safetensors" \
    "wait:!app.busy && !document.getElementById('model-problem').hidden" \
    "$(about model-problem)" ${SHOTS:+"shot:$SHOTS/problems.png"} "files:model-folder=$work/covariates" \
    "wait:!app.busy && document.getElementById('model-problem').textContent.includes('takes')" \
    "$(about model-problem)" >"$work/4.txt"
expect "the probability" "$(line 4 1)" "$(sed -n 2p "$work/probabilities/predictions.csv" | cut -d, -f2)*"
expect "the classes" "$(line 4 2)" "class [01]*%class [01]*%"
expect "images of two grids" "$(line 4 3)" "*hippocampus_003_0000.nii.gz*The image above is kept."
expect "a broken dataset.json" "$(line 4 4)" "*The model above is kept."
expect "covariates" "$(line 4 5)" "*takes 1 covariates beside the image, the first is volume*is kept."
# Dropped on the page: two channels at once, a run's folder.
drive web/nephron.html "wait:app.level" \
    "drop:image-card=$work/two/imagesTr/h001_0000.nii.gz,$work/two/imagesTr/h001_0001.nii.gz" \
    "$(loaded image)" \
    "$(about image-about)" "drop:model-card=$work/run2" "$(loaded model)" "$(about model-problem)" click:run \
    "wait:!app.busy" \
    "$(about run-problem)" click:save "wait:app.saved" "bytes:app.saved=$work/two.nii.gz" >"$work/5.txt"
expect "two channels" "$(line 5 1)" "*35 × 51 × 35 voxels*"
expect "no problem with them" "$(line 5 2)$(line 5 3)" ""
same "the label map of two channels" "$work/two.nii.gz" "$work/maps2/h001.nii.gz"

# nnU-Net's model folder, dropped; first an image of one channel, then an oblique one.
drive web/nephron.html "wait:app.level" "drop:model-card=$nnunet" "$(loaded model)" "$(about model-problem)" \
    "drop:image-card=$image" "$(loaded image)" \
    click:run "wait:!app.busy" "$(about run-problem)" click:save "wait:app.saved" \
    "bytes:app.saved=$work/nnunet.nii.gz" \
    "drop:image-card=$work/scanner/scanner_0000.nii.gz" \
    "wait:!app.busy && document.getElementById('image-about').textContent.includes('scanner')" \
    "$(about image-problem)" "set:app.saved = null" click:run "wait:!app.busy" "$(about run-problem)" \
    click:save "wait:app.saved" \
    "bytes:app.saved=$work/oblique.nii.gz" ${SHOTS:+"shot:$SHOTS/oblique.png"} >"$work/6.txt"
expect "nnU-Net's model and an oblique image" "$(line 6 1)$(line 6 2)$(line 6 3)$(line 6 4)" ""
same "the label map of nnU-Net's model" "$work/nnunet.nii.gz" "$work/maps3/hippocampus_001.nii.gz"
same "the label map of an oblique image" "$work/oblique.nii.gz" "$work/oblique/scanner.nii.gz"

# What a user does wrong: too large an image, a run without weights, an empty folder, other channels than the
# model's; an image and a model dropped one right after the other; files given while a prediction runs, then
# cancelled.
# The header of a small image with 1200 x 1200 x 1000 voxels of one byte, all 0.
u16() { for n in "$@"; do printf "\\$(printf %03o $((n % 256)))\\$(printf %03o $((n / 256)))"; done; }
gzip -dc "$image" | head -c 352 >"$work/head"
u16 3 1200 1200 1000 1 1 1 1 | dd of="$work/head" bs=1 seek=40 conv=notrunc 2>/dev/null
u16 2 8 | dd of="$work/head" bs=1 seek=70 conv=notrunc 2>/dev/null
{ cat "$work/head"; head -c 1440000000 /dev/zero; } | gzip -1 >"$work/large.nii.gz"
cp -r "$work/run" "$work/untrained" && rm "$work"/untrained/fold_0/checkpoint_*
mkdir "$work/nothing"
said() { echo "wait:!document.getElementById('$1-problem').hidden"; }
text_of() { echo "document.getElementById('$1').textContent"; }
drive web/nephron.html "wait:app.level" "drop:image-card=$image" "drop:model-card=$work/run" \
    "wait:!app.busy && app.image && app.model" \
    "$(about image-about)" "$(about model-about)" "drop:image-card=$work/large.nii.gz" "$(said image)" \
    "$(about image-problem)" \
    "drop:model-card=$work/untrained" "$(said model)" "$(about model-problem)" \
    "drop:model-card=$work/nothing" "wait:$(text_of model-problem).startsWith('There are no files')" \
    "$(about model-problem)" \
    "drop:image-card=$work/two/imagesTr/h001_0000.nii.gz,$work/two/imagesTr/h001_0001.nii.gz" \
    "wait:!app.busy && app.image.channels === 2" \
    "$(about run-about)" "print:document.getElementById('run').disabled" ${SHOTS:+"shot:$SHOTS/misfit.png"} \
    "drop:image-card=$image" "wait:!app.busy && app.image.channels === 1" "$endless" \
    click:run "wait:app.busy === 'run'" "drop:image-card=$image" "$(said image)" \
    "$(about image-problem)" click:cancel "wait:!app.busy" "print:Boolean(app.map)" click:run \
    "wait:!app.busy" "bytes:app.map=$work/again.bin" >"$work/7.txt"
expect "an image dropped before a model" "$(line 7 1)" "hippocampus_001_0000.nii.gz: 35*"
expect "a model dropped after an image" "$(line 7 2)" "Hippocampus: segments*"
expect "too large an image" "$(line 7 3)" "large.nii.gz*GB*The image above is kept."
expect "a run without weights" "$(line 7 4)" "There are no weights in what was given*The model above is kept."
expect "an empty folder" "$(line 7 5)" "There are no files in what was given*"
expect "other channels" "$(line 7 6)" "The model takes 1 channel*the image has 2."
expect "no prediction then" "$(line 7 7)" true
expect "a file during a prediction" "$(line 7 8)" "A prediction is running*"
expect "cancelled" "$(line 7 9)" false
same "the label map after all this" "$work/again.bin" "$work/map.bin"
drive web/nephron.html "wait:app.level" "drop:model-card=$work/arrays" "$(said model)" \
    "$(about model-problem)" >"$work/8.txt"
expect "a model of another kind of values" "$(line 8 1)" "adrenalmnist3d: was trained on a MedMNIST file*"
[ "$failed" -eq 0 ] || cat "$work"/[0-9].txt
finish
