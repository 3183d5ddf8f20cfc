"""Golden values of the aggregation strategies: what Flower 1.42 makes of random updates.

    pip install 'flwr==1.42.*'; python tests/golden/make_strategies.py > tests/data/golden/strategies.json

Seven sites, two rounds, so that the servers' moments count. Each strategy is Flower's own aggregate_train on Messages.
"""
import json

import numpy as np
from flwr.common import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower
from flwr.supercore.task_identity import TaskIdentity

SITES, SIZE, ROUNDS = 7, 16, 2
TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1  # messages ask for them
rng = np.random.default_rng(13)
start = rng.normal(0, 0.5, SIZE).astype(np.float32)
updates = [[(start + rng.normal(0, 0.2, SIZE)).astype(np.float32) for _ in range(SITES)] for _ in range(ROUNDS)]
updates[0][3] += np.float32(4)  # one site far away
examples = [int(n) for n in rng.integers(3, 60, SITES)]
losses = [float(np.float32(x)) for x in rng.uniform(0.2, 2, SITES)]


def record(values):
    return ArrayRecord({"w": Array(np.asarray(values))})


def replies(of_round):
    for k in range(SITES):
        content = RecordDict({"arrays": record(updates[of_round][k].copy()),
                              "metrics": MetricRecord({"num-examples": examples[k], "train_loss": losses[k]})})
        yield Message(content, dst_node_id=k + 1, message_type="train")


def run(strategy):
    current, out = start, []
    for r in range(ROUNDS):
        # What configure_train leaves: arrays for the adaptive ones, a record for the others.
        adaptive = isinstance(strategy, flower.fedopt.FedOpt)
        strategy.current_arrays = {"w": current.copy()} if adaptive else record(current.copy())
        arrays, _ = strategy.aggregate_train(r + 1, list(replies(r)))
        current = np.asarray(arrays["w"].numpy(), dtype=np.float64)
        out.append([float(v) for v in current])
        current = current.astype(np.float32)
    return out


cases = [
    ("fedavg", {}, flower.FedAvg()),
    ("fedprox", {"mu": 0.1}, flower.FedProx(proximal_mu=0.1)),
    ("fedavgm", {"lr": 0.7, "momentum": 0.9}, flower.FedAvgM(server_learning_rate=0.7, server_momentum=0.9)),
    ("fedadam", {"lr": 0.1, "tau": 1e-3, "beta1": 0.9, "beta2": 0.99}, flower.FedAdam()),
    ("fedyogi", {"lr": 0.01, "tau": 1e-3, "beta1": 0.9, "beta2": 0.99}, flower.FedYogi()),
    ("fedadagrad", {"lr": 0.1, "tau": 1e-3}, flower.FedAdagrad()),
    ("qfedavg", {"q": 0.3, "lr": 0.05}, flower.QFedAvg(client_learning_rate=0.05, q=0.3)),
    ("median", {}, flower.FedMedian()),
    ("trimmed", {"beta": 0.2}, flower.FedTrimmedAvg(beta=0.2)),
    ("krum", {"malicious": 2}, flower.Krum(num_malicious_nodes=2)),
    ("multikrum", {"malicious": 2, "select": 4}, flower.MultiKrum(num_malicious_nodes=2, num_nodes_to_select=4)),
    ("bulyan", {"malicious": 1}, flower.Bulyan(num_malicious_nodes=1)),
]
print(json.dumps({"start": [float(v) for v in start], "examples": examples, "losses": losses,
                  "updates": [[[float(v) for v in u] for u in r] for r in updates],
                  "cases": [{"strategy": {"name": n, **o}, "rounds": run(s)} for n, o, s in cases]}))
