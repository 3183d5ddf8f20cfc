#!/bin/sh
# check_library.sh - what others get: names in the libraries, a program in C, in C++ and through Python's
# ctypes with the bits of the command line, the examples, make install and uninstall.
. tests/program/lib.sh
image=$data/imagesTr/hippocampus_001_0000.nii.gz
cc=${CC:-cc}

cases=$work/cases # a third of the sample, in check-all all of it
some_cases "$cases" "${CHECK_ALL:-NR % 3 == 2}"
count=$(sed 1d "$cases/sites.csv" | wc -l)

rm -f build/worker
make -s libnephron.so build/libnephron.a examples >"$work/make.log" 2>&1
ok "the libraries and examples build: $(tail -n 3 "$work/make.log")" $?
# What is out of date: an example whose source is newer, and what was built without zlib, or with it.
if make --version 2>/dev/null | grep -q GNU; then
    make -q build/worker && ! make -q -W apps/examples/worker.c build/worker
    ok "an example is built again where its source has changed, and only there" $?
fi
built=$(ls build/zlib_*)
make -q "ZLIB=${built#*_}" io/pack/inflate.o && ! make -q "ZLIB=$((1 - ${built#*_}))" io/pack/inflate.o
ok "ZLIB=1 builds anew what was built without it" $?
[ "$(nm -D --defined-only libnephron.so | awk '{print $3}' | grep -vc '^nephron_')" = 0 ]
ok "libnephron.so exports a name without nephron_" $?
[ "$(nm -g --defined-only build/libnephron.a | awk 'NF == 3 {print $3}' | grep -vc '^nephron_')" = 0 ]
ok "libnephron.a exports a name without nephron_" $?
grep -v '^#' fl/nephron.h | tr '\n' ' ' | grep -o 'NEPHRON_EXPORT [^(]*(' |
    sed 's/.*[ *]\(nephron_[a-z_]*\)($/\1/' | sort >"$work/declared"
nm -D --defined-only libnephron.so | awk '{print $3}' | sort >"$work/exported"
cmp -s "$work/declared" "$work/exported"
ok "nephron.h and libnephron.so differ: $(diff "$work/declared" "$work/exported" | grep '^[<>]' | tr '\n' ' ')" $?

$nephron train $cases -o "$work/run" --epochs 2 --iterations 3 --base-features 4 --patch 40,56,24 --batch 2 \
    --no-validation --quiet
ok "a small run" $?
hash=$(tail -n 1 "$work/run/fold_0/progress.csv" | sed 's/.*,//')
mkdir "$work/in" && cp $image "$work/in/"
$nephron predict "$work/run" -i "$work/in" -o "$work/out" --quiet
ok "predict" $?
want=$(cksum <"$work/out/hippocampus_001.nii.gz")

probe() { # name, program, `weights` for those alone
    "$2" $cases "$work/run" $image "$work/$1.nii.gz" "$count" $3 >"$work/$1.txt"
    ok "$1: $(grep FAILED "$work/$1.txt")" $?
    grep -q "^weights $hash" "$work/$1.txt"
    ok "$1: other weights than the command line's" $?
    [ "$(cksum <"$work/$1.nii.gz")" = "$want" ]
    ok "$1: another label map than the command line's" $?
}
$cc -std=c11 -Wall -Wextra -Werror -Ifl -o "$work/probe_c" tests/program/library_probe.c build/libnephron.a \
    -lm -pthread
ok "the probe builds as C" $?
probe c "$work/probe_c"
if command -v g++ >/dev/null; then
    g++ -x c++ -Wall -Wextra -Ifl -o "$work/probe_cpp" tests/program/library_probe.c -x none \
        build/libnephron.a -lm -pthread
    ok "the probe builds as C++" $?
    [ -n "$CHECK_ALL" ] || alone=weights # the same calls again
    probe cpp "$work/probe_cpp" $alone
else echo "skipped: g++ is not installed"; fi

