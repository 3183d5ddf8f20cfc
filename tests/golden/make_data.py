"""Golden values of tests/unit/nn/check_data.c: tests/data/golden/data.json.

Needs nnunetv2 2.8, scikit-image and scikit-learn; run once from the root of the repository:
    python tests/golden/make_data.py
Inputs are formulas that the test repeats, so that only results are stored.
"""
import contextlib
import io
import json
import os
import tempfile

import numpy as np

scratch = tempfile.mkdtemp()
for key in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[key] = os.path.join(scratch, key)

from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape, resample_and_save
from nnunetv2.preprocessing.cropping.cropping import crop_to_nonzero
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, resample_data_or_seg
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from sklearn.model_selection import KFold


def image(shape):
    """Value i is (i * 7919 mod 1009) / 8 - 30."""
    n = int(np.prod(shape))
    return ((np.arange(n) * 7919 % 1009) / 8 - 30).astype(np.float32).reshape(shape)


def labels(shape):
    """Label i is (i * 31 mod 11) mod 4 - 1; -1 is background outside of the nonzero region."""
    n = int(np.prod(shape))
    return ((np.arange(n) * 31 % 11) % 4 - 1).astype(np.int8).reshape(shape)


def resamplings():
    out = []
    for size_in, size_out, order, separate in [((4, 6, 5), (7, 4, 9), 3, -1), ((4, 6, 5), (7, 4, 9), 1, -1),
                                               ((4, 6, 5), (7, 4, 9), 0, -1), ((4, 6, 5), (7, 4, 9), 3, 0),
                                               ((5, 4, 6), (8, 8, 3), 3, 1), ((3, 5, 4), (4, 7, 7), 1, 2),
                                               ((1, 1, 6), (2, 1, 9), 3, -1)]:
        result = resample_data_or_seg(image(size_in)[None], size_out, False, None if separate < 0 else separate, order,
                                      separate >= 0, order_z=0)[0]
        out.append({"in": size_in, "out": size_out, "order": order, "separate": separate,
                    "value": [float(v) for v in result.ravel()]})
    return out


def label_resamplings():
    out = []
    for size_in, size_out, separate in [((4, 6, 5), (7, 4, 9), -1), ((4, 6, 6), (8, 12, 12), -1), ((6, 8, 8), (3, 4, 4), -1),
                                        ((4, 6, 5), (7, 4, 9), 0), ((5, 4, 6), (8, 8, 3), 2)]:
        result = resample_data_or_seg(labels(size_in)[None], size_out, True, None if separate < 0 else separate, 1,
                                      separate >= 0, order_z=0)[0]
        out.append({"in": size_in, "out": size_out, "separate": separate, "value": [int(v) for v in result.ravel()]})
    return out


def splits():
    out = []
    for n in (10, 20, 24, 208):
        fold = np.zeros(n, int)
        for k, (_, val) in enumerate(KFold(5, shuffle=True, random_state=12345).split(range(n))):
            fold[val] = k
        out.append({"n": n, "fold": fold.tolist()})
    return out


def case():
    """A box of nonzero voxels with a hole in a volume of zeros; two channels, labels 0, 1, 2."""
    shape = (9, 8, 12)
    data = np.zeros((2, *shape), np.float32)
    seg = np.zeros((1, *shape), np.int8)
    box = np.s_[1:8, 2:8, 1:10]
    data[(0, *box)] = image((7, 6, 9)) + 100
    data[(1, *box)] = image((7, 6, 9))[::-1] * 3 + 500
    data[:, 3:5, 4:6, 4:6] = 0        # a hole: inside
    data[:, 1:3, 2:4, 1:9] = 0        # a notch: outside
    seg[0, 3:7, 4:7, 3:8] = 1
    seg[0, 5:7, 4:7, 3:6] = 2
    seg[0, 1, 2, 2] = 1               # foreground outside of the nonzero region stays
    return data, seg


