"""`nephron train --hours H` and nnU-Net's own trainer on the same cases for the same wall time: the table of docs/results.md.

    python tests/bench/hours.py DATASET WORK --hours H [--who nephron,own,adapted] [--train OPTIONS]

DATASET is nnU-Net's; WORK receives nnU-Net's folders, the runs and a line of JSON each in hours.json, from which the table is printed
again (--who ""). All train fold 0 of nnU-Net's split on two threads, one after the other; the script refuses validation cases that differ.
`own` is nnunetv2's trainer with its own plan, optimiser, learning rate and augmentation; `adapted` has a network of half the features,
batches of 2 and AdamW from 0.001 on, the best known to us for so short a time. Both end with the time: epochs of ten iterations, and the
polynomial of nnU-Net in the share of the time that has passed. H hours are for training alone there, its validation comes on top; nephron's
H hours are for everything. nnU-Net's trainer keeps the memory that PyTorch frees, its fastest form. --train adds options to nephron's
command. Needs nnunetv2 2.8.1 and torch."""
import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("dataset")
parser.add_argument("work")
parser.add_argument("--hours", type=float, default=0.25)
parser.add_argument("--who", default="nephron,own,adapted")
parser.add_argument("--train", default="")
parser.add_argument("--trainer", help=argparse.SUPPRESS)  # the script calls itself: a fresh process for each training
asked = parser.parse_args()
asked.dataset, asked.work = os.path.abspath(asked.dataset), os.path.abspath(asked.work)
NEPHRON = os.environ.get("NEPHRON", os.path.abspath("nephron"))
for name in ("raw", "preprocessed", "results"):
    os.environ["nnUNet_" + name] = os.path.join(asked.work, "nnUNet_" + name)
    os.makedirs(os.environ["nnUNet_" + name], exist_ok=True)
os.environ.update(OMP_NUM_THREADS="2", nnUNet_n_proc_DA="1", nnUNet_compile="0", nnUNet_def_n_proc="2")
DATA = "Dataset900_Hours"
LOG = os.path.join(asked.work, "hours.json")
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1000000000000"}  # of PyTorch's forms the fastest here, as in compare.py