if command -v python3 >/dev/null; then
    NEPHRON_LIBRARY=./libnephron.so python3 apps/examples/predict_one.py "$work/run" "$work/py.nii.gz" \
        $image >"$work/py.txt" 2>&1 && [ "$(cksum <"$work/py.nii.gz")" = "$want" ]
    ok "predict_one.py: $(tail -n 1 "$work/py.txt")" $?
    NEPHRON_LIBRARY=./libnephron.so python3 apps/examples/predict_one.py "$work/none" "$work/py2.nii.gz" \
        $image >"$work/py.txt" 2>&1
    [ $? -eq 1 ] && grep -q "^predict_one.py: $work/none: no such run folder" "$work/py.txt"
    ok "predict_one.py of a run that there is not: $(tail -n 1 "$work/py.txt")" $?
    python3 - "$work/run" >"$work/py.txt" 2>&1 <<'EOF'
import ctypes, sys
n = ctypes.CDLL("./libnephron.so")
for name in "open model_load error".split():
    getattr(n, "nephron_" + name).restype = ctypes.c_void_p
n.nephron_error.restype = ctypes.c_char_p
n.nephron_weights_hash.restype = ctypes.c_uint64
n.nephron_weights_count.restype = ctypes.c_size_t
p = ctypes.c_void_p
h = p(n.nephron_open(1, 1))
m = p(n.nephron_model_load(h, sys.argv[1].encode(), None))
w = (ctypes.c_float * n.nephron_weights_count(m))()
count = ctypes.c_size_t(len(w))
if n.nephron_weights_get(m, w, count) or n.nephron_weights_set(m, w, count): sys.exit(n.nephron_error(h))
print("weights %016x" % n.nephron_weights_hash(m))
EOF
    ok "ctypes: $(tail -n 1 "$work/py.txt")" $?
    grep -q "^weights $hash" "$work/py.txt"
    ok "ctypes: other weights" $?
else echo "skipped: python3 is not installed"; fi

# The rounds of Flower and NVFlare: the manifest of the run that they write tells its own options and sites,
# and nothing of how the model that they began with was trained.
if python3 -c 'import numpy' 2>/dev/null; then
    NEPHRON_LIBRARY=./libnephron.so PYTHONPATH=apps/python PYTHONDONTWRITEBYTECODE=1 python3 - "$work/run" \
        "$work/rounds" >"$work/py.txt" 2>&1 <<'EOF'
import json, sys
from nephron_federation.rounds import Rounds
options = {"epochs": 1, "precision": "bf16", "learning_rate": 0.5,
           "strategy": {"name": "fedprox", "mu": 0.25}, "minimum": 2}
rounds = Rounds(sys.argv[1], sys.argv[2], ["south", "north"], json.dumps(options))
task, told = rounds.begin()
weights = task[: rounds.model.count]
rounds.end([(name, weights, [4, 1, 1, 0.5, 1.0, 0.9, 0, 0]) for name in rounds.sites])
before, after = (json.load(open(folder + "/manifest.json")) for folder in sys.argv[1:])
training, federation = after["training"], after["federation"]
assert (training["precision"], training["learning_rate"], training["epochs"]) == ("bf16", 0.5, 1), training
assert after["precision"] == "bf16" and after["epochs_done"] == 1 and len(after["weight_hashes"]) == 1
assert federation["strategy"] == options["strategy"] and federation["minimum"] == 2, federation
assert [s["name"] for s in federation["sites"]] == ["north", "south"], federation
other = {"arguments", "data", "data_sha256", "training_cases", "wall_seconds", "best_epoch"}
assert other < set(before) and not other & set(after), other & set(after)
EOF
    ok "the manifest of rounds in Python: $(tail -n 1 "$work/py.txt")" $?
    # Answers of one name, of an unknown one and of another form are refused by name, and the tables are the
    # program's. Another optimizer has its own constants in the manifest too.
    NEPHRON_LIBRARY=./libnephron.so PYTHONPATH=apps/python PYTHONDONTWRITEBYTECODE=1 python3 - "$work/run" \
        "$work/names" >"$work/py.txt" 2>&1 <<'EOF'
import csv, json, sys
from nephron_federation.rounds import Rounds
from nephron_federation.site import answer
run, output = sys.argv[1:]
lines = []
options = {"epochs": 3, "optimizer": "adamw"}
rounds = Rounds(run, output, ["south", "north"], json.dumps(options), quorum=1, log=lines.append)
def plain(weights):
    return weights
def end(*answers):
    task, told = rounds.begin()
    weights, numbers = task[: rounds.model.count], [4, 1, 1, 0.5, 1.0, 0.9, told["round"], 2.5]
    del lines[:]
    rounds.end([(name, change(weights), numbers) for name, change in answers])
    return task, told
