#!/bin/sh
# privacy_attack.sh - membership inference, without protection and with it: the table of docs/privacy.md.
#
#     sh tests/bench/privacy_attack.sh adrenalmnist3d.npz OUT        (in a built tree; needs numpy)
#
# The attack (Yeom et al., Privacy risk in machine learning, CSF 2018): a case that a model was trained on has
# a higher probability of its own class. Members are the 20 training cases of one of three sites, the others
# 20 cases of the same source that nobody trained on; the classes of all 40 are drawn by a coin (canaries), so
# that only what was memorised tells them apart. The attack's AUC is how often a member stands above one that
# is none: 0.5 is guessing. Attacked are the site's message, as the server has it, and the global weights
# after one round over carried files. PYTHON: another than python3.
top=$PWD
nephron=${NEPHRON:-$top/nephron}
data=$(realpath "${1:?adrenalmnist3d.npz}")
mkdir -p "${2:?a folder}" && cd "$2" || exit 1
${PYTHON:-python3} - "$data" <<'PYTHON' || exit 1
import sys
import numpy as np

data, draw = np.load(sys.argv[1]), np.random.default_rng(1)
pick = draw.permutation(1188)
images, labels = data["train_images"][pick], data["train_labels"][pick]
for first in 0, 100:
    labels[first : first + 20] = draw.permutation(np.arange(20) % 2)[:, None]
np.savez("cases.npz", train_images=images[:60], train_labels=labels[:60], val_images=images[200:230], val_labels=labels[200:230],
         test_images=np.concatenate([images[:20], images[100:120]]),
         test_labels=np.concatenate([labels[:20], labels[100:120]]))
with open("sites.csv", "w") as f:
    f.write("case,site\n" + "".join(f"train_{i:04d},S{i // 20 + 1}\n" for i in range(60)))
    f.write("".join(f"val_{i:04d},S{i % 3 + 1}\n" for i in range(30)))
PYTHON
small="--depth 10 --base 8 --crop 14,14,14 --batch 10 --norm group --no-class-weights --augment 0 \
    --dropout 0 --lr 0.003 --rounds 1 --local-iterations ${ITERATIONS:-60}"
step() { "$nephron" federate "$@" --quiet --threads 2 >>log 2>&1; }
attack() { # run: the AUC, members first in the table
    rm -rf "$1.out"
    "$nephron" predict "$1" -i cases.npz -o "$1.out" --quiet >>log 2>&1 || return 1
    awk -F , 'NR > 1 { p[++n] = $2 == 1 ? $3 : 1 - $3 }
        END { for (i = 1; i <= 20; i++) for (k = 21; k <= 40; k++) a += p[i] > p[k] ? 1 : p[i] == p[k] ? 0.5 : 0; printf "%.2f", a / 400 }' "$1.out/predictions.csv"
}
run() { # name, words, options...: a round over carried files, and both attacks
    name=$1 words=$2 stages=1
    shift 2
    case "$*" in *--secure*) stages=4 ;; esac
    rm -rf "$name" "$name".*
    for s in S1 S2 S3; do step cases.npz --as fingerprint $s -o "$name" || return 1; done
    step --as init -o "$name" --sites S1,S2,S3 --fold 0 $small "$@" || return 1
    while [ $stages -gt 0 ]; do
        for s in S1 S2 S3; do
            step cases.npz --as site $s -o "$name" --sites sites.csv --state "$name.$s" || return 1
        done
        "$nephron" federate --as aggregate -o "$name" >"$name.told" 2>>log || return 1
        stages=$((stages - 1))
    done
    step --as result -o "$name" "$name.global" && global=$(attack "$name.global") || return 1
    cp -r "$name.global" "$name.site" &&
        cp "$name/round_0000/S1.safetensors" "$name.site/fold_0/checkpoint_final.safetensors"
    site=$(attack "$name.site") || site="impossible: it holds no weights"
    epsilon=$(sed -n 's/.*epsilon \([0-9.e+]*\) .*/\1/p' "$name.told")
    echo "| $words | ${epsilon:-none} | $site | $global |"
}
echo "| training | epsilon | attack on the site's message | attack on the global weights |"
echo "|---|---|---|---|"
for arm in ${ARMS:-plain secure sgd1 sgd4 sgd16}; do
    case $arm in
    plain) run plain "no protection" ;;
    secure) run secure "\`--secure\`" --secure ;;
    sgd*) run "$arm" "\`--dp sgd --dp-noise ${arm#sgd}\`" --dp sgd --dp-noise "${arm#sgd}" --dp-clip 1 ;;
    esac || { tail -n 1 log; exit 1; }
done
