/* library_calls.c - the calls of check_library_calls.sh (tries.h), each in a process of its own.
 * library_calls DATA RUN IMAGE FOLDER. A wrong argument is an error with a message, or may be left out; never
 * a crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nephron.h"

enum { FLOATS = 1 << 21 };

static int passed, failed;

/* In the child: whether the result and the message are right. wrong: number of the argument that is, 0 none;
 * bad: the call failed. */
static int judge(const nephron *n, int wrong, int bad)
{
    const char *text = nephron_error(n);
    if (wrong == 0 && bad) return printf("a right call failed: %s; ", text), 1;
    if (wrong == 1 && !bad) return 0; /* a first argument that is a number may be so */
    if (wrong > 1 && bad && (!*text || strstr(text, "'marker'"))) return printf("no message; "), 1;
    return 0;
}

static void take(pid_t child, const char *call)
{
    int status = -1;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) passed++;
    else failed++, printf("FAILED %s: status %d\n", call, status);
    fflush(stdout);
}

#define TRY(wrong, call, ...)                                                                                \
    do {                                                                                                     \
        fflush(stdout);                                                                                      \
        pid_t child = fork();                                                                                \
        if (child == 0) {                                                                                    \
            alarm(300);                                                                                      \
            nephron_aggregate(n, "marker", NULL, NULL, NULL, 0, 0);                                          \
            __VA_ARGS__;                                                                                     \
            int bad_result = judge(n, wrong, bad);                                                           \
            fflush(stdout);                                                                                  \
            _exit(bad_result);                                                                               \
        }                                                                                                    \
        take(child, call);                                                                                   \
    } while (0)
#define TRY_STATUS(wrong, call) TRY(wrong, #call, int bad = (call) < 0)
#define TRY_HANDLE(wrong, call) TRY(wrong, #call, int bad = (call) == NULL)
#define TRY_COUNT(wrong, call) TRY(wrong, #call, int bad = (call) == 0)
#define TRY_TEXT(wrong, call) TRY(wrong, #call, const char *r = (call); int bad = !r || !*r)
#define TRY_NOTHING(wrong, call) TRY(wrong, #call, call; int bad = 0)

/* Whether a call without a handle fails, as all must that have one. */
static void without_handles(void)
{
    int none = 0;
    none += nephron_image_read(NULL, NULL, 1) != NULL;
    none += nephron_model_parse(NULL, "{}", NULL, 0) != NULL;
    none += nephron_weights_set(NULL, NULL, 0) != -1;
    none += nephron_predict(NULL, NULL, NULL, NULL) != -1;
    none += nephron_train(NULL, 0, 1, NULL) != -1;
    none += nephron_server_begin(NULL, NULL, 0, NULL) != -1;
    none += nephron_weights_count(NULL) != 0 || nephron_task_count(NULL) != 0;
    if (none) failed++, printf("FAILED %d calls without a handle succeed\n", none);
    else passed++;
}

static char *read_file(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    char *data = malloc(1 << 22);
    *bytes = f && data ? fread(data, 1, 1 << 22, f) : 0;
    if (f) fclose(f);
    return data;
}

int main(int argc, char **argv)
{
    static float floats[FLOATS], more[FLOATS];
    static uint8_t map[FLOATS];
    char file[1100], state[1100], saved_as[1100];
    if (argc != 5) return 2;
    const char *data = argv[1], *run = argv[2], *files[] = {argv[3]}, *name;
    const char *options = "{\"base_features\": 4, \"patch\": [16, 16, 16], \"batch\": 2, \"iterations\": 1}";
    const int size[3] = {8, 8, 8};
    const double spacing[3] = {1, 1, 1}, weights[2] = {1, 2};
    const float *in[2] = {floats, more};
    double loss, numbers[NEPHRON_NUMBERS] = {1, 1, 1, 1};
    int integer, numbers_of[5];
    size_t offset, bytes;
    snprintf(file, sizeof file, "%s/map.nii.gz", argv[4]);
    snprintf(state, sizeof state, "%s/state.safetensors", argv[4]);
    snprintf(saved_as, sizeof saved_as, "%s/saved.safetensors", argv[4]);

    nephron *n = nephron_open(NEPHRON_API, 2); /* each call in a child of fork, where one of them is not */
    nephron_image *i = nephron_image_read(n, files, 1);
    nephron_model *m = nephron_model_load(n, run, "0");
    nephron_data *d = nephron_data_open(m, data, "0", NULL);
    nephron_trainer *t = nephron_trainer_open(m, d, NULL, 0);
    nephron_server *s = nephron_server_open(m, NULL, 2), *begun = nephron_server_open(m, NULL, 2),
                   *full = nephron_server_open(m, NULL, 1), *ended = nephron_server_open(m, NULL, 1);
    const size_t count = nephron_weights_count(m), words = nephron_task_count(s);
    if (!i || !t || !s || words > FLOATS || nephron_model_save(m, saved_as) ||
        nephron_weights_get(m, more, count) || nephron_weights_get(m, floats, count) ||
        nephron_server_begin(begun, floats, words, &integer) ||
        nephron_server_begin(full, floats, words, &integer) ||
        nephron_server_add(full, "a", floats, count, numbers) ||
        nephron_server_begin(ended, floats, words, &integer) ||
        nephron_server_add(ended, "a", floats, count, numbers) || nephron_server_end(ended)) {
        printf("FAILED to begin: %s\n", nephron_error(n));
        return 1;
    }
    const char *description = nephron_model_describe(m);
    char *saved = read_file(saved_as, &bytes);
    without_handles();
#include "tries.h"
    free(saved);
    nephron_server_free(s), nephron_server_free(begun), nephron_server_free(full);
    nephron_server_free(ended);
    nephron_trainer_free(t);
    nephron_data_free(d);
    nephron_model_free(m);
    nephron_image_free(i);
    nephron_close(n);
    printf("calls: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
