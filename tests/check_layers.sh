#!/bin/sh
# check_layers.sh - who may include whom. The folders below are in reading order: a file includes from its own folder and from
# those above it in the list, and never from one further down. A layer's own files (fl/*.c, io/*.c) come after its folders.
# tensor and io know nothing of each other. Tests may include anything, and nothing includes tests.
# Libraries print nothing. File names are unique, so that a name is enough to find a file.
order="tensor/base tensor/reference tensor/vec tensor/conv tensor/elem tensor/graph tensor/ops tensor
io/base io/pack io/picture io/image io/dicom io/weights io/formats io
nn/data nn/plan nn/measure nn/baseline nn/prepare nn/network nn/planner nn/train nn/folder nn/infer nn/device nn
fl/base fl/privacy fl/strategy fl/compress fl/message fl/round fl/fingerprint fl/carried fl
apps/base apps/training apps/bench apps/phantom apps/study apps/command apps/mpi apps"
passed=0
failed=0
result() { # description, what is wrong (empty: nothing)
    if [ -z "$2" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED $1:"
        printf '%s\n' "$2"
    fi
}
below=" $(echo $order) " # those that the folder at hand may not include from, as a list of words
for folder in $order; do
    below=${below#" $folder"}
    files=$(ls $folder/*.c $folder/*.h 2>/dev/null) || [ -n "$files" ] || continue
    forbidden=$(for f in $below tests; do printf '%s/[a-z0-9_]*\\.[ch]|' "$f"; done)
    case $folder in
    tensor/* | tensor) forbidden="io/.*|$forbidden" ;;
    io/* | io) forbidden="tensor/.*|$forbidden" ;;
    esac
    result "$folder includes from a folder further on" "$(grep -nE "^#include \"(${forbidden%|})\"" $files /dev/null)"
done
for folder in $(ls -d tensor/*/ io/*/ nn/*/ fl/*/ apps/*/ 2>/dev/null | grep -vE "apps/(examples|export|mpi|flower|nvflare|web)/"); do # a new folder needs its place in the order
    ls $folder*.c >/dev/null 2>&1 || continue
    case " $(echo $order) " in *" ${folder%/} "*) ;; *) result "$folder has no place in the order" "$folder" ;; esac
done
for d in tensor io nn fl; do
    result "$d prints" "$(grep -rnE '(^|[^a-z_])(printf|puts|putchar|perror)\(' $d --include=*.c | grep -v 'tensor/base/check.c')"
done
names=$(find tensor io nn fl apps tests docs -name '*.[ch]' -o -name '*.sh' -o -name '*.md' | sed 's|.*/||' | grep -v README | sort | uniq -d)
result "a file name stands twice in the tree" "$names"
echo "check_layers: $passed passed, $failed failed"
[ $failed -eq 0 ]
