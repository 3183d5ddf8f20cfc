#!/bin/sh
# make_man.sh NEPHRON OUT_DIR - manual pages nephron.1 and nephron-COMMAND.1, from the program's own option
# tables.
set -e
nephron=$1
out=$2
mkdir -p "$out"
tab=$(printf '\t')
{
    printf '.TH NEPHRON 1 "" "%s"\n.SH NAME\nnephron \\- deep learning for federated 3D medical imaging\n' \
        "$($nephron --version)"
    printf '.SH SYNOPSIS\n.B nephron\nCOMMAND [OPTIONS]\n.SH COMMANDS\n'
    $nephron help --list |
        while IFS="$tab" read -r name text; do printf '.TP\n.BR nephron\\-%s (1)\n%s\n' "$name" "$text"; done
    printf '.SH EXIT STATUS\n0 done, 1 failed (one line on standard error names file and field), 2 wrong usage;\n'
    printf "3 a federation's step waits for others; 128 and the signal where one stopped it.\n"
    printf '.SH ENVIRONMENT\n.TP\nNEPHRON_ISA\nLowers the instruction set: scalar, avx2, avx512, avx512bf16, amx, neon, simd128.\n'
} >"$out/nephron.1"
$nephron help --list | while IFS="$tab" read -r name text; do
    $nephron "$name" --help=man >"$out/nephron-$name.1"
done
