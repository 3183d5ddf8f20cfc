"""A site: trains from a task on its own cases and answers with its weights.

The SuperNode's --node-config says what is the site's alone: site (its name), dataset (a path), state (a folder for the optimiser's
moments between rounds); and if needed pooled=true (dataset holds several sites, its sites.csv tells whose a case is) and threads.
In Flower's simulation there are no SuperNodes: the same comes from the run-config, {site} in dataset stands for the site's name.
"""

import json
import os

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from .binding import Library, Model, Server, Site

FEDERATION = ("strategy", "minimum", "local_epochs")  # options of the rounds, not of training

app = ClientApp()


def required(config, key):
    value = config.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"--node-config: {key} is missing, e.g. {key}=\"north\"")
    return value


def site_config(context, names):
    """What a site's SuperNode was started with. Only a simulated one, which has a number and no name, believes the run-config."""
    own, run = context.node_config, context.run_config
    if "site" in own or "partition-id" not in own:
        return own
    names = names.split(",")
    if own["partition-id"] >= len(names):
        raise ValueError(f"{len(names)} sites, and more simulated SuperNodes")
    name = names[own["partition-id"]]
    dataset = required(run, "dataset").replace("{site}", name)
    return {"site": name, "dataset": dataset, "state": run["state"], "pooled": run["pooled"], "threads": 1}


@app.train()
def train(message: Message, context: Context) -> Message:
    task = message.content["task"]
    own = site_config(context, task["names"])
    name, dataset = required(own, "site"), required(own, "dataset")
    # A run has its own moments: those of another run are of other weights.
    folder = os.path.join(required(own, "state"), "run_%d" % context.run_id)
    os.makedirs(folder, exist_ok=True)
    options = json.loads(task["options"])
    training = json.dumps({k: v for k, v in options.items() if k not in FEDERATION})
    model = Model(Library(int(own.get("threads", 0))), description=task["description"])
    server = Server(model, task["options"], task["sites"])
    site = Site(model, name, dataset, bool(own.get("pooled", False)), task["fold"], training, task["sites"])
    weights, numbers = site.update(
        server, os.path.join(folder, name + ".safetensors"), message.content["weights"]["task"].numpy(), task["round"]
    )
    return Message(
        RecordDict(
            {
                "site": ConfigRecord({"name": name}),
                "weights": ArrayRecord({"update": Array(np.asarray(weights))}),
                "numbers": MetricRecord({"numbers": numbers}),
            }
        ),
        reply_to=message,
    )
