"""Preparing cases and augmenting patches: nephron beside nnU-Net v2 (nnunetv2, batchgeneratorsv2), one thread each, in turn; prints a table.

    cc -O2 -I. -D_GNU_SOURCE -o data_speed tests/bench/data_speed.c libnephron.a -lm -pthread
    python tests/bench/data_compare.py DATASET --program ./data_speed [--patch 40,56,40] [--rounds 3]

DATASET is in nnU-Net's raw format. Both read, crop, normalise and resample every case to the plan that each makes of it (nnU-Net's
DefaultPreprocessor.run_case, without writing the result; ours with the places of each class too), and both take nnU-Net's default
augmentation (nnUNetTrainer.get_training_transforms) of random patches; the mean over 40 of them, after a warm-up.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time


def theirs(dataset, patch, folder):
    raw = os.path.join(folder, "raw")
    os.makedirs(raw, exist_ok=True)
    os.environ.update(nnUNet_raw=raw, nnUNet_preprocessed=os.path.join(folder, "pre"), nnUNet_results=os.path.join(folder, "res"))
    link = os.path.join(raw, "Dataset001_Bench")
    if not os.path.lexists(link):
        os.symlink(os.path.abspath(dataset), link)
    import numpy
    import torch
    torch.set_num_threads(1)
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets
    if not os.path.exists(os.path.join(folder, "pre", "Dataset001_Bench", "nnUNetPlans.json")):
        extract_fingerprints([1], num_processes=1, verbose=False)
        plan_experiments([1])
    plans = PlansManager(os.path.join(folder, "pre", "Dataset001_Bench", "nnUNetPlans.json"))
    description = json.load(open(os.path.join(dataset, "dataset.json")))
    configuration = plans.get_configuration("3d_fullres")
    work = DefaultPreprocessor(verbose=False)
    items = get_filenames_of_train_images_and_targets(link, description)
    begin = time.perf_counter()
    for item in items.values():
        work.run_case(item["images"], item["label"], plans, configuration, description)
    prepare = time.perf_counter() - begin
    turn = (-30. / 360 * 2 * numpy.pi, 30. / 360 * 2 * numpy.pi)
    large = get_patch_size(patch, turn, turn, turn, (0.85, 1.25))
    transforms = nnUNetTrainer.get_training_transforms(patch, turn, None, (0, 1, 2), False, foreground_labels=[1, 2])
    seconds = []
    for _ in range(44):
        image = torch.rand((1, *[int(v) for v in large])) * 2 - 1
        label = torch.randint(0, 3, (1, *[int(v) for v in large]), dtype=torch.int16)
        begin = time.perf_counter()
        transforms(image=image, segmentation=label)
        seconds.append(time.perf_counter() - begin)
    return {"cases": len(items), "prepare": prepare, "augment": statistics.fmean(seconds[4:])}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dataset")
    p.add_argument("--program", default="./data_speed")
    p.add_argument("--patch", type=lambda s: tuple(int(v) for v in s.split(",")), default=(40, 56, 40))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--folder", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.folder:  # the rival's process
        print(json.dumps(theirs(a.dataset, a.patch, a.folder)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(a.rounds):
            done = subprocess.run([a.program, a.dataset, *map(str, a.patch)], capture_output=True, text=True, check=True)
            ours = json.loads(done.stdout)
            done = subprocess.run([sys.executable, __file__, a.dataset, "--patch", ",".join(map(str, a.patch)), "--folder", folder],
                                  capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
            if done.returncode:
                sys.exit(done.stderr)
            rows.append((ours, json.loads(done.stdout.splitlines()[-1])))
    print("| one thread | nephron s | nnU-Net s | ratio |\n| --- | --- | --- | --- |")
    for key, what in (("prepare", f"{rows[0][0]['cases']} cases read and prepared"),
                      ("augment", f"a patch of {'x'.join(map(str, a.patch))} augmented, mean")):
        print(f"| {what} | {statistics.median(o[key] for o, _ in rows):.4f} | {statistics.median(t[key] for _, t in rows):.4f} | "
              f"{statistics.median(t[key] / o[key] for o, t in rows):.1f} |")


if __name__ == "__main__":
    main()
