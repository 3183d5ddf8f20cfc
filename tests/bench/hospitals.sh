# hospitals.sh - what flower_equal.sh, nvflare_equal.sh and federation_hashes.sh share: hospitals with small
# data, in a new folder, and what nephron's own simulation makes of them. Sourced in the tree's root. It
# leaves: top, nephron, work (the current folder, removed at the end but for KEEP=1), ok, hashes, note, and
# after `unets`, `covariates` or `classifiers` NAME.begin (a run folder to begin from) and NAME.nephron
# (simulated).
top=$PWD
nephron=$top/nephron
export NEPHRON_LIBRARY="$top/libnephron.so" PYTHONPATH="$top/apps/python:$top/apps/nvflare" \
    PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d) || exit 1
passed=0
failed=0
processes=
ok() { # description, status
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1"; fi
}
background() { # log, command...: in a group of its own, so that its children end with it
    file=$1
    shift
    setsid "$@" >"$file" 2>&1 </dev/null &
    processes="$processes $!"
}
waits() { # seconds, command...
    left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 1
    done
}
stop() {
    for p in $processes; do kill -TERM -$p 2>/dev/null; done
    for p in $processes; do
        waits 10 sh -c "! kill -0 -$p" || kill -KILL -$p 2>/dev/null
        wait $p 2>/dev/null
    done
    processes=
}
trap 'stop; [ -n "$KEEP" ] && echo "kept: $work" || rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

hashes() { sed -n 's/^[0-9]*,global,.*,\([0-9a-f]\{16\}\)$/\1/p' "$1"; }
# name, column, fold: the weights of NAME.COLUMN after every round, compared with nephron's; into TABLE as
# lines of name,column,round,hash
note() {
    hashes "$1.nephron/fold_$3/rounds.csv" >want
    hashes "$1.$2/fold_$3/rounds.csv" >got
    [ -s want ] && cmp -s want got
    ok "$1, $2: other weights than nephron's simulation" $?
    awk -v name="$1" -v column="$2" '{ print name "," column "," NR "," $1 }' got >>"${TABLE:-table}"
}
table() { # columns...: the lines of TABLE side by side
    awk -F , -v columns="$*" '
        { hash[$1 "," $3 "," $2] = $4; if (!(($1 "," $3) in seen)) { seen[$1 "," $3] = 1;
            row[++rows] = $1 "," $3 } }
        END {
            n = split(columns, c, " ")
            head = "| network and strategy | round |"; line = "|---|---|"
            for (i = 1; i <= n; i++) { head = head " " c[i] " |"; line = line "---|" }
            print head; print line
            for (r = 1; r <= rows; r++) {
                split(row[r], at, ",")
                text = "| " at[1] " | " at[2] " |"
                for (i = 1; i <= n; i++) { h = hash[row[r] "," c[i]];
                    text = text " " (h == "" ? "not run" : h) " |" }
                print text
            }
        }' "${TABLE:-table}"
}

