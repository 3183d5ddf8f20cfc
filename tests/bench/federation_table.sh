#!/bin/sh
# federation_table.sh - strategies, a poisoned site and privacy on real data, at a small size:
# docs/federation.md.
#
#     HIPPOCAMPUS=DATASET sh tests/bench/federation_table.sh OUT
#         (in a built tree; numpy for the poisoned site; NO_HIPPOCAMPUS=1 in its place: what ships alone)
#     PAGE=docs/federation.md sh tests/bench/federation_table.sh OUT
#         (the page of what has run until now)
#
# DATASET: the Decathlon's hippocampus in nnU-Net's layout, of which every third case is used (CASES of them).
# Runs that OUT has are not run again. JOBS at a time, one thread each. About forty minutes of processor time
# with the sizes below, most of it for twenty sites.
top=$PWD
nephron=${NEPHRON:-$top/nephron}
out=${1:?a folder for the runs}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
adrenal=${ADRENAL:-$top/tests/data/adrenalmnist3d/adrenalmnist3d.npz}
cases=${CASES:-48} rounds=${ROUNDS:-5} jobs=${JOBS:-2}
unet="--base-features 8 --patch 24,32,24 --batch 2 --optimizer sgd --lr 0.05 --momentum 0.9 --augment 0 \
    --validation-batches 6"
resnet="--depth 10 --base 4 --batch 8 --crop 14,14,14 --optimizer sgd --lr 0.05 --momentum 0.9 \
    --validation-batches 4"
common="--rounds $rounds --no-validation --threads 1 --quiet --seed 1"

# ---- one run: NAME DATA OPTIONS... -------------------------------------------------------------------------
if [ -n "$FEDERATION_RUN" ]; then
    name=$2
    shift 2
    [ -s "$out/$name.csv" ] && exit 0
    rm -rf "${out:?}/$name"
    if "$nephron" federate "$@" -o "$out/$name" $common >"$out/$name.log" 2>&1; then
        cp "$out/$name"/fold_*/manifest.json "$out/$name.json" &&
            cp "$out/$name"/fold_*/rounds.csv "$out/$name.csv"
        rm -rf "${out:?}/$name"
    else
        echo "FAILED $name: $(tail -n 1 "$out/$name.log")"
    fi
    exit 0
fi

# ---- what is run -------------------------------------------------------------------------------------------
strategies="fedavg fedprox scaffold fedadam fedbn"
options_of() { # strategy
    case $1 in
    fedprox) echo "--strategy fedprox --fedprox-mu 0.1" ;;
    fedadam) echo "--strategy fedadam --fedadam-lr 0.01" ;;
    *) echo "--strategy $1" ;;
    esac
}
list() { # the short ones first
    for s in fedavg median krum; do
        echo "poison-$s $out/poisoned.npz --sites $out/poisoned.csv --local-iterations 10 $resnet --strategy $s"
        echo "clean-$s $adrenal --sites $out/poisoned.csv --local-iterations 10 $resnet --strategy $s"
    done
    for z in 0.3 1 3; do
        echo "dp-$z $adrenal --sites 20 --local-iterations 8 $resnet --fedavg-equal 1 --dp central --dp-noise $z --dp-clip 0.5 --dp-test-seed 1"
    done
    echo "dp-0 $adrenal --sites 20 --local-iterations 8 $resnet --fedavg-equal 1"
    for sites in 6 3 20; do
        # 60 batches a round in all; of twenty sites each has as many as one of three
        share=$((sites == 20 ? 3 : sites))
        for part in skewed iid; do
            for s in $strategies; do
                [ $part = iid ] && hp=stratified ap=stratified || { hp=intensity ap=dirichlet:0.3; }
                echo "adrenal-$sites-$part-$s $adrenal --sites $sites --partition $ap --local-iterations $((60 / share)) $resnet $(options_of $s)"
                [ -n "$NO_HIPPOCAMPUS" ] ||
                    echo "hippo-$sites-$part-$s $out/hippocampus --sites $sites --partition $hp --local-iterations $((90 / share)) $unet $(options_of $s)"
            done
        done
    done
}

