"""A site's side of a federation, whatever carries the messages: the answer to a task, from the site's own cases."""

import json
import os

from .binding import FEDERATION, Library, Model, Server, Site


def required(config, key, where):
    value = config.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where}: {key} is missing, or no text")
    return value


def answer(own, where, values, task):
    """Weights and numbers for the server. own: the site's own settings, which come from where: site (its name), dataset (a path),
    state (a folder for the optimiser's moments between rounds), and if needed pooled (dataset holds several sites, its sites.csv
    tells whose a case is) and threads. values and task: what Rounds.begin gave."""
    name, dataset = required(own, "site", where), required(own, "dataset", where)
    names = task["names"].split(",")
    if name not in names:
        raise ValueError(f"{where}: site is '{name}', those of the federation are {', '.join(names)}")
    # A run has its own moments: those of another run are of other weights. Its name comes from outside.
    if not task["run"].isalnum():
        raise ValueError("task: its run is no letters and digits")
    folder = os.path.join(required(own, "state", where), "run_" + task["run"])
    os.makedirs(folder, exist_ok=True)
    sites = len(names)
    options = json.loads(task["options"])
    training = json.dumps({k: v for k, v in options.items() if k not in FEDERATION})
    model = Model(Library(int(own.get("threads", 0))), description=task["description"])
    server = Server(model, task["options"], sites)
    site = Site(model, name, dataset, bool(own.get("pooled", False)), task["fold"], training, sites)
    return site.update(server, os.path.join(folder, name + ".safetensors"), values, task["round"])