def plans(configuration_spacing, transpose):
    dataset = {"channel_names": {"0": "CT", "1": "T2"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 1,
               "file_ending": ".nii.gz"}
    intensity = {"max": 300.0, "mean": 110.0, "median": 105.0, "min": 60.0, "percentile_00_5": 75.0, "percentile_99_5": 180.0,
                 "std": 25.0}
    backward = [transpose.index(a) for a in range(3)]
    fn = "resample_data_or_seg_to_shape"
    kwargs = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {"data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": [8, 8, 8],
                     "median_image_size_in_voxels": [8.0, 8.0, 8.0], "spacing": configuration_spacing,
                     "normalization_schemes": ["CTNormalization", "ZScoreNormalization"], "use_mask_for_norm": [False, True],
                     "resampling_fn_data": fn, "resampling_fn_seg": fn, "resampling_fn_probabilities": fn,
                     "resampling_fn_data_kwargs": kwargs, "resampling_fn_seg_kwargs": {**kwargs, "is_seg": True, "order": 1},
                     "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1}, "batch_dice": False,
                     "architecture": {"network_class_name": "x.PlainConvUNet", "arch_kwargs": {}, "_kw_requires_import": []}}
    return {"dataset_name": "x", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO", "transpose_forward": transpose,
            "transpose_backward": backward, "configurations": {"3d_fullres": configuration},
            "foreground_intensity_properties_per_channel": {"0": intensity, "1": intensity}, "label_manager": "LabelManager",
            "experiment_planner_used": "ExperimentPlanner", "original_median_spacing_after_transp": [1, 1, 1],
            "original_median_shape_after_transp": [8, 8, 8]}, dataset


NEXT_SPACING = [1.3, 0.7, 1.6]


class Keep:
    """In place of nnunetv2's dataset class: the map of the next stage as it would be written."""
    @staticmethod
    def save_seg(seg, path):
        Keep.seg = seg


def next_stage(logits, manager, configuration, dataset, properties):
    """The map that 3d_lowres hands to the training of 3d_cascade_fullres, whose spacing is NEXT_SPACING."""
    spacing = [properties["spacing"][a] for a in manager.transpose_forward]
    size = compute_new_shape(properties["shape_after_cropping_and_before_resampling"], spacing, NEXT_SPACING)
    resample_and_save(logits, size, "", manager, configuration, properties, dataset, 1, Keep)
    return {"size": [int(v) for v in size], "label": [int(v) for v in Keep.seg.ravel()]}


def preprocessed():
    out = []
    for spacing, target, transpose in [((1.0, 2.5, 0.9), [2.0, 0.8, 1.1], [1, 0, 2]), ((4.0, 1.0, 1.0), [3.0, 1.25, 0.8], [0, 1, 2]),
                                       ((1.0, 1.0, 1.0), [1.0, 1.0, 1.0], [0, 1, 2])]:
        p, dataset = plans(target, transpose)
        manager = PlansManager(p)
        configuration = manager.get_configuration("3d_fullres")
        data, seg = case()
        image_out, seg_out, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            data, seg, {"spacing": list(spacing)}, manager, configuration, dataset)
        logits = np.stack([image(image_out.shape[1:]), -image(image_out.shape[1:]), image(image_out.shape[1:])[::-1] * 0.5])
        restored, probability = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, manager, configuration, manager.get_label_manager(dataset), properties, return_probabilities=True)
        size = image_out.shape[1:]
        following = next_stage(logits, manager, configuration, dataset, properties)
        out.append({"next": following, "spacing": spacing, "target": target, "transpose": transpose, "size": size,
                    "box": [list(map(int, b)) for b in properties["bbox_used_for_cropping"]],
                    "image": [round(float(v), 6) for v in image_out.ravel()], "label": [int(v) for v in seg_out.ravel()],
                    "locations": [[int(np.ravel_multi_index(v[1:], size)) for v in np.array(properties["class_locations"][c])]
                                  for c in (1, 2)],
                    "restored": [int(v) for v in restored.ravel()],
                    "probability": [round(float(v), 6) for v in probability.ravel()[:: 7]]})
    return out


