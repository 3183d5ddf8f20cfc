#!/bin/sh
# flower_equal.sh - the app of apps/flower against the simulation: the same weights after every round. FLWR: the folder with the programs
# of Flower 1.42 (default: those on the PATH); KEEP=1 leaves the working folder. Everything listens on 127.0.0.1 and is stopped at the end.
#
# U-Net: two hospitals with folders of their own and one whose cases lie in a pooled folder, by fedavg and scaffold; classification: two
# hospitals with files of their own, over TLS, with SuperNodes that must show a registered key, and a third that has none. Then both
# again in Flower's own simulation (Ray).
top=$PWD
[ -n "$FLWR" ] && PATH=$FLWR:$PATH
command -v flower-superlink >/dev/null || { echo "flower_equal: skipped, there is no Flower here: 0 passed, 0 failed"; exit 0; }
make -s nephron libnephron.so >/dev/null 2>&1 || { echo "flower_equal: nephron does not build: 0 passed, 1 failed"; exit 1; }
python=$(dirname "$(command -v flower-superlink)")/python # with numpy, as Flower needs it
work=$(mktemp -d) || exit 1
port=${PORT:-8000}
processes=
passed=0
failed=0
stop() {
    for p in $processes; do kill -TERM -$p 2>/dev/null; done
    for p in $processes; do
        waits 10 sh -c "! kill -0 -$p" || kill -KILL -$p 2>/dev/null
        wait $p 2>/dev/null
    done
    processes=
}
trap 'stop; [ -n "$KEEP" ] && echo "kept: $work" || rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
export NEPHRON_LIBRARY="$top/libnephron.so" FLWR_HOME="$work/flwr" FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$top/apps/python"
nephron=$top/nephron
ok() { # description, status
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1"; fi
}
background() { # log, command...: in a group of its own, so that its children end with it
    file=$1
    shift
    setsid "$@" >"$file" 2>&1 </dev/null &
    processes="$processes $!"
}
waits() { # seconds, command...
    left=$1
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        sleep 1
    done
}
answers() { "$python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)"; }
hashes() { sed -n 's/^[0-9]*,global,.*,\([0-9a-f]\{16\}\)$/\1/p' "$1"; }

# ---- Flower -------------------------------------------------------------------------------------------------------------
mkdir -p flwr
connection() { # lines of the connection that `flwr run` takes
    { printf '[superlink]\ndefault = "hospitals"\n[superlink.hospitals]\naddress = "127.0.0.1:%s"\n' "$port"; printf '%s\n' "$@"; } >flwr/config.toml
}
superlink() { # plain, secure or simulation
    case $1 in
    secure)
        connection "root-certificates = \"$work/tls.crt\""
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=localhost \
            -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
        set -- --ssl-certfile tls.crt --ssl-keyfile tls.key --ssl-ca-certfile tls.crt --enable-supernode-auth
        ;;
    simulation)
        connection 'insecure = true' "options.num-supernodes = $2"
        set -- --insecure --simulation
        ;;
    *)
        connection 'insecure = true'
        set -- --insecure
        ;;
    esac
    background superlink.log flower-superlink "$@" --disable-runtime-dependency-installation --host 127.0.0.1 --port "$port"
    waits 60 answers
    ok "SuperLink answers: $(tail -n 2 superlink.log)" $?
}
supernode() { # number, node config, options...
    n=$1
    config=$2
    shift 2
    background "node$n.log" flower-supernode --superlink "127.0.0.1:$port" --port $((port + 1094 + n)) --node-config "$config" "$@"
}
run() { # name, nodes or simulation, run-config: rounds by Flower, from NAME.begin to NAME.nodes or NAME.simulation
    timeout 600 flwr run "$top/apps/flower" hospitals --stream --run-config "model=\"$work/$1.begin\" output=\"$work/$1.$2\" $3" \
        >"$1.$2.log" 2>&1
    [ -s "$1.$2/manifest.json" ]
    ok "$1, $2: flwr run: $(tail -n 5 "$1.$2.log")" $?
}
compare() { # name, nodes or simulation, fold
    hashes "$1.nephron/fold_$3/rounds.csv" >"$1.want"
    hashes "$1.$2/fold_$3/rounds.csv" >"$1.$2.got"
    [ -s "$1.want" ] && cmp -s "$1.want" "$1.$2.got"
    ok "$1, $2: other weights than nephron's simulation" $?
}

