"""A model folder as nnU-Net leaves it after training: tests/data/golden/nnunet_model, for tests/program/check_convert.sh.

Run from the root of the repository, with torch and nnunetv2 installed:
    python tests/golden/make_model.py
The network is nnU-Net's own class for a very small plan, with random weights; the checkpoint has the members that
nnUNetTrainer.save_checkpoint writes. network.txt lists the tensors that a converted file must have.
"""
import json
import os

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

FOLDER = "tests/data/golden/nnunet_model"
RESAMPLING = {"force_separate_z": None, "order_z": 0}
DATASET = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "anterior": 1, "posterior": 2}, "numTraining": 2,
           "file_ending": ".nii.gz"}
CONFIGURATION = {
    "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
    "patch_size": [24, 32, 24], "median_image_size_in_voxels": [36.0, 50.0, 35.0], "spacing": [1.0, 1.0, 1.0],
    "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [False],
    "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, **RESAMPLING},
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, **RESAMPLING},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, **RESAMPLING},
    "architecture": {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 3, "features_per_stage": [2, 4, 4], "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
            "n_conv_per_stage": [2, 2, 2], "n_conv_per_stage_decoder": [2, 2], "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None, "dropout_op_kwargs": None, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True}},
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]},
    "batch_dice": False}
PLANS = {
    "dataset_name": "Dataset004_Hippocampus", "plans_name": "nnUNetPlans",
    "original_median_spacing_after_transp": [1.0, 1.0, 1.0], "original_median_shape_after_transp": [36, 50, 35],
    "image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
    "configurations": {"3d_small": CONFIGURATION}, "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
    "foreground_intensity_properties_per_channel": {"0": {"max": 486420.0, "mean": 22360.3, "median": 362.9, "min": 0.0,
                                                          "percentile_00_5": 28.0, "percentile_99_5": 277682.0, "std": 60656.1}}}


def write_json(name, value):
    with open(os.path.join(FOLDER, name), "w") as f:
        json.dump(value, f, indent=4)
        f.write("\n")


def main():
    torch.manual_seed(1)
    kwargs = CONFIGURATION["architecture"]
    network = get_network_from_plans(kwargs["network_class_name"], kwargs["arch_kwargs"], kwargs["_kw_requires_import"], 1, 3,
                                     allow_init=True, deep_supervision=True)
    optimizer = torch.optim.SGD(network.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True)
    sum(y.float().square().mean() for y in network(torch.randn(1, 1, 8, 8, 8))).backward()
    optimizer.step()
    os.makedirs(FOLDER + "/fold_0", exist_ok=True)
    write_json("plans.json", PLANS)
    write_json("dataset.json", DATASET)
    torch.save({
        "network_weights": network.state_dict(), "optimizer_state": optimizer.state_dict(), "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "ema_fg_dice": [np.float64(0.5)], "dice_per_class_or_region": [[np.float32(0.5), np.float32(0.5)]],
                    "train_losses": [np.float32(-0.25)], "val_losses": [np.float32(-0.125)], "lrs": [0.01], "epoch_start_timestamps": [1.7e9],
                    "epoch_end_timestamps": [1.7e9]},
        "_best_ema": np.float64(0.5), "current_epoch": 1000,
        "init_args": {"plans": PLANS, "configuration": "3d_small", "fold": 0, "dataset_json": DATASET, "device": torch.device("cuda")},
        "trainer_name": "nnUNetTrainer", "inference_allowed_mirroring_axes": (0, 1, 2)}, FOLDER + "/fold_0/checkpoint_final.pth")
    with open(FOLDER + "/network.txt", "w") as f:
        for name in network.state_dict():
            if name.startswith("decoder.encoder.") or ".all_modules." in name:
                continue
            f.write(name + "\n")


main()
