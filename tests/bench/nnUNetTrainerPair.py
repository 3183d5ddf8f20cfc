"""nnunetv2's trainer with a schedule short enough for a CPU, for the comparison in docs/results.md: 30 epochs of 40 iterations, AdamW from 0.001 on.

Copy it into nnunetv2/training/nnUNetTrainer/variants of an installed nnunetv2 2.8.1. The plan nnUNetPlans16.json is nnUNetPlans.json with
"plans_name": "nnUNetPlans16" and, in 3d_fullres, "batch_size": 2 and "features_per_stage": [16, 32, 64, 128]."""
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerPair(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = 30
        self.num_iterations_per_epoch = 40
        self.num_val_iterations_per_epoch = 6
        self.initial_lr = 1e-3

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)
