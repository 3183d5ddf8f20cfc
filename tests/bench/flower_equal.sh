#!/bin/sh
# flower_equal.sh - the app of apps/flower against the simulation: the same weights after every round. FLWR:
# the folder with the programs of Flower 1.42 (default: those on the PATH); TABLE: a file for the hashes;
# KEEP=1 leaves the working folder. Everything listens on 127.0.0.1 and is stopped at the end.
#
# U-Net: two hospitals with folders of their own and one whose cases lie in a pooled folder, by fedavg and
# scaffold; classification: two hospitals with files of their own, over TLS, with SuperNodes that must show a
# registered key, and a third that has none. Then both again in Flower's own simulation (Ray).
[ -n "$FLWR" ] && PATH=$FLWR:$PATH
command -v flower-superlink >/dev/null ||
    { echo "flower_equal: skipped, there is no Flower here: 0 passed, 0 failed"; exit 0; }
make -s nephron libnephron.so >/dev/null 2>&1 ||
    { echo "flower_equal: nephron does not build: 0 passed, 1 failed"; exit 1; }
python=$(dirname "$(command -v flower-superlink)")/python # with numpy, as Flower needs it
. tests/bench/hospitals.sh
port=${PORT:-8000}
export FLWR_HOME="$work/flwr" FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1
answers() { "$python" -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)"; }

# ---- Flower ------------------------------------------------------------------------------------------------
mkdir -p flwr
connection() { # lines of the connection that `flwr run` takes
    { printf '[superlink]\ndefault = "hospitals"\n[superlink.hospitals]\naddress = "127.0.0.1:%s"\n' \
        "$port"; printf '%s\n' "$@"; } >flwr/config.toml
}
superlink() { # plain, secure or simulation
    case $1 in
    secure)
        connection "root-certificates = \"$work/tls.crt\""
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.crt \
            -days 2 -subj /CN=localhost \
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
    background superlink.log flower-superlink "$@" --disable-runtime-dependency-installation --host \
        127.0.0.1 --port "$port"
    waits 60 answers
    ok "SuperLink answers: $(tail -n 2 superlink.log)" $?
}
supernode() { # number, node config, options...
    n=$1
    config=$2
    shift 2
    background "node$n.log" flower-supernode --superlink "127.0.0.1:$port" --port $((port + 1094 + n)) \
        --node-config "$config" "$@"
}
# name, SuperNodes or Ray, run-config: rounds by Flower, from NAME.begin to NAME.SuperNodes or NAME.Ray
run() {
    timeout 600 flwr run "$top/apps/flower" hospitals --stream --run-config \
        "model=\"$work/$1.begin\" output=\"$work/$1.$2\" $3" \
        >"$1.$2.log" 2>&1
    [ -s "$1.$2/manifest.json" ]
    ok "$1, $2: flwr run: $(tail -n 5 "$1.$2.log")" $?
}
# ---- U-Net -------------------------------------------------------------------------------------------------
unets fedavg scaffold
covariates
superlink plain
supernode 0 'site="west" dataset="'"$work"'/pooled" pooled=true state="'"$work"'/state_west" threads=1' \
    --insecure
supernode 1 'site="north" dataset="'"$work"'/north" state="'"$work"'/state_north" threads=1' --insecure
supernode 2 'site="south" dataset="'"$work"'/south" state="'"$work"'/state_south" threads=1' --insecure
for strategy in fedavg scaffold; do
    run unet-$strategy SuperNodes ''
    note unet-$strategy SuperNodes all
done
run covariates-fedavg SuperNodes ''
note covariates-fedavg SuperNodes all
$nephron predict unet-fedavg.SuperNodes -i south/imagesTr -o maps --step 1 --no-mirror --quiet
ok "the run that Flower wrote does not predict" $?
run unet-fedavg SuperNodes '' # again: what is there is left
grep -q "is there already" unet-fedavg.SuperNodes.log
ok "an output that is there already" $?
stop

# ---- classification, TLS and registered keys ---------------------------------------------------------------
classifiers "$python"
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
supernode 2 'site="coast" dataset="'"$work"'/coast.npz" state="'"$work"'/state_coast" threads=1' $tls \
    coast.key
run resnet-fedadam SuperNodes ''
note resnet-fedadam SuperNodes 0
stop

# ---- Flower's simulation -----------------------------------------------------------------------------------
if "$python" -c 'import ray' 2>/dev/null; then
    superlink simulation 3
    for strategy in fedavg scaffold; do
        run unet-$strategy Ray "dataset=\"$work/{site}\" state=\"$work/state\""
        note unet-$strategy Ray all
    done
    run covariates-fedavg Ray "dataset=\"$work/{site}\" state=\"$work/state\""
    note covariates-fedavg Ray all
    stop
    superlink simulation 2
    run resnet-fedadam Ray "dataset=\"$work/{site}.npz\" state=\"$work/state\""
    note resnet-fedadam Ray 0
    stop
else
    echo "Flower's simulation: skipped, there is no ray"
fi

[ -n "$TABLE" ] || table nephron SuperNodes Ray
echo "stranger: $(grep -iE 'error|auth|register|denied' stranger.log | tail -n 1)"
echo "flower_equal: $passed passed, $failed failed"
[ $failed -eq 0 ]
