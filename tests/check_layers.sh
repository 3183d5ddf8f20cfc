#!/bin/sh
# check_layers.sh - who may include whom. The folders below are in reading order: a file includes from its own
# folder and from those above it in the list, and never from one further down. A layer's own files (fl/*.c,
# io/*.c) come after its folders. tensor and io know nothing of each other. Tests may include anything, and
# nothing includes tests. A header serves its own source: what X.h declares is defined in X.c, X_*.c or Xs.c
# of its folder. The headers named below are a room's own: what its files share among themselves, or one
# interface with a file for each member. Their functions stay in the folder. A folder has at most 24 sources
# and headers (32: the commands, a file each).
# Files of a folder do not need each other in a circle.
# Every C file begins with a comment that says what it is. Libraries print nothing. File names are unique, so
# that a name is enough to find a file.
order="tensor/base tensor/reference tensor/vec tensor/conv tensor/direct tensor/winograd tensor/tiles tensor/elem tensor/graph tensor/ops tensor
io/base io/pack io/picture io/image io/tiff io/jpeg io/dicom io/weights io/formats io
nn/data nn/plan nn/stats nn/measure nn/baseline nn/prepare nn/network nn/planner nn/optimize nn/batch
nn/train nn/folder nn/infer nn/device nn
fl/base fl/privacy fl/strategy fl/compress fl/message fl/round fl/fingerprint fl/carried fl
apps/base apps/training apps/bench apps/phantom apps/study apps/report apps/info apps/init apps/convert
apps/compare apps/command apps/mpi apps"
rooms="tensor/conv/conv_algorithm tensor/conv/conv_kernels tensor/elem/elem_kernels
tensor/graph/node io/tiff/tiff_file io/dicom/dicom_file io/dicom/dicom_labels nn/train/learner_room
fl/simulation fl/nephron_handles
apps/phantom/anatomy apps/phantom/signal apps/study/study_results apps/info/info apps/command/commands"
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
    result "$folder includes from a folder further on" \
        "$(grep -nE "^#include \"(${forbidden%|})\"" $files /dev/null)"