# ---- U-Net --------------------------------------------------------------------------------------------------------------
small="--local-iterations 4 --base-features 4 --patch 16,16,16 --batch 2"
sample=$top/tests/data/hippocampus
mkdir -p pooled/imagesTr pooled/labelsTr
cp "$sample/dataset.json" pooled
echo case,site >pooled/sites.csv
hospital() { # name, cases...
    h=$1
    mkdir -p "$h/imagesTr" "$h/labelsTr"
    cp "$sample/dataset.json" "$h"
    shift
    for i in "$@"; do
        cp "$sample/imagesTr/hippocampus_$i"* "$h/imagesTr"
        cp "$sample/labelsTr/hippocampus_$i"* "$h/labelsTr"
        echo "hippocampus_$i,$h" >>pooled/sites.csv
    done
    cp "$h"/imagesTr/* pooled/imagesTr
    cp "$h"/labelsTr/* pooled/labelsTr
    $nephron federate "$h" --as fingerprint "$h" -o FED --quiet
}
hospital north 001 003 004 006 007
hospital south 008 011 014
hospital west 015 020 023 024
superlink plain
supernode 0 'site="west" dataset="'"$work"'/pooled" pooled=true state="'"$work"'/state_west" threads=1' --insecure
supernode 1 'site="north" dataset="'"$work"'/north" state="'"$work"'/state_north" threads=1' --insecure
supernode 2 'site="south" dataset="'"$work"'/south" state="'"$work"'/state_south" threads=1' --insecure
for strategy in fedavg scaffold; do
    more=
    [ $strategy = scaffold ] && more="--optimizer sgd"
    cp -r FED FED_$strategy
    $nephron federate --as init -o FED_$strategy --rounds 3 $small --strategy $strategy $more --quiet &&
        $nephron federate --as result -o FED_$strategy unet-$strategy.begin --quiet
    ok "$strategy: begin" $?
    $nephron federate pooled -o unet-$strategy.nephron --sites pooled/sites.csv --fold all --rounds 3 $small --strategy $strategy $more \
        --no-validation --quiet
    ok "$strategy: simulation" $?
    run unet-$strategy nodes ''
    compare unet-$strategy nodes all
done
$nephron predict unet-fedavg.nodes -i south/imagesTr -o maps --step 1 --no-mirror --quiet
ok "the run that Flower wrote does not predict" $?
run unet-fedavg nodes '' # again: what is there is left
grep -q "is there already" unet-fedavg.nodes.log
ok "an output that is there already" $?
stop

# ---- classification, TLS and registered keys ------------------------------------------------------------------------------
"$python" - "$top/tests/data/adrenalmnist3d/adrenalmnist3d.npz" <<'EOF'
import sys, numpy as np
whole = dict(np.load(sys.argv[1]))
def part(path, train, rest):
    np.savez(path, **{k: v[train if k.startswith("train") else rest] for k, v in whole.items()})
part("few.npz", slice(0, 60), slice(0, 12))
part("east.npz", slice(0, 40), slice(0, 6))
part("coast.npz", slice(40, 60), slice(6, 12))
with open("few.csv", "w") as f:
    f.write("case,site\n")
    for name, count, east in ("train", 60, 40), ("val", 12, 6):
        for i in range(count):
            f.write("%s_%04d,%s\n" % (name, i, "east" if i < east else "coast"))
EOF
ok "files of the hospitals" $?
small="--rounds 3 --local-iterations 3 --depth 10 --base 8 --batch 4 --strategy fedadam --fedadam-lr 0.01 --fold 0"
for h in east coast; do $nephron federate $h.npz --as fingerprint $h -o FED_class --quiet; done
$nephron federate --as init -o FED_class $small --quiet && $nephron federate --as result -o FED_class resnet-fedadam.begin --quiet
ok "classification: begin" $?
$nephron federate few.npz -o resnet-fedadam.nephron --sites few.csv $small --no-validation --quiet
ok "classification: simulation" $?
superlink secure
for h in east coast stranger; do ssh-keygen -q -t ecdsa -b 384 -N '' -f $h.key; done
for h in east coast; do
    flwr supernode register $h.key.pub hospitals >register.log 2>&1
    ok "register $h: $(tail -n 3 register.log)" $?
done
tls="--root-certificates tls.crt --auth-supernode-private-key"
supernode 0 'site="east" dataset="'"$work"'/stranger.npz" state="'"$work"'/state_stranger"' $tls stranger.key
stranger=$!
waits 60 sh -c "! kill -0 $stranger"
ok "a SuperNode whose key is not registered goes on" $?
cp node0.log stranger.log
supernode 1 'site="east" dataset="'"$work"'/east.npz" state="'"$work"'/state_east" threads=1' $tls east.key
supernode 2 'site="coast" dataset="'"$work"'/coast.npz" state="'"$work"'/state_coast" threads=1' $tls coast.key
run resnet-fedadam nodes ''
compare resnet-fedadam nodes 0
stop

# ---- Flower's simulation ----------------------------------------------------------------------------------------------------
if "$python" -c 'import ray' 2>/dev/null; then
    superlink simulation 3
    for strategy in fedavg scaffold; do
        run unet-$strategy simulation "dataset=\"$work/{site}\" state=\"$work/state\""
        compare unet-$strategy simulation all
    done
    stop
    superlink simulation 2
    run resnet-fedadam simulation "dataset=\"$work/{site}.npz\" state=\"$work/state\""
    compare resnet-fedadam simulation 0
    stop
else
    echo "Flower's simulation: skipped, there is no ray"
fi

echo "| network and strategy | round | nephron's simulation | Flower, SuperNodes | Flower's simulation |"
echo '|---|---|---|---|---|'
for name in unet-fedavg unet-scaffold resnet-fedadam; do
    touch $name.nodes.got $name.simulation.got
    paste $name.want $name.nodes.got $name.simulation.got |
        awk -F '\t' -v name="$name" '{ printf "| %s | %d | %s | %s | %s |\n", name, NR, $1, $2, $3 }'
done
echo "stranger: $(grep -iE 'error|auth|register|denied' stranger.log | tail -n 1)"
echo "flower_equal: $passed passed, $failed failed"
[ $failed -eq 0 ]
