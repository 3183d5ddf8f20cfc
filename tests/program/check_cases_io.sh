#!/bin/sh
# check_cases_io.sh - what people's files have done to other programs of the field, one case each, through the
# program: wrong geometry, lost precision, files that are none, names and texts that bite. Inputs are made
# here; DICOM's cases are in tests/unit/io/check_dicom_place.c.
. tests/program/lib.sh

tells() { # description, text, then a command: its output must hold the text
    what=$1 text=$2
    shift 2
    timeout 20 "$@" >"$work/out" 2>&1
    grep -qF -e "$text" "$work/out"
    ok "$what: no '$text' in: $(cat "$work/out")" $?
}

# A sheared grid goes through every format that holds it, and is refused by the others.
{
    printf 'NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n'
    printf 'space directions: (0.8,0,0) (0,0.67,0.2) (0,0,2)\nspace origin: (1,2,3)\nencoding: raw\n\nabcdefgh'
} >"$work/tilt.nrrd"
for form in nii nii.gz nrrd nhdr mha mhd; do
    check "a sheared grid to $form" "$nephron" convert "$work/tilt.nrrd" "$work/tilt2.$form"
    tells "a sheared grid from $form" "0.000000     0.200000     2.000000" "$nephron" info "$work/tilt2.$form"
done
says "a sheared grid to TIFF" "not at right angles" "$nephron" convert "$work/tilt.nrrd" "$work/tilt.tif"
check "no TIFF is left" test ! -e "$work/tilt.tif"

# Integers beyond 2^24 keep their bits, or are refused.
printf 'NDims = 3\nDimSize = 2 1 1\nElementType = MET_INT\nElementDataFile = LOCAL\n\001\000\000\001\003\000\000\000' >"$work/wide.mha"
check "16777217 to NIfTI" "$nephron" convert "$work/wide.mha" "$work/wide.nii"
check "and back" "$nephron" convert "$work/wide.nii" "$work/wide2.mha"
check "16777217 as NRRD" "$nephron" convert "$work/wide2.mha" "$work/wide.nrrd"
tells "bits of 16777217" "1000001" sh -c \
    "cd '$work'; od -An -tx4 -j352 -N4 wide.nii
    od -An -tx1 -j352 -N4 wide.nii | tr -d ' ' | sed s/01000001/1000001/"
says "16777217 to PNG" "holds whole numbers" "$nephron" convert "$work/wide.mha" "$work/wide.png"

# Names that begin with a dot are passed over.
mkdir "$work/ref" "$work/pred"
printf 'NDims = 3\nDimSize = 2 1 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n\001\000' \
    >"$work/ref/a.mha"
cp "$work/ref/a.mha" "$work/pred/a.mha"
printf 'xx' >"$work/ref/._a.mha"
printf 'xx' >"$work/pred/._a.mha"
check "evaluate with ._ files" "$nephron" evaluate "$work/ref" "$work/pred" -o "$work/summary.json"

# A label map with more behind its voxels than it promises: they are passed over, without a word of an error.
mkdir "$work/longer"
{ gzip -dc tests/data/hippocampus/labelsTr/hippocampus_001.nii.gz; head -c 200000 /dev/zero; } |
    gzip -9 >"$work/longer/a.nii.gz"
check "evaluate with zeros behind the voxels" "$nephron" evaluate "$work/longer" "$work/longer" -o \
    "$work/summary.json"

# What is no file is refused at once.
mkfifo "$work/pipe.nii.gz"
says "a pipe" "is a pipe" "$nephron" info "$work/pipe.nii.gz"
says "a pipe as DICOM" "is a pipe" "$nephron" convert "$work/pipe.nii.gz" "$work/x.nii"
says "/dev/zero" "is a device" "$nephron" info /dev/zero
says "a folder without images" "neither a dataset" "$nephron" info "$work/ref"

# Claims that the data cannot hold, and images beyond the limit.
printf 'NRRD0004\ntype: uchar\ndimension: 3\nsizes: 1000 1000 1000\nencoding: gzip\n\n\037\213\010\000\000\000\000\000\000\003\003\000\000\000\000\000\000\000\000\000' >"$work/claim.nrrd"
says "a claim of 1e9 voxels" "cannot hold" "$nephron" info "$work/claim.nrrd"
printf 'NDims = 3\nDimSize = 60000 60000 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n' \
    >"$work/large.mha"
says "60000 x 60000" "the limit is 8 GB" "$nephron" info "$work/large.mha"
says "60000 x 60000 with a higher limit" "cut off" "$nephron" info --max-gb 20 "$work/large.mha"
says "a lower limit" "the limit is 1e-06 GB" "$nephron" info --max-gb 0.000001 "$work/tilt.nrrd" \
    "$work/tilt2.nii" "$work/large.mha"

# Texts of files that would move a terminal's cursor.
printf 'NDims = 3\nDimSize = 2 1 1\nComment = a\033[31mred\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n\001\000' >"$work/red.mha"
tells "an escape code in a comment" 'a\x1b[31mred' "$nephron" info "$work/red.mha"
says "an escape code in a value" 'MET_\x1b[2J' sh -c \
    "printf 'NDims = 3\nDimSize = 1 1 1\nElementType = MET_\033[2J\nElementDataFile = LOCAL\na' >'$work/bad.mha'; '$nephron' info '$work/bad.mha'"

finish
