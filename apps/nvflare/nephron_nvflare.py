"""nephron over NVFlare 2.9: a controller whose aggregator adds up with libnephron, and the executor of a site.

Needs nephron_federation (apps/python) beside nvflare on the server and at the sites. job.py makes a job of these.
A site's settings are its own: WORKSPACE/local/nephron.json, e.g. {"dataset": "/data/ct", "state": "/var/lib/nephron"}; what it does not
say comes from the job (for the simulator; {site} in it is the site's name).
"""

import json
import os

import numpy as np
from nephron_federation.binding import Failure
from nephron_federation.rounds import Rounds
from nephron_federation.site import answer
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.shareable import make_reply
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.aggregators.model_aggregator import ModelAggregator
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from nvflare.app_common.workflows.fedavg import FedAvg

TASK = "nephron"  # key of what a site must know of a round, as JSON, in the model's meta
LOCAL = "nephron.json"


class NephronAggregator(ModelAggregator):
    """Keeps the answers of a round, then gives them to rounds (of nephron_federation), which sorts and sums."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds, self.answers = rounds, []

    def accept_model(self, model):
        name = model.meta.get("client_name", "?")
        try:
            self.answers.append((name, model.params["update"], model.meta["numbers"]))
        except (KeyError, TypeError) as why:
            self.warning(f"refused: {name}: no {why}")

    def aggregate_model(self):
        loss, examples = self.rounds.end(self.answers)
        metrics = {"local_loss": loss, "examples": examples}
        last = self.rounds.round + 1 == self.rounds.rounds
        return FLModel(params={"task": np.empty(0, np.float32)}, metrics=metrics) if last else self.task(metrics)

    def task(self, metrics=None):
        values, told = self.rounds.begin()
        return FLModel(params={"task": values}, metrics=metrics, meta={TASK: json.dumps(told)})

    def reset_stats(self):
        self.answers = []


class NephronController(FedAvg):
    """NVFlare's rounds with nephron's sum. The arguments are those of nephron_federation.rounds.Rounds; sites: names with
    commas, all of which must answer."""

    def __init__(self, model_folder, output, sites, options="", fold="", rounds=1):
        self.model_folder, self.output, self.sites = model_folder, output, sites
        self.options, self.fold, self.rounds = options, fold, rounds
        super().__init__(num_clients=len(sites.split(",")), num_rounds=rounds, persistor_id="")

    def run(self):
        try:
            rounds = Rounds(
                self.model_folder, self.output, self.sites.split(","), self.options, self.fold, log=self.info
            )
            if rounds.rounds != self.num_rounds:
                raise ValueError(f"the job has {self.num_rounds} rounds, its model or options {rounds.rounds}")
            self.aggregator = NephronAggregator(rounds)
            self.aggregator.fl_ctx = self.fl_ctx
            super().run()
        except (Failure, ValueError, OSError) as why:
            self.panic(str(why))

    def load_model(self):
        return self.aggregator.task()

    def save_model(self, model):
        """Rounds has written the run folder."""


class NephronExecutor(Executor):
    """Trains at a site. The arguments are what stands in for LOCAL in the simulator."""

    def __init__(self, dataset="", state="", pooled=False, threads=1):
        super().__init__()
        self.dataset, self.state, self.pooled, self.threads = dataset, state, pooled, threads

    def settings(self, fl_ctx):
        name = fl_ctx.get_identity_name()
        own = {"pooled": self.pooled, "threads": self.threads}
        own.update(dataset=self.dataset.replace("{site}", name), state=self.state.replace("{site}", name))
        path = os.path.join(fl_ctx.get_engine().get_workspace().get_site_config_dir(), LOCAL)
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                own.update(json.load(f))
        own["site"] = name  # the one that NVFlare has authenticated
        return own, path

    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        try:
            own, path = self.settings(fl_ctx)
            model = FLModelUtils.from_shareable(shareable)
            weights, numbers = answer(own, path, model.params["task"], json.loads(model.meta[TASK]))
        except (Failure, ValueError, KeyError, OSError) as why:
            self.log_error(fl_ctx, f"nephron: {why}")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        return FLModelUtils.to_shareable(FLModel(params={"update": weights}, meta={"numbers": numbers}))