end(*[(name, plain) for name in ("north", "north", "south", "west", 5)])
said = [sum(word in line for line in lines) for word in ("2 answers of this name", "'west'", "'5'")]
assert rounds.taken == ["south"] and said == [2, 1, 1], lines
end(("north", plain), ("south", lambda w: w.reshape(1, -1)))
assert rounds.taken == ["north"] and "weights of 2 axes" in lines[0], lines
task, told = end(("north", lambda w: "none"), ("south", plain))
assert rounds.taken == ["south"] and "site north: weights or numbers are none" in lines[0], lines
try:
    answer({"site": "nroth", "dataset": "none", "state": output}, "nephron.json", task, told)
    sys.exit("a site trains under a name that there is not")
except ValueError as why:
    assert "nephron.json: site is 'nroth'" in str(why), why
manifest = json.load(open(output + "/manifest.json"))
training = manifest["training"]
constants = [round(training[name], 6) for name in ("learning_rate", "weight_decay", "momentum")]
assert training["optimizer"] == "adamw" and constants == [0.001, 0.01, 0], training
table = list(csv.DictReader(open(output + "/fold_0/rounds.csv")))
columns = "round,site,examples,local_loss,metric,seconds,bytes,metric_local,update_norm,cosine,weight_hash"
assert list(table[0]) == columns.split(","), table[0]
assert [row["site"] for row in table] == ["south", "global", "north", "global", "south", "global"], table
first = table[0]
assert (first["local_loss"], first["seconds"], first["metric"]) == ("0.9", "2.500", ""), first
assert int(first["bytes"]) >= 2 * 4 * rounds.model.count and float(first["update_norm"]) == 0, first
assert [row["weight_hash"] for row in table[1::2]] == manifest["weight_hashes"], table
assert len(open(output + "/fold_0/progress.csv").readlines()) == 4
EOF
    ok "names and tables of rounds in Python: $(tail -n 1 "$work/py.txt")" $?
    # Flower's strategy, with the framework's own part put aside: a node keeps its name, and a name its node.
    PYTHONPATH=apps/python:apps/flower PYTHONDONTWRITEBYTECODE=1 python3 - >"$work/py.txt" 2>&1 <<'EOF'
import sys, types
def stand_in(module, *names):
    sys.modules[module] = types.ModuleType(module)
    for name in names:
        members = {"TRAIN": "train", "__init__": lambda self, *a, **k: None, "main": lambda self: lambda f: f}
        setattr(sys.modules[module], name, type(name, (), members))
stand_in("flwr")
stand_in("flwr.app", "Array", "ArrayRecord", "ConfigRecord", "Context", "Message", "MessageType",
         "MetricRecord", "RecordDict")
stand_in("flwr.serverapp", "Grid", "ServerApp")
stand_in("flwr.serverapp.strategy", "Strategy")
from nephron_flower.server_app import Nephron
make = types.SimpleNamespace
class Rounds: # of two sites
    quorum = 1
    def begin(self):
        return None, {}
    def end(self, answers):
        names = [name for name, weights, numbers in answers]
        self.taken = [name for name in names if names.count(name) == 1 and name in ("north", "south")]
        return 0.5, 1
def reply(node, name):
    content = {"site": {"name": name}, "weights": {"update": make(numpy=list)}, "numbers": {"numbers": []}}
    return make(metadata=make(src_node_id=node), has_error=lambda: False, content=content)
server = Nephron(Rounds())
def taken(connected, **answers):
    server.configure_train(1, None, None, make(get_node_ids=lambda: connected))
    server.aggregate_train(1, [reply(int(node[1:]), name) for node, name in answers.items()])
    return server.rounds.taken
assert taken([1, 2], n1="north", n2="north") == [] # which of them is north?
assert taken([1, 2], n1="north", n2="nroth") == ["north"]
assert taken([1, 2], n2="north") == [] # the name of node 1
assert taken([1, 2], n1="north", n2="south") == ["north", "south"] # what did not count binds nobody
assert taken([1, 2], n1="south", n2="south") == ["south"] # node 1 has another
assert taken([2, 3], n2="south", n3="north") == ["south", "north"] # node 1 is gone, its site began anew
EOF
    ok "names of Flower's nodes: $(tail -n 1 "$work/py.txt")" $?
    # NVFlare's job, with the framework's own part put aside: --rounds is the rounds' and their schedule's.
    PYTHONDONTWRITEBYTECODE=1 python3 - "$work/run" >"$work/py.txt" 2>&1 <<'EOF'
