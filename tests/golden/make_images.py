"""Writes tests/data/images: small files of SimpleITK, pynrrd, nibabel, tifffile and Pillow that tests/unit/io/check_images.c reads, and a 2D dataset
of RGB slices. Every image holds value(x, y, z) = (7 x + 31 y + 101 z) % 120 in 5 x 4 x 3 voxels, spacing (0.5, 1.25, 3), origin
(-10, 20, 30) in LPS, turned by 30 degrees about z. Run from the root with SimpleITK, pynrrd, tifffile, Pillow, numpy, nibabel."""
import json
import math
import os
import tempfile

import nibabel
import nrrd
import numpy as np
import SimpleITK as sitk
import tifffile
from PIL import Image

out = "tests/data/images"
os.makedirs(out, exist_ok=True)
z, y, x = np.mgrid[:3, :4, :5]
value = (7 * x + 31 * y + 101 * z) % 120
c, s = math.cos(math.pi / 6), math.sin(math.pi / 6)
direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
spacing, origin = [0.5, 1.25, 3.0], [-10.0, 20.0, 30.0]


def image(dtype):
    im = sitk.GetImageFromArray(value.astype(dtype))
    im.SetSpacing(spacing)
    im.SetOrigin(origin)
    im.SetDirection(direction.ravel().tolist())
    return im


sitk.WriteImage(image(np.int16), f"{out}/packed.nrrd", True)
sitk.WriteImage(image(np.float32), f"{out}/plain.nrrd", False)
sitk.WriteImage(image(np.uint8), f"{out}/detached.nhdr", False)
sitk.WriteImage(image(np.int32), f"{out}/packed.mha", True)
sitk.WriteImage(image(np.float64), f"{out}/plain.mha", False)
sitk.WriteImage(image(np.uint16), f"{out}/detached.mhd", True)
sitk.WriteImage(image(np.uint8), f"{out}/scanner.nii.gz", True)
lps = {"space": "left-posterior-superior", "space directions": (direction * spacing).T, "space origin": origin}
ras = {"space": "RAS", "space directions": (direction * spacing).T * [-1, -1, 1], "space origin": [10, -20, 30]}
nrrd.write(f"{out}/big.nrrd", value.T.astype(">i2"), {**ras, "encoding": "raw", "endian": "big"})
nrrd.write(f"{out}/text.nrrd", value.T.astype(np.float32), {**lps, "encoding": "ascii"})
nrrd.write(f"{out}/bzip2.nrrd", value.T.astype(np.uint8), {**lps, "encoding": "bzip2"})
layers = np.stack([value.T > 20, value.T > 60]).astype(np.uint8)
nrrd.write(f"{out}/layers.seg.nrrd", layers, {"space": "left-posterior-superior", "kinds": ["list", "domain", "domain", "domain"],
           "space directions": np.vstack([[np.nan] * 3, (direction * spacing).T]), "space origin": origin, "Segment0_ID": "a", "Segment1_ID": "b"})
for name, dtype, options in (("lzw", np.uint8, {"compression": "lzw"}), ("deflate", np.float32, {"compression": "zlib", "predictor": True}),
                             ("packbits", np.int16, {"compression": "packbits", "byteorder": ">"}), ("tiles", np.uint16, {"tile": (16, 16), "compression": "zlib", "bigtiff": True})):
    tifffile.imwrite(f"{out}/{name}.tif", value.astype(dtype), photometric="minisblack", metadata=None, **options)
# Several strips, the last one shorter; enough codes that LZW's grow to 12 bits and begin anew.
y, x = np.mgrid[0:70, 0:75]
strips = ((x * x * 7 + y * y * 13 + x * y) % 251 * (y > 9)).astype(np.uint8)
tifffile.imwrite(f"{out}/strips.tif", strips, photometric="minisblack", metadata=None, software=False, compression="lzw", rowsperstrip=64)
with open(f"{out}/lzw.json", "w") as f:
    json.dump({"spacing": spacing[::-1]}, f)
