#!/bin/sh
# check_segmentations.sh - nephron convert of DICOM Segmentations that highdicom made, two of whose four
# slices have frames (tests/golden/make_segmentations.py): onto the grid of their series or an image, alone.
. tests/program/lib.sh
dicom=tests/data/dicom
segs=tests/data/segmentations
is_golden() { # the map of all slices
    tail -c 140 "$1" >"$work/back" && cmp -s "$work/back" $segs/labels.raw
}
$nephron convert $dicom/series "$work/like.nrrd" >"$work/out"
LC_ALL=C awk '{ # axes in another order, the first from its other end
    if ($1 == "sizes:") print "sizes: 5 4 7"
    else if ($1 == "space" && $2 == "directions:") print "space directions: (0,0,0.75) (-1.5,2,0) (0.4,0.3,0)"
    else if ($1 == "space" && $2 == "origin:") print "space origin: (10.5,-20.25,27)"
    else if ($0 == "") { print ""; exit } else print }' "$work/like.nrrd" >"$work/turned.nrrd"
head -c 280 /dev/zero >>"$work/turned.nrrd"
for seg in binary label_map; do
    check "$seg onto its series" $nephron convert $segs/$seg.dcm "$work/on.nii" --like $dicom/series
    is_golden "$work/on.nii" && [ ! -s "$work/err" ]
    ok "$seg has all slices" $?
    check "$seg onto an image" $nephron convert $segs/$seg.dcm "$work/on.mha" --like "$work/turned.nrrd"
    holds "its size" "on.mha: 5 x 4 x 7 voxels, uint8" "$work/out"
    check "a label map onto a series" $nephron convert "$work/on.mha" "$work/on.nii" --like $dicom/series
    is_golden "$work/on.nii"
    ok "$seg, turned and back" $?
    check "$seg alone" $nephron convert $segs/$seg.dcm "$work/alone.nii"
    tail -c 105 "$work/alone.nii" >"$work/back" && tail -c 105 $segs/labels.raw | cmp -s - "$work/back"
    ok "$seg alone has the slices of its frames" $?
    holds "how many" "the image ends with its frames: slices 3, without a frame and empty 1" "$work/err"
done
mkdir "$work/study" # an object names its study
for f in a b c.ima d.dcm; do
    LC_ALL=C sed 's/\x08\x00\x70\x00LO\x04\x00ACME/\x20\x00\x0d\x00UI\x04\x001.2\x00/' "$dicom/series/$f" \
        >"$work/study/$f"
done
check "a segmentation to a structure set" $nephron convert $segs/binary.dcm "$work/rt.dcm" --like \
    "$work/study" --as rtstruct
mkdir "$work/other"
for f in a b c.ima d.dcm; do LC_ALL=C sed 's/1\.2\.3/1.2.4/g' "$dicom/series/$f" >"$work/other/$f"; done
check "onto another series at the same place" $nephron convert $segs/binary.dcm "$work/on.nii" --like \
    "$work/other"
holds "which is told" "warning: $segs/binary.dcm: was made of series 1.2.3, $work/other is series 1.2.4" \
    "$work/err"
LC_ALL=C sed 's/^space origin: .*/space origin: (10.62,-20.16,30)/' "$work/like.nrrd" >"$work/beside.nrrd"
where="frame 1 lies at voxel (-0.300, 0.000, 3.000) there"
refuses 1 \
    "--like $work/beside.nrrd: $segs/binary.dcm: its voxels are not those of the grid: voxel (0, 0) of $where" \
    $nephron convert $segs/binary.dcm "$work/x.nii" --like "$work/beside.nrrd"
rm "$work/other/b" "$work/other/d.dcm"
where="they span voxels (0, 0, -1) to (6, 4, 1) there, it has 7 x 5 x 2"
refuses 1 "9 of its 18 labelled voxels lie outside of the grid: $where" \
    $nephron convert $segs/binary.dcm "$work/x.nii" --like "$work/other"
refuses 2 "--as is for label maps to DICOM, $work/x.nii is none" $nephron convert $segs/binary.dcm \
    "$work/x.nii" --like $dicom/series --as seg
refuses 2 "--like is of label maps, $work/x.npz would be weights" $nephron convert $segs/binary.dcm \
    "$work/x.npz" --like $dicom/series
finish
