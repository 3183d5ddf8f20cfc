"""The server: gives each round's task to all sites and adds their answers up with libnephron. The run-config is in pyproject.toml."""

import time
from collections.abc import Iterable
from logging import INFO, WARNING, getLogger

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import Strategy
from nephron_federation.rounds import Rounds

TTL = 7 * 24 * 3600  # seconds that a site may take to answer; Flower's own 12 hours can be too few
POLL = 1  # seconds between two looks at which sites are connected

app = ServerApp()
log = getLogger("flwr").log


class Nephron(Strategy):
    """rounds: of nephron_federation. Every connected SuperNode gets the task; each round waits until there are enough.

    A site's name is what its SuperNode was started with; the SuperLink knows the node. So a node keeps the name of its first answer
    that counted, and the name its node, as long as that one is connected."""

    def __init__(self, rounds):
        self.rounds, self.names, self.asked = rounds, {}, ()

    def may_be(self, node, name):
        others = [n for n in self.asked if n != node and self.names.get(n) == name]
        return self.names.get(node, name) == name and not others

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        while len(nodes := sorted(grid.get_node_ids())) < self.rounds.quorum:
            time.sleep(POLL)
        self.asked = nodes
        values, told = self.rounds.begin()
        content = RecordDict({"weights": ArrayRecord({"task": Array(values)}), "task": ConfigRecord(told)})
        return [Message(content, node, MessageType.TRAIN, ttl=TTL, group_id=str(server_round)) for node in nodes]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        answers, names = [], {}
        for reply in replies:
            node = reply.metadata.src_node_id
            if reply.has_error():
                log(WARNING, "node %d: %s", node, reply.error.reason)
                continue
            try:
                name, weights = reply.content["site"]["name"], reply.content["weights"]["update"].numpy()
                numbers = reply.content["numbers"]["numbers"]
            except KeyError as why:
                log(WARNING, "node %d: its answer has no %s", node, why)
                continue
            if not self.may_be(node, name):
                log(WARNING, "node %d: refused: '%s' is the name of another node, or was not its own before", node, name)
                continue
            answers.append((name, weights, numbers))
            names[node] = name
        loss, examples = self.rounds.end(answers)
        self.names.update({node: name for node, name in names.items() if name in self.rounds.taken})
        return None, MetricRecord({"local_loss": loss, "examples": examples})

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        log(INFO, "sites %s, fold %s, options %s", ", ".join(self.rounds.sites), self.rounds.fold, self.rounds.options)


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    rounds = Rounds(
        config["model"],
        config["output"],
        [s.strip() for s in config["sites"].split(",") if s.strip()],
        config["options"],
        str(config["fold"]),
        int(config["quorum"]),
        lambda line: log(INFO, line),
    )
    Nephron(rounds).start(grid, ArrayRecord(), num_rounds=rounds.rounds, timeout=float(config["timeout"]) or None)
