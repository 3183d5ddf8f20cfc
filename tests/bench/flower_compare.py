"""Memory and processor time of a simulated federation against its number of clients: nephron beside Flower's simulation (Ray, PyTorch).

    PYTHON tests/bench/flower_compare.py [--clients 10 100 1000 10000] [--ours N...] [--rounds 1] [--threads 2] [--limit SECONDS]

PYTHON: one with flwr[simulation] 1.42 and torch; run in the root of the tree, after make. Both train the same network, ResNet-10 of base
width --base, on the same volumes of --size voxels a side (drawn, two a client), with the same local work: --steps of AdamW a round on a
batch of 2. In both the mean of the weights is taken. Memory is the largest sum, over all processes of a run, of their proportional shares
(PSS), looked at every 0.2 s; processor time that of all of them, user and system. A row a run is printed when it ends, as Markdown; a run
that takes longer than the limit is stopped there, and its row says so.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

BATCH, MARK = 2, "FLOWER_COMPARE_RUN"


def volumes(cases, size):
    rng = np.random.default_rng(1)
    labels = np.arange(cases, dtype=np.uint8)[:, None] % 2
    images = rng.integers(0, 200, (cases, size, size, size), np.uint8) + 50 * labels[:, :, None, None]
    return images, labels


# ---- Flower's side, in a process of its own ----------------------------------------------------------------------------------


def network(b):
    from torch import nn

    class Block(nn.Module):
        def __init__(self, c, k, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv3d(c, k, 3, stride, 1, bias=False), nn.BatchNorm3d(k)
            self.conv2, self.bn2 = nn.Conv3d(k, k, 3, 1, 1, bias=False), nn.BatchNorm3d(k)
            self.downsample = None
            if stride > 1 or c != k:
                self.downsample = nn.Sequential(nn.Conv3d(c, k, 1, stride, bias=False), nn.BatchNorm3d(k))
            self.relu = nn.ReLU()

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + (self.downsample(x) if self.downsample else x))

    return nn.Sequential(
        nn.Conv3d(1, b, 3, 1, 1, bias=False), nn.BatchNorm3d(b), nn.ReLU(), Block(b, b, 1), Block(b, 2 * b, 2),
        Block(2 * b, 4 * b, 2), Block(4 * b, 8 * b, 2), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8 * b, 2),
    )  # fmt: skip


def flower(clients, a):
    import torch
    from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp
    from flwr.serverapp.strategy import FedAvg
    from flwr.simulation import run_simulation

    client, server = ClientApp(), ServerApp()

    class CountedFedAvg(FedAvg):  # it goes on without those who failed: then less was done than is claimed
        def aggregate_train(self, server_round, replies):
            replies = list(replies)
            print("replies", sum(not r.has_error() for r in replies), flush=True)
            return super().aggregate_train(server_round, replies)

    @client.train()
    def train(message: Message, context: Context) -> Message:
        torch.set_num_threads(1)
        images, labels = volumes(2, a.size)
        x = torch.from_numpy(images[:, None].astype(np.float32) / 255)
        y = torch.from_numpy(labels[:, 0].astype(np.int64))
        net = network(a.base)
        net.load_state_dict(message.content["arrays"].to_torch_state_dict())
        optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
        net.train()
        for _ in range(a.steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
        content = RecordDict(
            {
                "arrays": ArrayRecord(net.state_dict()),
                "metrics": MetricRecord({"loss": float(loss), "num-examples": BATCH}),
            }
        )
        return Message(content, reply_to=message)

    @server.main()
    def main(grid, context):
        net = network(a.base)
        print("weights", sum(p.numel() for p in net.parameters()), flush=True)
        everyone = {"min_train_nodes": clients, "min_available_nodes": clients}  # else it starts with those who are there
        strategy = CountedFedAvg(fraction_evaluate=0.0, **everyone)
        result = strategy.start(grid, ArrayRecord(net.state_dict()), num_rounds=a.rounds, timeout=36000)
        print("rounds", len(result.train_metrics_clientapp), flush=True)

    run_simulation(server, client, clients, backend_config={
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": a.threads}})  # fmt: skip


# ---- measuring -----------------------------------------------------------------------------------------------------------------


def marked(mark):
    """Processes whose environment has the mark: the run's and its children's, detached or not."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if mark in f.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            pass
    return found


