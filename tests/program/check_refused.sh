#!/bin/sh
# check_refused.sh - a command that is refused leaves everything as it was; a folder of somebody else's is not
# written to; an option that would change nothing is not passed over; and what a run says of itself is what it
# did.
. tests/program/lib.sh
adrenal=$root/tests/data/adrenalmnist3d/adrenalmnist3d.npz
enter_work
some_cases one 'NR <= 8'
tiny="--base-features 4 --patch 8,8,8 --batch 2 --validation-batches 1 --threads 1"
train="$tiny --epochs 1 --iterations 1 --no-validation"
federate="$tiny --rounds 1 --local-iterations 1 --no-validation"

sums() { # the files of a folder
    (cd "$1" && find . -type f ! -name .lock | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum)
}
kept() { # what it is, the folder, exit code, what the one line on stderr must say, command...
    it=$1
    folder=$2
    shift 2
    sums "$folder" >before.sums
    refuses "$@"
    sums "$folder" >after.sums
    same "$it: the refused command changed $folder" before.sums after.sums
}

# --overwrite removes what is there only when the new training is certain to begin.
check "a federation" "$nephron" federate one -o fed --sites 2 --fold all $federate
for option in "--minimum 3: there are 2 sites" "--secure: 2 of 2 sites" "--dp central needs a strategy"; do
    kept "$option, with --overwrite" fed 1 "$option" "$nephron" federate one -o fed --sites 2 --fold all \
        $federate --overwrite --quiet $(echo "$option" | sed 's/:.*//; s/ needs.*//')
done
touch fed/fold_all/sites/left.0007.safetensors
check "--overwrite" "$nephron" federate one -o fed --sites 2 --fold all $federate --overwrite
test ! -e fed/fold_all/sites/left.0007.safetensors && test -e fed/fold_all/sites/site_1.0001.safetensors
ok "--overwrite does not replace the fold: $(ls fed/fold_all/sites)" $?

# Patience counts epochs without a better metric: where no case is held out there is none, and the training
# would end after N epochs.
refuses 1 "--patience 1 needs validation: fold all of one holds no case out" "$nephron" train one -o none \
    $train --fold all --patience 1
refuses 1 "--patience 1 needs validation: fold all of one holds no case out" "$nephron" federate one -o none \
    --sites 2 --fold all $federate --patience 1
test ! -e none
ok "--patience without validation leaves a folder" $?

finish
