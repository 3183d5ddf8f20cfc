"""A CT of 512 x 512 x 600 voxels and a network of 118 classes: announced and real memory of `nephron predict`, and whether the label map is
right, with nnunetv2 on a part of the image as the judge (the whole needs 118 classes x 157 million voxels of half precision in
nnU-Net: 37 GB, before they are copied to be resampled and exported).

    python tests/bench/large_labels.py WORK [--size X,Y,Z] [--with COMMAND]

The network is small (4 features) and trained for a few steps on a phantom of boxes: it is about size, not quality. Channels are not
normalised and nothing is cropped, so windows of the part lie where windows of the whole do: all voxels up to 96 along x and y see the
same ones. Needs nnunetv2 2.8.1, torch, nibabel, safetensors."""
import argparse
import json
import os
import shutil
import sys

import nibabel
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from nnunet_pairs import NEPHRON, measured, model_folder  # noqa: E402

CLASSES, PATCH = 118, 64


def save(a, name):
    nibabel.save(nibabel.Nifti1Image(a, np.diag([1.0, 1.0, 1.0, 1.0])), name)


def phantom(shape, seed):
    """Boxes whose value tells their label, in noise, without a zero."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, CLASSES, [(n + 15) // 16 for n in shape]).astype(np.uint8)
    label = np.repeat(np.repeat(np.repeat(coarse, 16, 0), 16, 1), 16, 2)[:shape[0], :shape[1], :shape[2]]
    image = label.astype(np.float32)
    image *= np.float32(2 / CLASSES)
    image += np.float32(0.05) + rng.integers(0, 64, shape, np.uint8).astype(np.float32) / 1024
    return image, label


def dataset(work):
    d = work + "/Dataset118_Boxes"
    for name in ("imagesTr", "labelsTr"):
        os.makedirs(os.path.join(d, name), exist_ok=True)
    for i in range(5):
        image, label = phantom((80, 80, 80), i)
        save(image, "%s/imagesTr/box_%d_0000.nii.gz" % (d, i))
        save(label, "%s/labelsTr/box_%d.nii.gz" % (d, i))
    labels = {"background": 0, **{"box_%d" % k: k for k in range(1, CLASSES)}}
    with open(d + "/dataset.json", "w") as f:
        json.dump({"channel_names": {"0": "noNorm"}, "labels": labels, "numTraining": 5, "file_ending": ".nii.gz"}, f)
    return d


def main():
    p = argparse.ArgumentParser()
    p.add_argument("work")
    p.add_argument("--size", default="512,512,600")
    p.add_argument("--with", dest="prefix", default="")
    a = p.parse_args()
    size = [int(n) for n in a.size.split(",")]
    os.environ.update(OMP_NUM_THREADS="2", nnUNet_compile="0", nnUNet_raw=a.work, nnUNet_preprocessed=a.work, nnUNet_results=a.work)
    run, whole, part = a.work + "/run", a.work + "/whole", a.work + "/part"
    if not os.path.exists(run + "/fold_0/checkpoint_final.safetensors"):
        measured([NEPHRON, "train", dataset(a.work), "-o", run, "--overwrite", "--base-features", "4", "--patch", "64,64,64", "--batch", "2",
                  "--optimizer", "adamw", "--lr", "0.01", "--augment", "0", "--epochs", "1", "--iterations", "40", "--no-validation",
                  "--validation-batches", "0", "--quiet", "--threads", "2"], a.work + "/train.log")
    model_folder(run, "3d_fullres", a.work + "/model")
    for folder in (whole, part):
        os.makedirs(folder, exist_ok=True)
    if not os.path.exists(whole + "/case_0000.nii"):
        image = phantom(size, 100)[0]
        save(image, whole + "/case_0000.nii")
        save(np.ascontiguousarray(image[:128, :128]), part + "/case_0000.nii.gz")
        del image
    before = a.prefix.split()
    for out in ("ours", "ours_part", "theirs_part"):
        shutil.rmtree(os.path.join(a.work, out), ignore_errors=True)
    predict = [NEPHRON, "predict", run, "--no-mirror", "--threads", "2", "--quiet"]
    seconds, peak = measured(before + predict + ["-i", whole + "/case_0000.nii", "-o", a.work + "/ours"], a.work + "/ours.log")
    with open(a.work + "/ours/prediction.json") as f:
        record = json.load(f)
    mine = measured(before + predict + ["-i", part, "-o", a.work + "/ours_part"], a.work + "/ours_part.log")
    other = measured(before + [os.path.dirname(sys.executable) + "/nnUNetv2_predict_from_modelfolder", "-i", part, "-o",
                               a.work + "/theirs_part", "-m", a.work + "/model", "-f", "0", "-device", "cpu", "-npp", "1", "-nps", "1",
                               "--disable_tta", "--disable_progress_bar"], a.work + "/theirs_part.log")

    def read(name):
        return np.asarray(nibabel.load(os.path.join(a.work, name)).dataobj)

    big, small, judge = read("ours/case.nii.gz"), read("ours_part/case.nii.gz"), read("theirs_part/case.nii.gz")
    same = big[:96, :96] == judge[:96, :96]
    print("| | nephron, %s | nephron, 128 x 128 x %d | nnU-Net, 128 x 128 x %d |" % (" x ".join(map(str, size)), size[2], size[2]))
    print("|---|---|---|---|")
    print("| time | %.0f s | %.1f s | %.1f s |" % (seconds, mine[0], other[0]))
    print("| memory | %.0f MB, announced %.0f MB | %.0f MB | %.0f MB |"
          % (peak / 1e6, record["announced_peak_bytes"] / 1e6, mine[1] / 1e6, other[1] / 1e6))
    print("\n%d labels in the map. Of %d voxels that see the same windows %d differ from nnU-Net's; nephron's part and whole differ in %d."
          % (len(np.unique(big)), same.size, int((~same).sum()), int((big[:96, :96] != small[:96, :96]).sum())))


if __name__ == "__main__":
    main()