def look(pid):
    """PSS in bytes and processor seconds of one process so far; its ended children's are left to those who looked at them."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        pss = next(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return pss, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(command, limit, right=lambda text: True):
    """The command; right: whether what it printed is what is wanted. Peak bytes, processor seconds, seconds, processes, whether it was stopped. Processes are looked at until none is left."""
    mark = f"{MARK}={os.getpid()}.{time.monotonic_ns()}"
    environment = dict(os.environ, FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0")
    environment.update([mark.split("=")])
    start, peak, cpu, most, stopped = time.monotonic(), 0, {}, 0, False
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            total, pids = 0, marked(mark.encode())
            for pid in pids:
                try:
                    pss, cpu[pid] = look(pid)
                    total += pss
                except (OSError, StopIteration, IndexError):
                    pass
            peak, most = max(peak, total), max(most, len(pids))
            stopped = time.monotonic() - start > limit
            for pid in pids if stopped else ():
                try:
                    os.kill(int(pid), 9)
                except OSError:
                    pass
            time.sleep(0.2)
        for pid in marked(mark.encode()):  # Ray's that outlive it
            try:
                cpu[pid] = look(pid)[1]
                os.kill(int(pid), 15)
            except (OSError, StopIteration):
                pass
        seconds = time.monotonic() - start
        out.seek(0)
        text = out.read()
    wrong = process.returncode or not right(text)
    if wrong and not stopped:
        sys.exit(f"{' '.join(command)}: ends with {process.returncode} after {seconds:.0f} s\n{text[-2000:]}")
    return peak, sum(cpu.values()), seconds, most, stopped


def report(name, clients, result):
    peak, cpu, seconds, most, stopped = result
    end = ", stopped" if stopped else ""
    print(f"| {name} | {clients:,} | {peak / 1e6:,.0f} | {cpu:,.1f} | {seconds:,.1f}{end} | {most} |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--clients", type=int, nargs="*", default=[10, 100, 1000, 10000])
    p.add_argument("--ours", type=int, nargs="*", default=[], help="numbers of clients for nephron alone")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--size", type=int, default=8, help="voxels a side")
    p.add_argument("--base", type=int, default=4, help="width of the first stage")
    p.add_argument("--steps", type=int, default=1, help="of a client in a round")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--limit", type=float, default=3600, help="seconds for a run")
    p.add_argument("--flower", type=int, help=argparse.SUPPRESS)  # the child's side
    a = p.parse_args()
    if a.flower:
        return flower(a.flower, a)
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    print(f"{model}, {a.threads} threads, load {os.getloadavg()[0]:.1f}, {a.rounds} rounds of {a.steps} steps, "
          f"base width {a.base}, {a.size} voxels a side\n")
    print("| | clients | memory, MB | processor time, s | time, s | processes |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        for clients in sorted(set(a.clients + a.ours)):
            images, labels = volumes(2 * clients, a.size)
            few = {f"{part}_{k}": v for part in ("val", "test") for k, v in (("images", images[:2]), ("labels", labels[:2]))}
            data, out = os.path.join(work, f"{clients}.npz"), os.path.join(work, f"run{clients}")
            np.savez(data, train_images=images, train_labels=labels, **few)
            with open(data + ".csv", "w") as f:
                f.write("case,site\n")
                digits = 4 if 2 * clients <= 10000 else 7
                f.writelines(f"train_{i:0{digits}d},site{i // 2:05d}\n" for i in range(2 * clients))
            command = ["./nephron", "federate", data, "-o", out, "--sites", data + ".csv", "--fold", "0", "--rounds", str(a.rounds),
                       "--local-iterations", str(a.steps), "--depth", "10", "--base", str(a.base), "--batch", str(BATCH), "--crop", ",".join([str(a.size)] * 3),
                       "--augment", "0", "--no-validation", "--threads", str(a.threads)]  # fmt: skip
            report("nephron", clients, run(command, a.limit))
            os.remove(data)
            if clients in a.clients:
                me = [sys.executable, __file__, "--flower", str(clients), "--rounds", str(a.rounds), "--threads", str(a.threads),
                      "--size", str(a.size), "--base", str(a.base), "--steps", str(a.steps)]  # fmt: skip
                everyone = [str(clients)] * a.rounds
                report("Flower's simulation", clients,
                       run(me, a.limit, lambda text: re.findall(r"^replies (\d+)$", text, re.M) == everyone))  # fmt: skip


if __name__ == "__main__":
    main()
