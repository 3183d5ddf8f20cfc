/* browser.c - an exported network (nephron export) as a WebAssembly module without a main: what a page calls.
 * check_bits.sh puts it into a page with the network's sample and takes the logits out of Chromium. */
#include "network.h"

static _Alignas(64) unsigned char block[NETWORK_BLOCK_BYTES];

float *page_input(void)
{
    return network_input(block);
}

const float *page_run(void)
{
    network_run(block, network_weights);
    return network_output(block);
}

int page_outputs(void)
{
    return NETWORK_OUTPUTS;
}
