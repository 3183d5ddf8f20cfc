#!/bin/sh
# check_layers.sh - who may include whom: tensor and io only themselves; nn adds tensor and io; fl adds nn; apps and tests all.
failed=0
passed=0
against() { # folder, pattern of forbidden folders
    found=$(grep -nE "^#include \"($2)/" "$1"/*.c "$1"/*.h)
    if [ -n "$found" ]; then echo "FAILED includes against the layers: $found"; failed=$((failed + 1)); else passed=$((passed + 1)); fi
}
against tensor 'nn|fl|io|apps|tests'
against io 'tensor|nn|fl|apps|tests'
against nn 'fl|apps|tests'
against fl 'apps|tests'
for d in tensor io nn fl; do # libraries print nothing
    found=$(grep -nE '(^|[^a-z_])(printf|puts|putchar|perror)\(' $d/*.c | grep -v 'tensor/check.c')
    if [ -n "$found" ]; then echo "FAILED a library prints: $found"; failed=$((failed + 1)); else passed=$((passed + 1)); fi
done
echo "check_layers: $passed passed, $failed failed"
[ $failed -eq 0 ]