def trainer(kind):
    """One training of nnU-Net's and its validation, in this process."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class Timed(nnUNetTrainer):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs = 1000000
            self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 10, 1
            if kind == "adapted":
                self.initial_lr = 1e-3

        def configure_optimizers(self):
            if kind == "own":
                optimizer = super().configure_optimizers()[0]
            else:
                optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay)
            return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, self.share_of_rate)

        def share_of_rate(self, _):
            return max(1 - (time.time() - self.start) / (3600 * asked.hours), 1e-6) ** 0.9 if hasattr(self, "start") else 1.0

        def run_training(self):
            self.on_train_start()
            self.start = time.time()
            self.done = 0
            while time.time() - self.start < 3600 * asked.hours:
                self.on_epoch_start()
                self.on_train_epoch_start()
                outputs = []
                for _ in range(self.num_iterations_per_epoch):
                    outputs.append(self.train_step(next(self.dataloader_train)))
                    self.done += 1
                self.on_train_epoch_end(outputs)
                with torch.no_grad():
                    self.on_validation_epoch_start()
                    self.on_validation_epoch_end([self.validation_step(next(self.dataloader_val))])
                self.on_epoch_end()
            self.trained = time.time() - self.start
            self.on_train_end()

    folder = os.path.join(os.environ["nnUNet_preprocessed"], DATA)
    with open(os.path.join(folder, "nnUNetPlans.json")) as f:
        plans = json.load(f)
    with open(os.path.join(asked.dataset, "dataset.json")) as f:
        dataset = json.load(f)
    if kind == "adapted":
        full = plans["configurations"]["3d_fullres"]
        full["batch_size"] = 2
        architecture = full["architecture"]["arch_kwargs"]
        architecture["features_per_stage"] = [n // 2 for n in architecture["features_per_stage"]]
    plans.update(plans_name="%s_%g" % (kind, asked.hours), continue_training=False)
    torch.set_num_threads(2)
    t = Timed(plans, "3d_fullres", 0, dataset, torch.device("cpu"))
    t.run_training()
    t.perform_actual_validation(False)
    full = plans["configurations"]["3d_fullres"]
    with open(os.path.join(t.output_folder, "done.json"), "w") as f:
        json.dump({"iterations": t.done, "training": t.trained, "features": full["architecture"]["arch_kwargs"]["features_per_stage"][0],
                   "batch": full["batch_size"], "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, f)
    print(t.output_folder)


def of_nnunet(kind):
    link = os.path.join(os.environ["nnUNet_raw"], DATA)
    if not os.path.exists(link):
        os.symlink(asked.dataset, link)
        run("plan.log", [os.path.join(os.path.dirname(sys.executable), "nnUNetv2_plan_and_preprocess"), "-d", "900", "-c", "3d_fullres", "-np", "2"])
    start = time.time()
    run("%s_%g.log" % (kind, asked.hours), [sys.executable, __file__, asked.dataset, asked.work, "--hours", str(asked.hours), "--trainer", kind],
        **KEEP)
    seconds = time.time() - start
    folder = os.path.join(os.environ["nnUNet_results"], DATA, "Timed__%s_%g__3d_fullres" % (kind, asked.hours), "fold_0")
    with open(os.path.join(folder, "done.json")) as f:
        row = json.load(f)
    row.update(summary(os.path.join(folder, "validation", "summary.json")), wall=seconds)
    return row


def of_nephron():
    folder = os.path.join(asked.work, "nephron_%g%s" % (asked.hours, asked.train.replace(" ", "").replace("-", "_")))
    start = time.time()
    run(os.path.basename(folder) + ".log", [NEPHRON, "train", asked.dataset, "-o", folder, "--hours", str(asked.hours)] +
        shlex.split(asked.train))
    row = {"wall": time.time() - start}
    with open(os.path.join(folder, "manifest.json")) as f:
        manifest = json.load(f)
    with open(os.path.join(folder, "plans.json")) as f:
        full = json.load(f)["configurations"]["3d_fullres"]
    of = manifest["training"]
    row.update(summary(os.path.join(folder, "fold_0", "validation", "summary.json")), iterations=of["epochs"] * of["iterations"],
               training=manifest["training_seconds"], batch=of["batch"], features=full["architecture"]["arch_kwargs"]["features_per_stage"][0],
               memory=manifest["peak_memory_bytes"])
    return row


def summary(path):
    with open(path) as f:
        s = json.load(f)
    cases = sorted(os.path.basename(c["prediction_file"]) for c in s["metric_per_case"])
    return {"dice": {k: v["Dice"] for k, v in s["mean"].items()}, "cases": cases}


def run(log, command, **environment):
    with open(os.path.join(asked.work, log), "w") as f:
        if subprocess.call(command, stdout=f, stderr=subprocess.STDOUT, env=dict(os.environ, **environment)):
            sys.exit("%s\nfailed, see %s" % (" ".join(command), log))


def main():
    rows = [json.loads(line) for line in open(LOG)] if os.path.exists(LOG) else []
    for who in filter(None, asked.who.split(",")):
        row = of_nephron() if who == "nephron" else of_nnunet(who)
        row.update(who=who, hours=asked.hours, options=asked.train if who == "nephron" else "")
        if rows and rows[0]["cases"] != row["cases"]:
            sys.exit("%s: its validation cases are not those of %s" % (who, rows[0]["who"]))
        rows.append(row)
        with open(LOG, "a") as f:
            f.write(json.dumps(row) + "\n")
    names = {"nephron": "nephron", "own": "nnU-Net, its own plan and optimiser", "adapted": "nnU-Net, half the features, batch 2, AdamW"}
    print("| hours | | features, batch | iterations | Dice (%d cases) | wall time, minutes | peak memory of a process |" % len(rows[0]["cases"]))
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        print("| %g | %s%s | %d, %d | %s | %s | %.1f | %.0f MB |" % (
            r["hours"], names[r["who"]], r["options"] and " `%s`" % r["options"], r["features"], r["batch"], r["iterations"], ", ".join("%.4f" % d for d in r["dice"].values()), r["wall"] / 60,
            r["memory"] / 1e6))


if __name__ == "__main__":
    if asked.trainer:
        trainer(asked.trainer)
    else:
        main()
