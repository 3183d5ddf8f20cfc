"""A job for NVFlare 2.9 whose rounds are nephron's: exported for `nvflare job submit`, or run in the simulator.

    python apps/nvflare/job.py --model RUN --output OUT --sites north,south --export JOBS
    python apps/nvflare/job.py --model RUN --output OUT --sites north,south --simulate WORKSPACE --dataset '/data/{site}' --state STATE

RUN is a run folder at the server, as `nephron federate --as result` writes it after `--as init`; OUT the one that the rounds write.
"""

import argparse
import json
import os
import sys

from nephron_nvflare import NephronController, NephronExecutor
from nvflare.job_config.api import FedJob


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True, help="run folder to begin from, at the server")
    p.add_argument("--output", required=True, help="run folder to write, at the server")
    p.add_argument("--sites", required=True, help="names of NVFlare's clients, with commas")
    p.add_argument("--options", default="", help="JSON over the model's training options; also strategy, minimum, local_epochs")
    p.add_argument("--fold", default="", help="default: the model's")
    p.add_argument("--rounds", type=int, help="over the options' epochs; default: these, or the model's")
    p.add_argument("--dataset", default="", help="where a site has no local/nephron.json; {site}: its name")
    p.add_argument("--state", default="", help="folder of what stays at a site, where it has no local/nephron.json")
    p.add_argument("--pooled", action="store_true", help="the dataset's sites.csv tells which case is whose")
    to = p.add_mutually_exclusive_group(required=True)
    to.add_argument("--export", metavar="FOLDER", help="write the job there")
    to.add_argument("--simulate", metavar="WORKSPACE", help="run it in NVFlare's simulator")
    return p.parse_args()


def main():
    a = arguments()
    options = json.loads(a.options or "{}")
    if a.rounds:
        options["epochs"] = a.rounds
    rounds = options.get("epochs")
    if not rounds:
        with open(os.path.join(a.model, "manifest.json"), encoding="utf-8") as f:
            rounds = json.load(f)["training"]["epochs"]
    job = FedJob(name="nephron", min_clients=len(a.sites.split(",")))
    job.to_server(NephronController(a.model, a.output, a.sites, json.dumps(options), a.fold, rounds))
    executor = NephronExecutor(a.dataset, a.state, a.pooled)
    if a.export:
        job.to_clients(executor, tasks=["train"])
        job.export_job(a.export)
        return 0
    for site in a.sites.split(","):
        job.to(executor, site, tasks=["train"])
    return 1 if job.simulator_run(a.simulate, threads=len(a.sites.split(","))) else 0


if __name__ == "__main__":
    sys.exit(main())
