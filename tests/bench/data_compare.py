"""What data cost before and during training: nephron beside nnU-Net v2 (nnunetv2, batchgeneratorsv2), one
thread each, in turn; prints a table. Processor time, which other work on the machine changes little.

    cc -O2 -I. -D_GNU_SOURCE -o data_speed tests/bench/data_speed.c libnephron.a -lm -pthread
    python tests/bench/data_compare.py DATASET --program ./data_speed [--rounds 3]

DATASET is in nnU-Net's raw format. Both extract its fingerprint; both read, crop, normalise and resample
every case to the plan that nnU-Net makes (DefaultPreprocessor.run_case, without writing the result; ours with
the places of each class too), the least of three times; and both take nnU-Net's default augmentation
(nnUNetTrainer.get_training_transforms) of patches around random places of the first case: the mean of 200,
of theirs without cutting the patch out.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PATCHES, PREPARATIONS = 200, 3
PLANS = os.path.join("pre", "Dataset001_Bench", "nnUNetPlans.json")


def settle(dataset, folder):
    """nnU-Net's folders, with the dataset linked into them."""
    raw = os.path.join(folder, "raw")
    os.makedirs(raw, exist_ok=True)
    os.environ.update(nnUNet_raw=raw, nnUNet_preprocessed=os.path.join(folder, "pre"),
                      nnUNet_results=os.path.join(folder, "res"))
    link = os.path.join(raw, "Dataset001_Bench")
    if not os.path.lexists(link):
        os.symlink(os.path.abspath(dataset), link)
    return link


def time_fingerprint():
    """Of one process, like ours; the parent waits, so it is on the wall's clock where they start one."""
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import \
        DatasetFingerprintExtractor
    begin = os.times()
    DatasetFingerprintExtractor(1, num_processes=1).run(overwrite_existing=True)
    end = os.times()
    return sum(end[k] - begin[k] for k in range(4))  # of the process and of its children


def time_patches(data, segmentation, patch):
    import numpy
    import torch
    from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    dummy = max(patch) > 3 * patch[0]
    turn = (-numpy.pi, numpy.pi) if dummy else (-30. / 360 * 2 * numpy.pi, 30. / 360 * 2 * numpy.pi)
    large = [int(v) for v in get_patch_size(patch[1:] if dummy else patch, turn, turn, turn, (0.85, 1.25))]
    large = [patch[0], *large] if dummy else large
    transforms = nnUNetTrainer.get_training_transforms(patch, turn, None, (0, 1, 2), dummy,
                                                       foreground_labels=[1, 2])
    rng = numpy.random.default_rng(1)
    seconds = 0
    for k in range(PATCHES + 4):
        low = [int(rng.integers(n)) - s // 2 for n, s in zip(data.shape[1:], large)]
        box = [[a, a + s] for a, s in zip(low, large)]
        image = torch.from_numpy(numpy.ascontiguousarray(crop_and_pad_nd(data, box, 0))).float()
        label = numpy.ascontiguousarray(crop_and_pad_nd(segmentation, box, -1))
        label = torch.from_numpy(label).to(torch.int16)
        begin = time.process_time()
        transforms(image=image, segmentation=label)
        seconds += time.process_time() - begin if k >= 4 else 0
    return seconds / PATCHES


def theirs(dataset, folder):
    link = settle(dataset, folder)
    import torch
    torch.set_num_threads(1)
    from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiments
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
    from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets
    fingerprint = time_fingerprint()
    plan_experiments([1])
    plans = PlansManager(os.path.join(folder, PLANS))
    description = json.load(open(os.path.join(dataset, "dataset.json")))
    configuration = plans.get_configuration("3d_fullres")
    work = DefaultPreprocessor(verbose=False)
    items = get_filenames_of_train_images_and_targets(link, description)
    prepare = []
    for _ in range(PREPARATIONS):
        begin, first = time.process_time(), None
        for item in items.values():
            case = work.run_case(item["images"], item["label"], plans, configuration, description)
            first = first or case
        prepare.append(time.process_time() - begin)
    augment = time_patches(first[0], first[1], [int(v) for v in configuration.patch_size])
    return {"cases": len(items), "fingerprint": fingerprint, "prepare": min(prepare), "augment": augment,
            "patch": [int(v) for v in configuration.patch_size]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dataset")
    p.add_argument("--program", default="./data_speed")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--folder", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.folder:  # the rival's process
        print(json.dumps(theirs(a.dataset, a.folder)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(a.rounds):
            done = subprocess.run([sys.executable, __file__, a.dataset, "--folder", folder],
                                  capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
            if done.returncode:
                sys.exit(done.stderr)
            rival = json.loads(done.stdout.splitlines()[-1])
            done = subprocess.run([a.program, a.dataset, os.path.join(folder, PLANS)], capture_output=True,
                                  text=True, check=True)
            rows.append((json.loads(done.stdout), rival))
    cases, patch = rows[0][1]["cases"], "x".join(map(str, rows[0][1]["patch"]))
    print("| one thread, processor time | nephron s | nnU-Net s | ratio |\n| --- | --- | --- | --- |")
    for key, what in (("fingerprint", f"fingerprint of {cases} cases"),
                      ("prepare", f"{cases} cases read and prepared"),
                      ("augment", f"a patch of {patch} augmented, mean")):
        ours, rivals = (statistics.median(r[i][key] for r in rows) for i in (0, 1))
        ratio = statistics.median(t[key] / o[key] for o, t in rows)
        print(f"| {what} | {ours:.4f} | {rivals:.4f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
