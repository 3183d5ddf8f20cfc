#!/bin/sh
# make_figures.sh [PART...] - makes the numbers of README and docs again, in the tree's own pages, with the
# commit that they are of. Run from the root of a tree without changes, on a machine that does nothing else
# (`make figures`). Parts, by default all but standard and seeds:
#
#     speed       README's table: tests/bench/compare.py beside PyTorch, ONNX Runtime and OpenVINO, which
#                 PYTHON has
#     study       README's and docs/study.md's tables: `nephron study -o build/figures/study --preset quick`
#     standard    the same of `--preset standard`, five seeds, an hour: only where it is named
#     seeds       standard from `--seed 2`, beside the one of the part before: another hour
#     ladder      docs/ladder/ladder.md and ladder.svg, of the book
#     federation  docs/federation.md: tests/bench/federation_table.sh; HIPPOCAMPUS names what does not ship
#
# Other pages have a script of their own, which they name beside the table: bridges (federation_hashes.sh,
# flower_compare.py), browser (web_bench.sh), export (figures.sh), library (library_figures.sh), phantom
# (phantom_statistics.py), privacy (privacy_attack.sh), results (nnunet_pairs.py), speed and speed_log
# (compare.py, step_parts.py, data_compare.py), testing (torch_bits.py).
set -e
python=${PYTHON:-python3}
folder=build/figures
[ -f docs/make_figures.sh ] || { echo "make_figures.sh: to be run from the root of the sources" >&2; exit 1; }
if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
    echo "make_figures.sh: the tree has changes, and no commit names it" >&2
    exit 1
fi
commit=$(git rev-parse --short HEAD)
machine=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
[ $# -gt 0 ] || set -- speed study ladder federation
make -s nephron build/ladder
mkdir -p $folder
for part; do
    echo "make_figures.sh: $part, commit $commit" >&2
    case $part in
    speed)
        steps=${STEPS:-unet_hippo_b2,unet7_20x256x224_b2}
        "$python" tests/bench/compare.py steps --cases "$steps" --forms "kept blocks" >$folder/steps.md
        "$python" tests/bench/compare.py inference --cases infer_unet5_128 --forms "kept blocks" \
            >$folder/inference.md
        "$python" tests/bench/readme_tables.py speed "$commit" "two threads, $machine" README.md \
            $folder/steps.md $folder/inference.md
        ;;
    study | standard) # minutes; an hour
        preset=quick
        [ $part = standard ] && preset=standard
        rm -rf $folder/$part
        ./nephron study -o $folder/$part --preset $preset
        "$python" tests/bench/readme_tables.py study "$commit" README.md $folder/$part/report.json
        "$python" tests/study_tables.py $folder/$part/report.json "$commit" docs/study.md
        ;;
    seeds)
        [ -f $folder/standard/report.json ] ||
            { echo "make_figures.sh: seeds comes after standard" >&2; exit 1; }
        rm -rf $folder/seeds
        ./nephron study -o $folder/seeds --preset standard --seed 2
        "$python" tests/study_seeds.py "$folder/standard/report.json@$commit" \
            "$folder/seeds/report.json@$commit" docs/study.md
        ;;
    ladder)
        build/ladder --check
        build/ladder --svg $folder/ladder.svg >$folder/ladder.md
        sed "1s/\$/; $machine, commit $commit/" $folder/ladder.md >docs/ladder/ladder.md
        cp $folder/ladder.svg docs/ladder/ladder.svg
        ;;
    federation)
        rm -rf $folder/federation
        sh tests/bench/federation_table.sh $folder/federation
        PAGE=docs/federation.md sh tests/bench/federation_table.sh $folder/federation
        ;;
    *)
        echo "make_figures.sh: no part $part (speed, study, standard, seeds, ladder, federation)" >&2
        exit 2
        ;;
    esac
done
git diff --stat
