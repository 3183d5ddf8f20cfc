#!/bin/sh
# demo.sh - the main job on the sample that ships: a small U-Net for the hippocampus, trained centrally and
# federated over three sites (the cases grouped by the intensity scale of their files), held-out cases
# predicted, Dice tables, pictures. Everything goes to ./demo.
set -e
data=tests/data/hippocampus
out=${1:-demo}
rounds=${2:-12}
iterations=${3:-25}
plan="--base-features 16 --batch 2 --optimizer adamw --lr 0.001 --augment 1"
mkdir -p "$out"

echo "== centralised: $rounds epochs of $iterations iterations =="
./nephron train $data -o "$out/centralised" --epochs "$rounds" --iterations "$iterations" $plan --overwrite

echo
echo "== federated over three sites: $rounds rounds of $iterations iterations at each site =="
./nephron federate $data -o "$out/federated" --sites $data/sites.csv --rounds "$rounds" --local-iterations \
    "$iterations" $plan --overwrite

echo
echo "== the same held-out cases, predicted by both: federated against centralised =="
./nephron compare "$out/federated/fold_0/validation/summary.json" \
    "$out/centralised/fold_0/validation/summary.json"

echo
echo "Pictures (image, reference, prediction): $out/centralised/fold_0/validation/*.png $out/federated/fold_0/validation/*.png"
echo "Training curves: $out/centralised/fold_0/progress.svg $out/federated/fold_0/progress.svg"