import json, sys, types
made = []
nothing = lambda *a, **k: None
job = types.SimpleNamespace(to_server=made.append, to_clients=nothing, export_job=nothing)
parts = {"nephron_nvflare": {"NephronController": lambda *a: a, "NephronExecutor": lambda *a: a},
         "nvflare": {}, "nvflare.job_config": {}, "nvflare.job_config.api": {"FedJob": lambda **k: job}}
for name, content in parts.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)
sys.path.insert(0, "apps/nvflare")
import job as program
def rounds(*more):
    sys.argv = ["job.py", "--model", run, "--output", "out", "--sites", "a,b", "--export", "jobs", *more]
    assert program.main() == 0
    return made[-1][5], json.loads(made[-1][3] or "{}").get("epochs")
run = sys.argv[1]
assert rounds() == (2, None), made
assert rounds("--options", '{"epochs": 3}') == (3, 3), made
assert rounds("--options", '{"epochs": 3}', "--rounds", "5") == (5, 5), made
EOF
    ok "the rounds of a job for NVFlare: $(tail -n 1 "$work/py.txt")" $?
    $nephron predict "$work/rounds" -i "$work/in" -o "$work/rounds_out" --quiet
    ok "predict from the run of rounds in Python" $?
else echo "skipped: python3 with numpy is not installed"; fi

# ---- examples ----------------------------------------------------------------------------------------------
build/predict_one "$work/run" "$work/one.nii.gz" $image >/dev/null &&
    [ "$(cksum <"$work/one.nii.gz")" = "$want" ]
ok "predict_one" $?
build/list_model "$work/run" | head -n 1 | grep -q "hash $hash"
ok "list_model" $?
NEPHRON_ISA=avx-2 build/list_model "$work/run" >"$work/isa.txt" 2>&1
[ $? -eq 1 ] && grep -q "NEPHRON_ISA is none of scalar" "$work/isa.txt"
ok "an instruction set that there is not: $(cat "$work/isa.txt")" $?
printf '%s\t%s\nnope\tx.nii.gz\nnonsense\n' $image "$work/worker.nii.gz" |
    build/worker "$work/run" >"$work/worker.txt"
[ "$(cut -f1 "$work/worker.txt" | tr '\n' ' ')" = "ok error error " ] &&
    [ "$(cksum <"$work/worker.nii.gz")" = "$want" ]
ok "worker: $(cat "$work/worker.txt")" $?
$nephron train $cases -o "$work/small" --epochs 1 --iterations 1 --base-features 4 --patch 24,24,24 \
    --batch 2 --no-validation --quiet
build/train_memory "$work/small" "$work/tm.safetensors" >"$work/tm.txt" &&
    $nephron info "$work/tm.safetensors" >/dev/null
ok "train_memory" $?
awk '{v[NR] = $NF} END {exit !(NR == 2 && v[2] < v[1])}' "$work/tm.txt"
ok "train_memory learns: $(cat "$work/tm.txt")" $?
build/federate_two $cases $cases "$work/f2.safetensors" 2 \
    '{"iterations": 2, "base_features": 4, "patch": [24,32,24], "batch": 2}' >"$work/f2.txt"