if [ -z "$PAGE" ]; then
    [ -n "$NO_HIPPOCAMPUS" ] || : "${HIPPOCAMPUS:?the folder of the Decathlon hippocampus, or NO_HIPPOCAMPUS=1}"
    git -C "$top" rev-parse --short HEAD >"$out/commit"
    if [ -z "$NO_HIPPOCAMPUS" ] && [ ! -d "$out/hippocampus" ]; then
        mkdir -p "$out/hippocampus/imagesTr" "$out/hippocampus/labelsTr" &&
            cp "$HIPPOCAMPUS/dataset.json" "$out/hippocampus"
        for f in $(ls "$HIPPOCAMPUS/labelsTr" | awk 'NR % 3 == 0' | head -n "$cases"); do
            cp "$HIPPOCAMPUS/labelsTr/$f" "$out/hippocampus/labelsTr"
            cp "$HIPPOCAMPUS/imagesTr/${f%.nii.gz}_0000.nii.gz" "$out/hippocampus/imagesTr"
        done
    fi
    # Six sites; the sixth has half of all cases and every label of its training cases turned.
    [ -s "$out/poisoned.npz" ] || python3 - "$adrenal" "$out" <<'PYTHON' || exit 1
import sys
import numpy as np

data = dict(np.load(sys.argv[1]))
with open(sys.argv[2] + "/poisoned.csv", "w") as f:
    f.write("case,site\n")
    for part, name in ("train", "train"), ("val", "val"):
        n = len(data[part + "_labels"])
        for i in range(n):
            site = 5 if i % 2 else i // 2 % 5
            f.write(f"{name}_{i:04d},site_{site + 1}\n")
            if site == 5 and part == "train":
                data["train_labels"][i] = 1 - data["train_labels"][i]
np.savez_compressed(sys.argv[2] + "/poisoned.npz", **data)
PYTHON
    list | FEDERATION_RUN=1 xargs -P "$jobs" -L 1 sh "$top/tests/bench/federation_table.sh" "$out"
    exit
fi

