/* main.c - runs the exported network of network.h on a computer: each patch on standard input, NETWORK_INPUTS
 * floats and behind them NETWORK_COVARIATES in the byte order of the machine, becomes NETWORK_RESULT_BYTES
 * on standard output; with the argument "logits" NETWORK_OUTPUTS floats. A device has these same calls in
 * its own program. Exit code: 0 done, 1 failed, 2 wrong usage.
 *
 *     cc -std=c11 -O2 -ffp-contract=off *.c -o network          (with weights.bin: *.c *.S)
 *     ./network <sample.input | cmp - sample.result
 */
#include <stdio.h>
#include <string.h>

#include "network.h"

static _Alignas(64) unsigned char block[NETWORK_BLOCK_BYTES];
static unsigned char result[NETWORK_RESULT_BYTES];

static int fail(const char *message)
{
    fputs("network: ", stderr);
    fputs(message, stderr);
    fputs("\n", stderr);
    return 1;
}

/* A patch and its covariates into the block: how many floats there were. */
static size_t read_case(void)
{
    size_t got = fread(network_input(block), sizeof(float), NETWORK_INPUTS, stdin);
    if (NETWORK_COVARIATES && got == NETWORK_INPUTS)
        got += fread(network_covariates(block), sizeof(float), NETWORK_COVARIATES, stdin);
    return got;
}

int main(int argc, char **argv)
{
    const int logits = argc == 2 && strcmp(argv[1], "logits") == 0;
    size_t got;
    if (argc > 2 || (argc == 2 && !logits)) {
        fputs("usage: network [logits] <patches >results\n", stderr);
        return 2;
    }
    if (network_check(network_weights)) return fail("the weights are not those that were exported");
    while ((got = read_case()) == NETWORK_INPUTS + NETWORK_COVARIATES) {
        network_run(block, network_weights);
        network_result(result, block);
        const void *out = logits ? (const void *)network_output(block) : result;
        const size_t size = logits ? NETWORK_OUTPUTS * sizeof(float) : sizeof result;
        if (fwrite(out, 1, size, stdout) != size) return fail("the output cannot be written");
    }
    if (ferror(stdin)) return fail("the input cannot be read");
    if (got > 0) return fail("the input ends inside a patch");
    return fflush(stdout) ? fail("the output cannot be written") : 0;
}
