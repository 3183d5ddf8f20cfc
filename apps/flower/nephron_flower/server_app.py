"""The server: gives each round's task to all sites and adds their answers up with libnephron, exactly, in the order of names.

It begins from a run folder (model), such as `nephron federate --as result` writes it after `--as init`, and writes another one
(output) after every round: `nephron predict OUTPUT` uses it. No data are needed here.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable
from logging import INFO, WARNING, getLogger

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy

from .binding import Failure, Library, Model, Server

TTL = 7 * 24 * 3600  # seconds that a site may take to answer; Flower's own 12 hours can be too few
POLL = 1  # seconds between two looks at which sites are connected

app = ServerApp()
log = getLogger("flwr").log


def federation_of(manifest, given):
    """Options of the rounds: those of the model's federation, and over them those of the run. What this app cannot do is refused."""
    federation = manifest.get("federation", {})
    unable = {"fraction": 1, "plain_variance": False, "compress": None, "privacy": None}
    for key, plain in unable.items():
        if federation.get(key, plain) != plain:
            raise ValueError(f"model: its federation has {key} {federation[key]}, which this app does not do")
    options = {k: federation[k] for k in ("strategy", "minimum", "local_epochs") if k in federation}
    options.update(json.loads(given) if given else {})
    return options


class Nephron(Strategy):
    """Rounds of libnephron. Files in output are replaced whole, so that what is there can be used at any moment."""

    def __init__(self, config):
        for key in ("model", "output"):
            if not config[key]:
                raise ValueError(f"run-config: {key} is missing")
        self.output, self.quorum = config["output"], int(config["quorum"])
        with open(os.path.join(config["model"], "manifest.json"), encoding="utf-8") as f:
            self.manifest = json.load(f)
        names = [s["name"] for s in self.manifest.get("federation", {}).get("sites", [])]
        self.sites = sorted(filter(None, (s.strip() for s in config["sites"].split(",")))) or sorted(names)
        if not self.sites or len(set(self.sites)) < len(self.sites):
            raise ValueError(f"sites: {self.sites} are none, or not of different names")
        if not 0 <= self.quorum <= len(self.sites):
            raise ValueError(f"quorum: {self.quorum} of {len(self.sites)} sites")
        self.fold = str(config["fold"]) or str(self.manifest["fold"])
        self.options = json.dumps(federation_of(self.manifest, config["options"]))
        self.model = Model(Library(), run=config["model"], fold=str(self.manifest["fold"]))
        self.server = Server(self.model, self.options, len(self.sites))
        self.rounds = json.loads(self.options).get("epochs", self.manifest["training"]["epochs"])
        self.begin_output(config["model"])

    def begin_output(self, model):
        if os.path.exists(self.output):
            raise ValueError(f"output: {self.output} is there already")
        os.makedirs(os.path.join(self.output, "fold_" + self.fold))
        for name in ("dataset.json", "plans.json"):
            if os.path.exists(os.path.join(model, name)):
                shutil.copy(os.path.join(model, name), self.output)
        self.manifest.update(command="flwr run", fold=self.fold, weight_hashes=[], epochs_done=0)
        self.manifest["training"].update(
            {k: v for k, v in json.loads(self.options).items() if k in self.manifest["training"]}
        )
        self.rows = ["round,site,examples,local_loss,weight_hash\n"]

    def replace(self, name, content):
        path = os.path.join(self.output, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(content)
        os.replace(path + ".new", path)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        while len(nodes := sorted(grid.get_node_ids())) < (self.quorum or len(self.sites)):
            time.sleep(POLL)
        task, self.round = self.server.begin()
        content = RecordDict(
            {
                "weights": ArrayRecord({"task": Array(task)}),
                "task": ConfigRecord(
                    {
                        "round": self.round,
                        "sites": len(self.sites),
                        "names": ",".join(self.sites),
                        "fold": self.fold,
                        "options": self.options,
                        "description": self.model.describe(),
                    }
                ),
            }
        )
        return [Message(content, node, MessageType.TRAIN, ttl=TTL, group_id=str(self.round)) for node in nodes]

    def take(self, reply):
        """An answer's site, weights and numbers; raises where it is none."""
        if reply.has_error():
            raise Failure(f"node {reply.metadata.src_node_id}: {reply.error.reason}")
        name = reply.content["site"]["name"]
        if name not in self.sites:
            raise Failure(f"node {reply.metadata.src_node_id}: there is no site '{name}'")
        return name, reply.content["weights"]["update"].numpy(), reply.content["numbers"]["numbers"]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        answers, rows, loss, examples = [], [], 0.0, 0.0
        for reply in replies:
            try:
                answers.append(self.take(reply))
            except (Failure, KeyError) as why:
                log(WARNING, "round %d: refused: %s", self.round, why)
        for name, weights, numbers in sorted(answers, key=lambda a: a[0]):
            try:
                self.server.add(name, weights, numbers)
            except Failure as why:
                log(WARNING, "round %d: refused: %s", self.round, why)
                continue
            rows.append("%d,%s,%.0f,%.9g,\n" % (self.round, name, numbers[0], numbers[5]))
            loss, examples = loss + numbers[0] * numbers[5], examples + numbers[0]
        if len(rows) < (self.quorum or len(self.sites)):
            missing = set(self.sites) - {row.split(",")[1] for row in rows}
            raise Failure(f"round {self.round}: no answer of {', '.join(sorted(missing))}: too few to go on")
        self.server.end()
        self.write_round(rows, examples, loss / examples)
        return None, MetricRecord({"local_loss": loss / examples, "examples": examples})

    def write_round(self, rows, examples, loss):
        fold, weights = "fold_" + self.fold, self.model.hash()
        self.rows += rows + ["%d,global,%.0f,%.9g,%s\n" % (self.round, examples, loss, weights)]
        self.manifest["weight_hashes"].append(weights)
        self.manifest["epochs_done"] = self.round + 1
        self.model.save(os.path.join(self.output, fold, "checkpoint_final.safetensors"))
        self.replace(os.path.join(fold, "rounds.csv"), "".join(self.rows))
        self.replace("manifest.json", json.dumps(self.manifest, indent=4) + "\n")
        log(INFO, "round %d of %d: %d updates, weights %s", self.round + 1, self.rounds, len(rows), weights)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        log(INFO, "sites %s, fold %s, options %s", ", ".join(self.sites), self.fold, self.options)


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    strategy = Nephron(config)
    strategy.start(grid, ArrayRecord(), num_rounds=strategy.rounds, timeout=float(config["timeout"]) or None)