# ---- the page ----------------------------------------------------------------------------------------------
cd "$out" || exit 1
last() { # NAME, site: the metric of the last round
    [ -s "$1.csv" ] && awk -F , -v site="$2" \
        '$2 == site { m = $5 } END { printf m == "" ? "-" : "%.2f", m }' "$1.csv" || printf 'not run'
}
range() { # NAME: the smallest and largest of the sites' metrics after the last round
    [ -s "$1.csv" ] || return 0
    awk -F , '$2 == "global" { r = $1; next } NR > 1 && $5 != "" { at[$1] = at[$1] " " $5 }
        END { n = split(at[r], v, " "); a = 9; b = -9; for (i = 1; i <= n; i++) { if (v[i] < a) a = v[i];
            if (v[i] > b) b = v[i] }
              if (n) printf " (%.2f to %.2f)", a, b }' "$1.csv"
}
rounds_of() { # NAME: the metric of each round
    awk -F , '$2 == "global" { printf "%s%.2f", n++ ? ", " : "", $5 }' "$1.csv"
}
by_site() { # dataset prefix, sites, split: a row a site, a column a strategy, in it the metric of each round
    for s in $strategies; do [ -s "$1-$2-$3-$s.csv" ] || return 0; done
    echo
    echo "$2 sites, $3:"
    echo
    echo "| site | $(echo $strategies | sed 's/ / | /g') |"
    echo "|---|$(for s in $strategies; do printf -- '---|'; done)"
    awk -F , '
        FNR == 1 { column++; next }
        { if (!($2 in seen)) { seen[$2] = 1; name[++names] = $2 }
          cell[$2, column] = cell[$2, column] " " ($5 == "" ? "-" : sprintf("%.2f", $5)) }
        END {
            for (i = 0; i <= names; i++) {
                site = i ? name[i] : "global"
                if (i && site == "global") continue
                line = "| " site " |"
                for (k = 1; k <= column; k++) line = line (cell[site, k] ~ /[0-9]/ ? cell[site,
                    k] : " -") " |"
                print line
            }
        }' $(for s in $strategies; do echo "$1-$2-$3-$s.csv"; done)
}
grid() { # dataset prefix
    echo "| sites | cases | $(echo $strategies | sed 's/ / | /g') |"
    echo "|---|---|$(for s in $strategies; do printf -- '---|'; done)"
    for sites in 3 6 20; do
        for part in iid skewed; do
            printf '| %s | %s |' $sites $part
            for s in $strategies; do
                printf ' %s%s |' "$(last $1-$sites-$part-$s global)" "$(range $1-$sites-$part-$s)"
            done
            echo
        done
    done
}
ran() { # dataset prefix: whether there is a run of it
    ls $1-*.csv >/dev/null 2>&1
}
hippocampus() {
    echo "Hippocampus (every third case of the Decathlon's: $cases; patches 24x32x24): mean Dice of the two labels on"
    echo "validation patches. skewed: sites by the images' intensity, which differs between the scanners."
    echo
    grid hippo
}
rounds_of_sites() { # heading, dataset prefix
    ran $2 || return 0
    echo
    echo "### $1"
    for sites in 3 6 20; do
        for part in iid skewed; do by_site $2 $sites $part; done
    done
}
{
    cat <<TEXT
# Strategies, a poisoned site and privacy, measured

    ./nephron federate tests/data/adrenalmnist3d/adrenalmnist3d.npz -o run_strategy --sites 3 \\
        --partition stratified --strategy fedavg --rounds $rounds --local-iterations 20 \\
        $(echo $resnet | cut -d ' ' -f 1-8) \\
        $(echo $resnet | cut -d ' ' -f 9-) --no-validation
    cut -d , -f 1,2,5 run_strategy/fold_0/rounds.csv

is the first entry of the first table: each site's metric (here AUC) on its validation cases after each round,
and that on all (\`global\`), $(last adrenal-3-iid-fedavg global) at the end. The other columns have another \`--strategy\`, with \`--fedprox-mu
0.1\` and \`--fedadam-lr 0.01\`; skewed is \`--partition dirichlet:0.3\`. All of it, most of an hour of a
processor:

    NO_HIPPOCAMPUS=1 sh tests/bench/federation_table.sh runs      # what ships alone
    HIPPOCAMPUS=DATASET sh docs/make_figures.sh federation        # all, and this page from it

where DATASET is the Decathlon's hippocampus (medicaldecathlon.com). The page is of commit $(cat commit).

These are small runs on purpose, $rounds rounds of 60 batches in all (90 of the hippocampus; as many at each
site; twenty sites take as many each as three do, 20 and 30) of networks with 4 features (8) at the first
stage, with learning rates that were chosen after trials which learnt nothing: they show what the strategies
do at the beginning of a training, side by side and in minutes, and say nothing of what a whole training
reaches. The runs of central privacy take 8 batches a site. One seed each: differences of a few hundredths are
chance, and at single sites, which have a handful of validation cases, differences of a few tenths.

## Strategies

AdrenalMNIST3D (1188 training, 98 validation cases, 28 voxels a side cut to 14): AUC on all validation cases
after the last round, and the smallest and largest at the sites on their own. iid: stratified; skewed:
classes by Dirichlet(0.3). Sites of a skewed split may have one class, and then no AUC.

$(grid adrenal)

$(ran hippo && hippocampus || echo "Hippocampus: not run at this commit.")

## One poisoned site of six

Five sites have a tenth of AdrenalMNIST3D's training cases each, the sixth has half of them and turns every
label. AUC on all validation cases after the last round:

| strategy | sound sites only | one is poisoned |
|---|---|---|
$(for s in fedavg median krum; do echo "| $s | $(last clean-$s global) | $(last poison-$s global) |"; done)

The running means and variances of a batch norm are among what a robust strategy sees: its distances are over
all values of an update, its medians and means over each. So are \`update_norm\` and \`cosine\` of
\`rounds.csv\`, and the table \`similarity.csv\`. These statistics are as large as the activations are, so
in a network with batch norm (the classifier's own) they may weigh more in a distance than the trained
weights; \`--norm group\` or \`--norm instance\` has none.

## Central privacy

Twenty sites of AdrenalMNIST3D, \`--dp central --dp-clip 0.5\`, delta 1e-5; epsilon is of a whole site,
after the last round. Twenty sites are few: noise that hides one of them is large beside the mean of all.
What this table cannot tell: which of the three noises hurts more. With noise every AUC is at chance (98
cases of which a quarter are of one class: +- 0.13), and no training here is long enough to come back from it.
It shows no point at which privacy and a usable model go together, and does not show that there is none.

| --dp-noise | epsilon | AUC, round by round |
|---|---|---|
$(for z in 0 0.3 1 3; do [ -s dp-$z.csv ] && echo "| $z | $(awk -F , -v z=$z '$2 == "global" { e = z > 0 ? sprintf("%.1f", $(NF - 2)) : "none" } END { print e }' dp-$z.csv) | $(rounds_of dp-$z) |"; done)

## Round by round

On all validation cases (global), and on those of each site; -: it has none, or of one class only.
$(rounds_of_sites AdrenalMNIST3D adrenal)
$(rounds_of_sites Hippocampus hippo)
TEXT
} >"$top/${PAGE#"$top"/}"
