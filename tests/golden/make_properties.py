"""Writes tests/data/golden/properties.json: the properties that nnU-Net's readers give of small NIfTI images of many places and directions,
for tests/unit/nn/check_ensemble.c. Run from the root with nnunetv2, nibabel, SimpleITK."""
import itertools
import json
import tempfile

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO, NibabelIOWithReorient
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO, SimpleITKIOWithReorient


def plain(value):
    """JSON of a member: numbers of arrays and tuples in one list."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return value if isinstance(value, str) else [round(float(x), 7) for x in np.ravel(value)]


def properties(path, readers):
    out = {}
    for reader in readers:
        out.update(plain(reader().read_images((path,))[1]))
    return out


rng = np.random.default_rng(0)
cases = []
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/case_0000.nii.gz"
    for k, (order, flips) in enumerate(itertools.product(itertools.permutations(range(3)), (0, 3, 5, 6))):
        spacing = np.array([0.5, 1.25, 3.0])
        turn = np.linalg.qr(np.eye(3) + 0.2 * rng.normal(size=(3, 3)))[0]
        turn *= np.sign(np.diag(turn))
        columns = (turn @ np.eye(3)[:, list(order)]) * [-1 if flips >> a & 1 else 1 for a in range(3)] * spacing
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = columns, [10.5 + k, -20, 30]
        image = nib.Nifti1Image(np.zeros((3, 4, 5), np.uint8), affine)
        nib.save(image, path)
        image = nib.load(path)
        cases.append({"size": [3, 4, 5], "flat": 0, "spacing": plain(image.header.get_zooms()), "affine": plain(image.affine[:3]),
                      "as_it_lies": properties(path, (SimpleITKIO, NibabelIO)),
                      "turned": properties(path, (SimpleITKIOWithReorient, NibabelIOWithReorient))})
    image = sitk.GetImageFromArray(np.zeros((4, 3), np.uint8))
    image.SetSpacing((0.5, 1.25))
    image.SetOrigin((7, 8))
    sitk.WriteImage(image, path)
    cases.append({"size": [3, 4, 1], "flat": 1, "spacing": [0.5, 1.25, 1248.75], "affine": [-0.5, 0, 0, -7, 0, -1.25, 0, -8, 0, 0, 1248.75, 0],
                  "as_it_lies": properties(path, (SimpleITKIO,))})
with open("tests/data/golden/properties.json", "w") as f:
    f.write("[" + ",\n".join(json.dumps(c) for c in cases) + "]\n")