done
# a new folder needs its place in the order
for folder in $(ls -d tensor/*/ io/*/ nn/*/ fl/*/ apps/*/ 2>/dev/null | grep -vE "apps/(examples|export|mpi|flower|nvflare|web)/"); do
    ls $folder*.c >/dev/null 2>&1 || continue
    case " $(echo $order) " in *" ${folder%/} "*) ;; *) result "$folder has no place in the order" \
        "$folder" ;; esac
done
for d in tensor io nn fl; do
    result "$d prints" \
        "$(grep -rnE '(^|[^a-z_])(printf|puts|putchar|perror)\(' $d --include=*.c | grep -v 'tensor/base/check.c')"
done
headers=$(awk -v rooms="$(echo $rooms)" '
    FNR == 1 {
        file = FILENAME
        sub(/\.[ch]$/, "", file)
    }
    /^[a-z]/ && !/^(static|typedef|return|else)/ && match($0, /[a-z_][a-z0-9_]*\(/) {
        name = substr($0, RSTART, RLENGTH - 1)
        if (substr($0, 1, RSTART - 1) !~ /^[a-z_0-9 *]+[ *]$/) next
        if (FILENAME ~ /\.c$/) where[name] = where[name] " " file
        else declared[FILENAME ":" FNR ": " name] = file " " name
    }
    END {
        for (line in declared) {
            split(declared[line], part, " ")
            count = split(where[part[2]], at, " ")
            right = count == 0 # a macro makes it, or an architecture that has it
            own = part[1]
            if (index(" " rooms " ", " " own " ")) sub(/[^\/]*$/, "", own)
            for (i = 1; i <= count; i++)
                if (at[i] == own || at[i] == own "s" ||
                    index(at[i], own ~ /\/$/ ? own : own "_") == 1) right = 1
            if (!right) print line " is defined in" where[part[2]] ".c"
        }
    }' $(for folder in $order; do ls $folder/*.c $folder/*.h 2>/dev/null; done) | sort)
result "a header declares what another source defines" "$headers"
# No two files of a folder name each other's functions or tables, nor more in a circle. Arrows that lead to a
# file without arrows, or come from one that none leads to, are taken away until none is left to take.
circles=$(awk '
    FNR == 1 {
        comment = 0
        folder = FILENAME
        sub(/[^\/]*$/, "", folder)
    }
    {
        line = $0
        gsub(/"([^"\\]|\\.)*"/, "", line)
        if (comment && !sub(/^.*\*\//, "", line)) next
        gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
        comment = sub(/\/\*.*/, "", line)
    }
    line ~ /^[a-z]/ && line !~ /^(static|typedef|extern|return|else)/ && line !~ /;$/ {
        name = line
        if (!sub(/[\[ ]*(\[.*)?=.*/, "", name)) sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        if (!((folder name) in where)) where[folder name] = FILENAME
    }
    {
        gsub(/(struct|enum) [a-z0-9_]*/, "", line)
        n = split(line, word, /[^A-Za-z0-9_]+/)
        for (i = 1; i <= n; i++) if (word[i] ~ /_/) used[FILENAME " " folder word[i]] = word[i]
    }
    END {
        for (key in used) {
            split(key, part, " ")
            if ((part[2] in where) && where[part[2]] != part[1]) arrow[part[1] " " where[part[2]]] = used[key]
        }
        do {
            split("", from)
            split("", to)
            for (key in arrow) { split(key, part, " "); from[part[1]] = to[part[2]] = 1 }
            gone = 0
            for (key in arrow) {
                split(key, part, " ")
                if ((part[2] in from) && (part[1] in to)) continue
                delete arrow[key]
                gone = 1
            }
        } while (gone)
        for (key in arrow) { split(key, part, " "); print part[1] " takes " arrow[key] " from " part[2] }
    }' $(for folder in $order; do ls $folder/*.c 2>/dev/null; done) | sort)
result "files of a folder need each other in a circle" "$circles"
large=$(for folder in $order; do
    count=$(ls $folder/*.c $folder/*.h 2>/dev/null | wc -l)
    case $folder in apps/command) most=32 ;; *) most=24 ;; esac
    [ "$count" -le $most ] || echo "$folder has $count"
done)
result "a folder has more files than can be read in a sitting" "$large"
names=$(find tensor io nn fl apps tests docs -name '*.[ch]' -o -name '*.sh' -o -name '*.md' | sed 's|.*/||' | grep -v README | sort | uniq -d)
result "a file name stands twice in the tree" "$names"
# A file has at most 600 lines, but for those that are named with a reason:
# device_kernels.c is written out as it is by `nephron export`: one file for the build of a firmware.
long="nn/device/device_kernels.c"
long=$(find tensor io nn fl apps tests docs -name '*.[ch]' | xargs wc -l | awk -v long=" $(echo $long) " '
    $1 > 600 && $2 != "total" && !index(long, " " $2 " ") { print $2 " has " $1 }')
result "a file has more lines than can be read in a sitting" "$long"
result "a heading is broken into two lines" "$(grep -nE '^ \* -{9,}' $(find tensor io nn fl apps tests docs -name '*.[ch]'))"
# 110 columns (bytes that continue a character of UTF-8 are none); in a script a line with a string of 40 may
# stick out, a comment or a line without a string may not.
wide=$(find tensor io nn fl apps tests docs Makefile -name '*.[ch]' -o -name '*.sh' -o -name Makefile |
    LC_ALL=C xargs awk -v quotes="[\"'\`]" '
    { text = $0; gsub(/[\200-\277]/, "", text); gsub(/\t/, "        ", text) }
    length(text) > 110 {
        string = 0
        n = FILENAME ~ /\.sh$/ && text !~ /^ *#/ ? split(text, part, quotes) : 0
        for (i = 1; n > 1 && i <= n; i++) string += length(part[i]) >= 40
        if (!string) print FILENAME ":" FNR
    }')
result "a line has more than 110 columns" "$wide"
bare=$(for f in $(find tensor io nn fl apps tests docs -name '*.[ch]'); do
    case $(head -n 1 "$f") in "/*"*) ;; *) echo "$f" ;; esac
done)
result "a file does not begin with a comment that says what it is" "$bare"
echo "check_layers: $passed passed, $failed failed"
[ $failed -eq 0 ]