def intensities(cases=20):
    """The statistics of a dataset of that many copies of the case: each is drawn from 10^8 / cases times."""
    data, seg, _ = crop_to_nonzero(*case())
    drawn, _ = DatasetFingerprintExtractor.collect_foreground_intensities(seg, data, num_samples=int(10e7 // cases))
    out = []
    for v in drawn:
        v = np.tile(v, cases)
        low, median, high = np.percentile(v, (0.5, 50.0, 99.5))
        out.append({"mean": float(np.mean(v, dtype=np.float64)), "median": float(median), "std": float(np.std(v, dtype=np.float64)),
                    "min": float(v.min()), "max": float(v.max()), "percentile_00_5": float(low), "percentile_99_5": float(high)})
    return {"cases": cases, "shape": list(data.shape[1:]), "channels": out}


def planned(name, shapes, spacings, relative_size, channels, labels):
    """nnU-Net's plan of a fingerprint."""
    intensity = {"max": 900.0, "mean": 80.5, "median": 80.0, "min": -500.0, "percentile_00_5": -20.0, "percentile_99_5": 180.0,
                 "std": 31.25}
    fingerprint = {"foreground_intensity_properties_per_channel": {str(c): intensity for c in range(len(channels))},
                   "median_relative_size_after_cropping": relative_size, "shapes_after_crop": shapes, "spacings": spacings}
    dataset = {"channel_names": {str(c): v for c, v in enumerate(channels)}, "labels": labels, "numTraining": len(shapes),
               "file_ending": ".nii.gz"}
    folder = os.path.join(os.environ["nnUNet_raw"], name)
    done = os.path.join(os.environ["nnUNet_preprocessed"], name)
    os.makedirs(os.path.join(folder, "imagesTr"))
    os.makedirs(done)
    json.dump(dataset, open(os.path.join(folder, "dataset.json"), "w"))
    json.dump(fingerprint, open(os.path.join(done, "dataset_fingerprint.json"), "w"))
    planner = ExperimentPlanner(name)
    planner.determine_reader_writer = lambda: type("SimpleITKIO", (), {})
    with contextlib.redirect_stdout(io.StringIO()):
        planner.plan_experiment()
    return {"name": name, "fingerprint": fingerprint, "dataset": dataset,
            "plans": json.load(open(os.path.join(done, "nnUNetPlans.json")))}


def all_planned():
    """A cascade; a coarse axis that takes its 10th percentile; one whose 10th percentile is finer than the others; one with too many
    slices for that rule (sizes 56 and 160); a coarse axis that is not the first."""
    labels = {"background": 0, "liver": 1, "tumour": 2, "ignore": 3}
    return [planned("Dataset001_Cascade", [[160, 512, 512], [201, 500, 480], [95, 512, 512], [122, 490, 512]],
                    [[2.5, 0.8, 0.8], [1.5, 0.75, 0.75], [3.0, 0.703125, 0.703125], [2.0, 0.9, 0.9]], 0.7, ["CT"], labels),
            planned("Dataset002_Coarse", [[10, 200, 180], [9, 216, 256], [14, 180, 190]],
                    [[10.0, 1.5, 1.5], [8.0, 1.25, 1.25], [5.0, 1.5, 1.5]], 0.8, ["T1", "nonorm"], labels),
            planned("Dataset003_Mixed", [[20, 128, 128]] * 2 + [[12, 128, 128]] * 9, [[0.9, 1.0, 1.0]] * 2 + [[6.0, 1.0, 1.0]] * 9,
                    0.74, ["T2"], {"background": 0, "a": 1}),
            planned("Dataset004_Slices", [[56, 160, 160], [56, 160, 160], [56, 160, 160]],
                    [[4.0, 1.0, 1.0], [5.0, 1.0, 1.0], [6.0, 1.0, 1.0]], 1.0, ["Rescale_to_0_1"], {"background": 0, "a": 1}),
            planned("Dataset005_Turned", [[300, 20, 280], [310, 24, 290]], [[0.7, 4.4, 0.7], [0.7, 3.6, 0.7]], 1.0, ["RGB_to_0_1"],
                    {"background": 0, "a": 1})]


os.makedirs("tests/data/golden", exist_ok=True)
with open("tests/data/golden/data.json", "w") as f:
    json.dump({"resample": resamplings(), "resample_label": label_resamplings(), "splits": splits(), "preprocess": preprocessed(),
               "planned": all_planned(), "intensity": intensities()}, f, separators=(",", ":"))
    f.write("\n")
