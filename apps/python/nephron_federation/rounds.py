"""The server's side of a federation, whatever carries the messages: tasks out, answers in, a run folder after every round.

It begins from a run folder (model), such as `nephron federate --as result` writes it after `--as init`, and writes another one
(output) after every round: `nephron predict OUTPUT` uses it. No data are needed here. Answers are summed exactly in the order of
the sites' names, so that the weights are those of nephron's own simulation whatever arrives first.
"""

import json
import os
import shutil

from .binding import FEDERATION, Failure, Library, Model, Server

# What a manifest says of the network and its options. How the model came about, and how good it is, is not the new run's.
KEPT = ("program", "version", "seed", "precision", "configuration", "converted_from", "training", "federation")


def federation_of(manifest, given):
    """Options of the rounds: those of the model's federation, over them those given. What the bridges cannot do is refused."""
    federation = manifest.get("federation", {})
    unable = {"fraction": 1, "plain_variance": False, "compress": None, "privacy": None, "secure_range": 0}
    for key, plain in unable.items():
        if federation.get(key, plain) != plain:
            raise ValueError(f"model: its federation has {key} {federation[key]}, which cannot be done over this bridge")
    options = {k: federation[k] for k in FEDERATION if k in federation}
    options.update(json.loads(given) if given else {})
    return options


class Rounds:
    """sites: names ([]: the model's); options: JSON over the model's; fold ("": the model's); quorum: answers that a round needs
    (0: all); log: takes a line. Files in output are replaced whole, so that what is there can be used at any moment."""

    def __init__(self, model, output, sites=(), options="", fold="", quorum=0, log=print):
        for key, value in ("model", model), ("output", output):
            if not value:
                raise ValueError(f"{key} is missing")
        self.output, self.log = output, log
        with open(os.path.join(model, "manifest.json"), encoding="utf-8") as f:
            self.manifest = json.load(f)
        self.sites = sorted(sites or (s["name"] for s in self.manifest.get("federation", {}).get("sites", [])))
        if not self.sites or len(set(self.sites)) < len(self.sites):
            raise ValueError(f"sites: {self.sites} are none, or not of different names")
        if any(not s or "," in s for s in self.sites):
            raise ValueError(f"sites: {self.sites}: a name is empty or has a comma, which stands between names in a task")
        if not 0 <= quorum <= len(self.sites):
            raise ValueError(f"quorum: {quorum} of {len(self.sites)} sites")
        self.quorum = quorum or len(self.sites)
        self.fold = fold or str(self.manifest["fold"])
        self.options = json.dumps(federation_of(self.manifest, options))
        self.model = Model(Library(), run=model, fold=str(self.manifest["fold"]))
        self.server = Server(self.model, self.options, len(self.sites))
        self.agreed = json.loads(self.server.describe())
        self.rounds = self.agreed["training"]["epochs"]
        self.run = os.urandom(8).hex()
        self.begin_output(model)

    def begin_output(self, model):
        if os.path.exists(self.output):
            raise ValueError(f"output: {self.output} is there already")
        os.makedirs(os.path.join(self.output, "fold_" + self.fold))
        for name in ("dataset.json", "plans.json"):
            if os.path.exists(os.path.join(model, name)):
                shutil.copy(os.path.join(model, name), self.output)
        self.manifest = {k: self.manifest[k] for k in KEPT if k in self.manifest}
        training, federation = self.agreed["training"], self.manifest.setdefault("federation", {})
        federation.update({k: self.agreed[k] for k in FEDERATION}, sites=[{"name": s} for s in self.sites])
        self.manifest.update(training=training, seed=training["seed"], precision=training.get("precision", "fp32"))
        self.manifest.update(command="federate", fold=self.fold, weight_hashes=[], epochs_done=0)

    def begin(self):
        """Opens the next round: the task's values, and a flat dict of what else a site has to know."""
        task, self.round = self.server.begin()
        return task, {
            "run": self.run,
            "round": self.round,
            "names": ",".join(self.sites),
            "fold": self.fold,
            "options": self.options,
            "description": self.model.describe(),
        }

    def end(self, answers):
        """answers: (site, weights, numbers) in any order. Returns the mean loss at the sites and the examples. Of two answers of
        one name neither counts: which of them is the site's cannot be known. taken: the names of those that counted."""
        names, taken, loss, examples = [a[0] for a in answers], [], 0.0, 0.0
        for name, weights, numbers in sorted(answers, key=lambda a: str(a[0])):
            try:
                if name not in self.sites:
                    raise Failure(f"there is no site '{name}'")
                if names.count(name) > 1:
                    raise Failure(f"site {name}: {names.count(name)} answers of this name: give each site its own")
                own, of_site = self.server.add(name, weights, numbers)
            except Failure as why:
                self.log(f"round {self.round}: refused: {why}")
                continue
            taken.append(name)
            loss, examples = loss + own * of_site, examples + own
        self.taken = taken
        if len(taken) < self.quorum:
            missing = set(self.sites) - set(taken)
            raise Failure(f"round {self.round}: no answer of {', '.join(sorted(missing))}: too few to go on")
        self.server.end()
        self.write_round(len(taken))
        return loss / examples, examples

    def replace(self, name, content):
        path = os.path.join(self.output, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(content)
        os.replace(path + ".new", path)

    def write_round(self, taken):
        fold, weights = "fold_" + self.fold, self.model.hash()
        self.manifest["weight_hashes"].append(weights)
        self.manifest["epochs_done"] = self.round + 1
        self.model.save(os.path.join(self.output, fold, "checkpoint_final.safetensors"))
        self.server.tables(os.path.join(self.output, fold))
        self.replace("manifest.json", json.dumps(self.manifest, indent=4) + "\n")
        self.log(f"round {self.round + 1} of {self.rounds}: {taken} updates, weights {weights}")
