"""Judges the .npz and .pkl of `nephron predict --probabilities`: run from the root of the tree, with ./nephron built.

    python tests/golden/judge_ensemble.py    # needs numpy, nibabel, nnunetv2

Two predictions of images that lie in many ways, by models of each of nnU-Net's readers of NIfTI; nnU-Net's own ensemble of the two folders, and of
nephron's ensemble of them with itself, must give the label maps of `nephron ensemble`, in the same place.
"""
import json
import os
import shutil
import subprocess
import tempfile

import nibabel as nib
import numpy as np
from nnunetv2.ensembling.ensemble import ensemble_folders

MODEL = "tests/data/golden/nnunet_model"
SAMPLE = "tests/data/hippocampus/imagesTr"


def nephron(*words):
    subprocess.run(["./nephron", *words, "--quiet"], check=True)


def write_images(folder):
    """A case in its own order, and turned ones: axes permuted, mirrored, oblique."""
    os.makedirs(folder)
    name = sorted(os.listdir(SAMPLE))[0]
    image = nib.load(f"{SAMPLE}/{name}")
    data = np.asarray(image.dataobj)[:20, :24, :16]
    for k, order in enumerate(((0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0))):
        affine = image.affine @ np.eye(4)[:, [*order, 3]]
        turned = data.transpose(order)
        for a in range(k):
            affine[:3, 3] += affine[:3, a] * (turned.shape[a] - 1)
            affine[:3, a] *= -1
            turned = np.flip(turned, a)
        c, s = np.cos(0.1 * k), np.sin(0.1 * k)
        affine = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ affine
        nib.save(nib.Nifti1Image(np.ascontiguousarray(turned), affine), f"{folder}/case{k}_0000.nii.gz")


def compare(a, b):
    names = sorted(n for n in os.listdir(a) if n.endswith(".nii.gz"))
    assert names == sorted(n for n in os.listdir(b) if n.endswith(".nii.gz")) and names
    foreground = 0
    for n in names:
        x, y = nib.load(f"{a}/{n}"), nib.load(f"{b}/{n}")
        assert np.allclose(x.affine, y.affine, atol=1e-4), (a, n, x.affine, y.affine)
        assert np.array_equal(np.asarray(x.dataobj), np.asarray(y.dataobj)), (a, n)
        foreground += int(np.count_nonzero(np.asarray(x.dataobj)))
    return foreground


def main():
    with tempfile.TemporaryDirectory() as work:
        write_images(f"{work}/images")
        for reader in ("SimpleITKIO", "NibabelIO", "NibabelIOWithReorient", "SimpleITKIOWithReorient"):
            at = f"{work}/{reader}"
            shutil.copytree(MODEL, f"{at}/model")
            with open(f"{at}/model/plans.json") as f:
                plans = json.load(f)
            plans["image_reader_writer"] = reader
            with open(f"{at}/model/plans.json", "w") as f:
                json.dump(plans, f)
            nephron("predict", f"{at}/model", "-i", f"{work}/images", "-o", f"{at}/a", "--probabilities")
            nephron("predict", f"{at}/model", "-i", f"{work}/images", "-o", f"{at}/b", "--probabilities", "--no-mirror", "--step", "1")
            nephron("ensemble", f"{at}/a", f"{at}/b", "-o", f"{at}/ours", "--probabilities")
            ensemble_folders([f"{at}/a", f"{at}/b"], f"{at}/theirs", num_processes=2)
            voxels = compare(f"{at}/ours", f"{at}/theirs")
            shutil.copy(f"{at}/a/plans.json", f"{at}/ours")
            ensemble_folders([f"{at}/ours", f"{at}/ours"], f"{at}/again", num_processes=2)
            compare(f"{at}/ours", f"{at}/again")
            different = sum(np.any(np.load(f"{at}/a/case{k}.npz")["probabilities"] != np.load(f"{at}/b/case{k}.npz")["probabilities"]) for k in range(4))
            print(f"{reader}: the same label maps, {voxels} voxels of foreground; {different} of 4 predictions differ")


if __name__ == "__main__":
    main()
