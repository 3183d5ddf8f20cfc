/* m55_startup.c - what runs before main on a Cortex-M55 (m55.ld): vectors, data, the floating-point unit, and
 * main.c's arguments and files from the debugger by semihosting. Arm, "Semihosting for AArch32 and AArch64",
 * release 2.0.
 *
 * The words of the command line: INPUT OUTPUT [logits]; main.c's standard input and output are these files.
 * At the end the instructions that main took are printed, where the machine's clock counts instructions
 * (QEMU: -icount shift=0).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern uint32_t data_begin[], data_end[], data_from[], bss_begin[], bss_end[], stack_top[];
extern void initialise_monitor_handles(void);
extern int main(int argc, char **argv);

enum { SYS_GET_CMDLINE = 0x15 };

#define COPROCESSORS (*(volatile uint32_t *)0xE000ED88u) /* CPACR */
/* FPGAIO: the COUNTER register, up by one each PRESCALE + 1 cycles. */
#define BOARD_COUNTER (*(volatile uint32_t *)0x49302018u)

/* Ticks of a loop of known length: what a tick is worth. */
enum { CALIBRATION = 2000000 };
static uint32_t calibrate(void)
{
    uint32_t left = CALIBRATION / 2; /* two instructions each */
    const uint32_t start = BOARD_COUNTER;
    __asm__ volatile("1: subs %0, %0, #1\n bne 1b" : "+r"(left) : : "cc");
    return BOARD_COUNTER - start;
}

static int semihost(int operation, void *argument)
{
    register int r0 __asm__("r0") = operation;
    register void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void run(void)
{
    static char line[512];
    char *word[5] = {NULL};
    struct {
        char *text;
        int size;
    } command = {line, sizeof line};
    int words = 0;
    initialise_monitor_handles();
    if (semihost(SYS_GET_CMDLINE, &command)) exit(2);
    for (char *w = strtok(line, " "); w && words < 5; w = strtok(NULL, " ")) word[words++] = w;
    if (words < 3 || !freopen(word[1], "rb", stdin) || !freopen(word[2], "wb", stdout)) {
        fputs("usage: network INPUT OUTPUT [logits]\n", stderr);
        exit(2);
    }
    char *arguments[] = {word[0], word[3], NULL};
    const uint32_t start = BOARD_COUNTER;
    const int status = main(words > 3 ? 2 : 1, arguments);
    const uint32_t ticks = BOARD_COUNTER - start, unit = calibrate();
    fprintf(stderr, "instructions: %llu\n", (unsigned long long)ticks * CALIBRATION / unit);
    exit(status);
}

__attribute__((used, noreturn)) static void start(void)
{
    COPROCESSORS |= 0xfu << 20; /* full access to the floating-point and vector unit */
    __asm__ volatile("dsb\n isb");
    for (uint32_t *to = data_begin, *from = data_from; to < data_end;) *to++ = *from++;
    for (uint32_t *to = bss_begin; to < bss_end;) *to++ = 0;
    run();
    for (;;) {}
}

/* The C library calls these around main's life; there is nothing to do. */
void _init(void);
void _fini(void);
void _init(void) {}
void _fini(void) {}

void reset(void);
__attribute__((naked)) void reset(void)
{
    __asm__ volatile("b start");
}

__attribute__((noreturn)) static void fault(void)
{
    exit(3);
}

__attribute__((used, section(".vectors"))) static void *const vectors[] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault,
};
