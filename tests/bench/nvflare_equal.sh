#!/bin/sh
# nvflare_equal.sh - the job of apps/nvflare against nephron's simulation: the same weights after every round,
# in NVFlare's simulator, for the hospitals of hospitals.sh: U-Net by fedavg and scaffold and a classifier
# with covariates over three, classification by fedadam over two. PYTHON: one with nvflare 2.9 (default:
# python3); TABLE: a file for the hashes; KEEP=1 leaves the working folder.
python=${PYTHON:-python3}
"$python" -c 'import nvflare' 2>/dev/null ||
    { echo "nvflare_equal: skipped, there is no NVFlare here: 0 passed, 0 failed"; exit 0; }
make -s nephron libnephron.so >/dev/null 2>&1 ||
    { echo "nvflare_equal: nephron does not build: 0 passed, 1 failed"; exit 1; }
. tests/bench/hospitals.sh
job() { # name, sites, dataset
    name=$1
    shift
    timeout 600 "$python" "$top/apps/nvflare/job.py" --model "$work/$name.begin" --output \
        "$work/$name.NVFlare" --sites "$1" --dataset "$2" \
        --state "$work/state" --simulate "$work/$name.workspace" >"$name.log" 2>&1
    ok "$name: job.py: $(tail -n 5 "$name.log")" $?
}
unets fedavg scaffold
for strategy in fedavg scaffold; do
    job unet-$strategy north,south,west "$work/{site}"
    note unet-$strategy NVFlare all
done
covariates
job covariates-fedavg north,south,west "$work/{site}"
note covariates-fedavg NVFlare all
$nephron predict unet-fedavg.NVFlare -i south/imagesTr -o maps --step 1 --no-mirror --quiet
ok "the run that NVFlare wrote does not predict" $?
classifiers "$python"
job resnet-fedadam coast,east "$work/{site}.npz"
note resnet-fedadam NVFlare 0
"$python" "$top/apps/nvflare/job.py" --model "$work/unet-fedavg.begin" --output "$work/other" --sites \
    north,south --export "$work/jobs" >export.log 2>&1 &&
    [ -s jobs/nephron/meta.json ] && ls jobs/nephron/*/custom/nephron_nvflare.py >/dev/null
ok "export of the job: $(tail -n 3 export.log)" $?
# What a site's own file says stands over what the job says; its name is that of its certificate. (The
# simulator empties WORKSPACE/SITE/local.)
mkdir -p site/local
printf '{"dataset": "/data/ct", "pooled": true, "site": "south"}\n' >site/local/nephron.json
"$python" - "$work/site" >settings.log 2>&1 <<'EOF'
import os, sys
from types import SimpleNamespace as some
from nephron_nvflare import NephronExecutor
context = some(get_identity_name=lambda: "west", get_engine=lambda: some(get_workspace=lambda: some(
    get_site_config_dir=lambda: os.path.join(sys.argv[1], "local"))))
own, where = NephronExecutor("/elsewhere/{site}", "/state/{site}").settings(context)
sys.exit(own != {"site": "west", "dataset": "/data/ct", "state": "/state/west", "pooled": True, "threads": 1})
EOF
ok "a site's own settings: $(tail -n 1 settings.log)" $?
# What does not fit is refused by name, whatever bridge brought it, and a quorum goes on without it.
"$python" - "$work" >refused.log 2>&1 <<'EOF'
import os, sys
import numpy as np
from nephron_federation.binding import Failure
from nephron_federation.rounds import Rounds
from nephron_federation.site import answer
os.chdir(sys.argv[1])
lines = []
rounds = Rounds("unet-fedavg.begin", "quorum", quorum=2, log=lines.append)
values, task = rounds.begin()
def at(site):
    options = {"site": site, "dataset": site, "state": "states", "threads": 1}
    return (site, *answer(options, "here", values, task))
north, south = at("north"), at("south")
west = ("west", np.full_like(north[1], np.nan), north[2])
rounds.end([west, ("stranger", *north[1:]), south, north])
refused = [line for line in lines if "refused" in line]
print(refused)
assert len(refused) == 2 and sum("west" in line for line in refused) == 1 and sum("stranger" in line for line in refused) == 1
values, task = rounds.begin()
try:
    rounds.end([north, ("west", north[1][1:], north[2])])
    sys.exit("an answer of the round before, alone, was enough")
except Failure as why:
    assert "north, south, west" in str(why) and "the model has" in lines[-1], (why, lines)
for run in "../x", "":
    try:
        answer({"site": "north", "dataset": "north", "state": "states"}, "here", values, dict(task, run=run))
        sys.exit("a run of such a name")
    except ValueError as why:
        assert "run" in str(why), why
EOF
ok "what does not fit: $(tail -n 3 refused.log)" $?
[ -n "$TABLE" ] || table nephron NVFlare
echo "nvflare_equal: $passed passed, $failed failed"
[ $failed -eq 0 ]
