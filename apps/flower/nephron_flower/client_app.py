"""A site: trains from a task on its own cases and answers with its weights.

The SuperNode's --node-config says what is the site's alone: site (its name), dataset (a path), state (a folder for the optimiser's
moments between rounds); and if needed pooled=true (dataset holds several sites, its sites.csv tells whose a case is) and threads.
In Flower's simulation there are no SuperNodes: the same comes from the run-config, {site} in dataset stands for the site's name.
"""

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from nephron_federation.site import answer, required

app = ClientApp()


def site_config(context, names):
    """What a site's SuperNode was started with. Only a simulated one, which has a number and no name, believes the run-config."""
    own, run = context.node_config, context.run_config
    if "site" in own or "partition-id" not in own:
        return own, "--node-config"
    names = names.split(",")
    if own["partition-id"] >= len(names):
        raise ValueError(f"{len(names)} sites, and more simulated SuperNodes")
    name = names[own["partition-id"]]
    dataset = required(run, "dataset", "--run-config").replace("{site}", name)
    own = {"site": name, "dataset": dataset, "state": run["state"], "pooled": run["pooled"], "threads": 1}
    return own, "--run-config"


@app.train()
def train(message: Message, context: Context) -> Message:
    task, values = message.content["task"], message.content["weights"]["task"].numpy()
    own, where = site_config(context, task["names"])
    weights, numbers = answer(own, where, values, task)
    return Message(
        RecordDict(
            {
                "site": ConfigRecord({"name": own["site"]}),
                "weights": ArrayRecord({"update": Array(weights)}),
                "numbers": MetricRecord({"numbers": numbers}),
            }
        ),
        reply_to=message,
    )