ok "federate_two" $?
[ "$(grep -c '^round' "$work/f2.txt")" = 4 ] && [ -s "$work/f2.safetensors" ]
ok "federate_two: two rounds of two sites" $?
for f in apps/examples/*.c; do [ "$(wc -l <"$f")" -le 50 ]; ok "$f has more than 50 lines" $?; done

# ---- installed ---------------------------------------------------------------------------------------------
make -s install DESTDIR="$work/root" PREFIX=/usr >"$work/make.log" 2>&1
ok "make install: $(tail -n 3 "$work/make.log")" $?
for f in bin/nephron include/nephron.h lib/libnephron.a lib/libnephron.so lib/pkgconfig/nephron.pc \
    share/man/man1/nephron.1 \
    share/man/man1/nephron-train.1 share/bash-completion/completions/nephron \
    share/zsh/site-functions/_nephron; do
    [ -s "$work/root/usr/$f" ]
    ok "installs $f" $?
done
[ "$(find "$work/root/usr/include" -type f | wc -l)" = 1 ]
ok "installs one header" $?
grep -q -- '--epochs' "$work/root/usr/share/bash-completion/completions/nephron" &&
    grep -q 'base\\-features' "$work/root/usr/share/man/man1/nephron-train.1"
ok "options stand in completion and manual" $?
if command -v bash >/dev/null; then
    words=$(bash -c '. "$1"; COMP_WORDS=(nephron train --ep); COMP_CWORD=2; _nephron;
        echo "${COMPREPLY[*]}"' x "$work/root/usr/share/bash-completion/completions/nephron")
    [ "$words" = "--epochs" ]
    ok "bash completes --ep to '$words'" $?
else echo "skipped: bash is not installed"; fi
if command -v pkg-config >/dev/null; then
    installed() { # the program, what pkg-config takes beside --cflags --libs
        flags=$(PKG_CONFIG_SYSROOT_DIR="$work/root" PKG_CONFIG_PATH="$work/root/usr/lib/pkgconfig" \
            pkg-config $2 --cflags --libs nephron) &&
            $cc -std=c11 -o "$work/$1" apps/examples/predict_one.c $flags &&
            LD_LIBRARY_PATH="$work/root/usr/lib" "$work/$1" "$work/run" "$work/$1.nii.gz" $image >/dev/null &&
            [ "$(cksum <"$work/$1.nii.gz")" = "$want" ]
        ok "a program through pkg-config $2" $?
    }
    installed shared
    mkdir "$work/archive" && mv "$work"/root/usr/lib/libnephron.so* "$work/archive"
    installed static --static
    mv "$work"/archive/* "$work/root/usr/lib"
else echo "skipped: pkg-config is not installed"; fi
# Again, while a program has the library loaded: its file is not written into. And under a strict umask.
ln "$work/root/usr/lib/libnephron.so.1" "$work/loaded" && echo more >>"$work/loaded"
loaded=$(cksum <"$work/loaded")
make -s install DESTDIR="$work/root" PREFIX=/usr >"$work/make.log" 2>&1 &&
    [ "$(cksum <"$work/loaded")" = "$loaded" ] &&
    ! cmp -s "$work/loaded" "$work/root/usr/lib/libnephron.so.1"
ok "make install writes into a library that is loaded: $(tail -n 3 "$work/make.log")" $?
# As docs/library.md installs and links without root's rights; here with a PREFIX that is relative.
strict=build/installed
rm -rf $strict
awk '/^    make install PREFIX=.HOME/ { on = 1 } on && !/^    / { exit } on { print substr($0, 5) }' docs/library.md |
    sed "s|\$HOME/nephron|$strict|g; s|^make|make -s|; s|^cc |$cc |
        s|-o predict_one\$|-o '$work/page' \&\& predict|" >"$work/page.sh"
predict() {
    "$work/page" "$work/run" "$work/page.nii.gz" $image >/dev/null &&
        [ "$(cksum <"$work/page.nii.gz")" = "$want" ] && echo predicted
}
(set -e && umask 077 && . "$work/page.sh") >"$work/make.log" 2>&1
[ "$(grep -cx predicted "$work/make.log")" = 2 ]
ok "docs/library.md links the library and the archive: $(tail -n 3 "$work/make.log")" $?
[ -z "$(find $strict ! -perm -444)" ] && [ -z "$(find $strict -type d ! -perm -111)" ] &&
    [ -n "$(find $strict/bin/nephron -perm -111)" ]
ok "others cannot read what was installed: $(find $strict ! -perm -444 | head -n 3)" $?
grep -qx "prefix=$root/$strict" $strict/lib/pkgconfig/nephron.pc
ok "pkg-config finds it from here alone: $(head -n 1 $strict/lib/pkgconfig/nephron.pc)" $?
rm -rf $strict
make -s uninstall DESTDIR="$work/root" PREFIX=/usr
[ -z "$(find "$work/root" -type f -o -type l)" ]
ok "uninstall leaves $(find "$work/root" -type f | head -n 3)" $?

finish