hospital() { # name, cases...
    h=$1
    mkdir -p "$h/imagesTr" "$h/labelsTr"
    cp "$sample/dataset.json" "$h"
    shift
    for i in "$@"; do
        cp "$sample/imagesTr/hippocampus_$i"* "$h/imagesTr"
        cp "$sample/labelsTr/hippocampus_$i"* "$h/labelsTr"
        echo "hippocampus_$i,$h" >>pooled/sites.csv
    done
    cp "$h"/imagesTr/* pooled/imagesTr
    cp "$h"/labelsTr/* pooled/labelsTr
    $nephron federate "$h" --as fingerprint "$h" -o FED --quiet
}
unet_options() { # strategy
    echo "--rounds 3 --local-iterations 4 --base-features 4 --patch 16,16,16 --batch 2 --strategy $1"
    [ "$1" = scaffold ] && echo "--optimizer sgd"
}
unets() { # strategies...: hospitals north, south and west, and pooled, which holds all cases; unet-STRATEGY
    sample=$top/tests/data/hippocampus
    mkdir -p pooled/imagesTr pooled/labelsTr
    cp "$sample/dataset.json" pooled
    echo case,site >pooled/sites.csv
    hospital north 001 003 004 006 007
    hospital south 008 011 014
    hospital west 015 020 023 024
    for strategy in "$@"; do
        cp -r FED FED_$strategy
        $nephron federate --as init -o FED_$strategy $(unet_options $strategy) --quiet &&
            $nephron federate --as result -o FED_$strategy unet-$strategy.begin --quiet
        ok "$strategy: begin" $?
        $nephron federate pooled -o unet-$strategy.nephron --sites pooled/sites.csv --fold all \
            $(unet_options $strategy) --no-validation --quiet
        ok "$strategy: simulation" $?
        note unet-$strategy nephron all
    done
}
covariates_options="--task classify --rounds 3 --local-iterations 3 --depth 10 --base 4 --crop 8,8,8 \
    --batch 4"
# after unets, the same hospitals: a classifier with age, sex and the volume of the mask beside the image;
# covariates-fedavg
covariates() {
    echo case,label >pooled/labels.csv
    echo case,age,sex >pooled/clinical.csv
    for h in north south west; do
        ls $h/labelsTr | sed 's/\.nii\.gz$//' >cases
        (echo case,label; awk '{ print $1 "," NR % 2 }' cases) >$h/labels.csv
        (echo case,age,sex; awk '{ print $1 "," (NR == 2 ? "" : 40 + 7 * NR) "," (NR % 3 ? "F" : "M") }' \
            cases) >$h/clinical.csv
        for t in labels clinical; do sed 1d $h/$t.csv >>pooled/$t.csv; done
        $nephron federate $h --as fingerprint $h -o FED_covariates --task classify --covariates \
            age,volume,sex --quiet
    done
    $nephron federate --as init -o FED_covariates $covariates_options --quiet &&
        $nephron federate --as result -o FED_covariates covariates-fedavg.begin --quiet
    ok "covariates: begin" $?
    $nephron federate pooled -o covariates-fedavg.nephron --sites pooled/sites.csv --fold all \
        $covariates_options --covariates age,volume,sex \
        --no-validation --quiet
    ok "covariates: simulation" $?
    note covariates-fedavg nephron all
}
resnet_options="--rounds 3 --local-iterations 3 --depth 10 --base 8 --batch 4 --strategy fedadam \
    --fedadam-lr 0.01 --fold 0"
# PYTHON (with numpy): hospitals east.npz and coast.npz, and few.npz with few.csv, which holds all cases;
# resnet-fedadam
classifiers() {
    "$1" - "$top/tests/data/adrenalmnist3d/adrenalmnist3d.npz" <<'EOF'
import sys, numpy as np
whole = dict(np.load(sys.argv[1]))
def part(path, train, rest):
    np.savez(path, **{k: v[train if k.startswith("train") else rest] for k, v in whole.items()})
part("few.npz", slice(0, 60), slice(0, 12))
part("east.npz", slice(0, 40), slice(0, 6))
part("coast.npz", slice(40, 60), slice(6, 12))
with open("few.csv", "w") as f:
    f.write("case,site\n")
    for name, count, east in ("train", 60, 40), ("val", 12, 6):
        for i in range(count):
            f.write("%s_%04d,%s\n" % (name, i, "east" if i < east else "coast"))
EOF
    ok "files of the hospitals" $?
    for h in east coast; do $nephron federate $h.npz --as fingerprint $h -o FED_class --quiet; done
    $nephron federate --as init -o FED_class $resnet_options --quiet &&
        $nephron federate --as result -o FED_class resnet-fedadam.begin --quiet
    ok "classification: begin" $?
    $nephron federate few.npz -o resnet-fedadam.nephron --sites few.csv $resnet_options --no-validation \
        --quiet
    ok "classification: simulation" $?
    note resnet-fedadam nephron 0
}