first = value[0]
Image.fromarray(first.astype(np.uint8)).save(f"{out}/grey.png")
Image.fromarray((first * 500).astype(np.uint16)).save(f"{out}/deep.png")
Image.fromarray((first > 50)).save(f"{out}/bits.png")
Image.fromarray(np.moveaxis(value, 0, -1).astype(np.uint8)).save(f"{out}/colour.png")
palette = Image.fromarray((first % 4).astype(np.uint8), "P")
palette.putpalette([0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32])
palette.save(f"{out}/palette.png")

# NIfTI whose pixdim and qform say something else than the sform: code 2 gives way to the qform, spacing is pixdim.
affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.block([[direction * spacing, np.array(origin)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])
im = nibabel.Nifti1Image(value.T.astype(np.uint8), affine)
im.set_qform(affine, 1)
im.set_sform(np.diag([9.0, 8.0, 7.0, 1.0]), 2)
nibabel.save(im, f"{out}/disagree.nii")

# Three neighbouring slices of a hippocampus as red, green and blue.
sample, slices = "tests/data/hippocampus", f"{out}/slices"
os.makedirs(f"{slices}/imagesTr", exist_ok=True)
os.makedirs(f"{slices}/labelsTr", exist_ok=True)
cases = sorted(os.listdir(f"{sample}/labelsTr"))[:10]
for name in cases:
    case = name[:-7]
    grey = np.asarray(nibabel.load(f"{sample}/imagesTr/{case}_0000.nii.gz").dataobj).astype(float)
    label = np.asarray(nibabel.load(f"{sample}/labelsTr/{name}").dataobj).astype(np.uint8)
    k = int(np.argmax((label > 0).sum((0, 1))))
    grey = np.clip(grey[:, :, k - 1:k + 2] / np.percentile(grey, 99.5) * 255, 0, 255).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(grey.transpose(1, 0, 2))).save(f"{slices}/imagesTr/{case}_0000.png")
    Image.fromarray(np.ascontiguousarray(label[:, :, k].T)).save(f"{slices}/labelsTr/{case}.png")
with open(f"{slices}/dataset.json", "w") as f:
    json.dump({"name": "HippocampusSlices", "description": "slices of 10 cases of tests/data/hippocampus, changed: cut out and scaled to 8 bits",
               "licence": "CC-BY-SA 4.0", "channel_names": {"0": "R", "1": "G", "2": "B"},
               "labels": {"background": 0, "Anterior": 1, "Posterior": 2}, "numTraining": len(cases), "file_ending": ".png"}, f, indent=4)

# What check_images.c expects of MetaImage's lists and patterns is what SimpleITK reads. Most pairs of numbers behind a pattern divide
# by zero in it, and of "LIST 3" it reads nothing.
with tempfile.TemporaryDirectory() as folder:
    for name, content in (("part1", b"ab"), ("part2", b"cd"), ("part3", b"cd"), ("part4", b"ef"), ("a part1", b"ab"), ("a part2", b"cd")):
        with open(f"{folder}/{name}.raw", "wb") as f:
            f.write(content)
    for files in ("part%01d.raw", "part%d.raw 1", "part%d.raw 1 5", "part%d.raw 1 4 1", "a part%d.raw 1 2 1", "LIST 1\npart1.raw\npart2.raw",
                  "LIST\npart1.raw\npart2.raw", "LIST 2\npart1.raw \npart2.raw\npart3.raw\npart4.raw"):
        with open(f"{folder}/case.mhd", "w") as f:
            f.write(f"NDims = 3\nDimSize = 2 1 2\nElementType = MET_UCHAR\nElementDataFile = {files}\n")
        assert sitk.GetArrayFromImage(sitk.ReadImage(f"{folder}/case.mhd")).tobytes() == b"abcd", files
