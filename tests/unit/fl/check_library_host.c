/* check_library_host.c - what a program that links the library may do around it: fork, set rounding, traps
 * and how denormal numbers are taken, add cases to data that a trainer is open on; the bits are those of a
 * program that does nothing of it. And call what belongs to a round outside of one. */
#include <fenv.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "fl/nephron.h"
#include "tests/unit/expect.h"

enum { EDGE = 9, VOXELS = EDGE * EDGE * EDGE, CASES = 12, VALIDATION = 15 };

static const char *const set = "tests/data/adrenalmnist3d/adrenalmnist3d.npz",
                        *const options =
                            "{\"task\": \"classify\", \"epochs\": 2, \"iterations\": 4, \"batch\": 3, "
                            "\"class_weighting\": true, \"crop\": [8, 8, 8], "
                            "\"resnet\": {\"depth\": 10, \"channels\": 1, \"classes\": 2, \"base\": 4}}";

struct session {
    nephron *n;
    nephron_model *m;
    nephron_data *d;
    nephron_trainer *t;
};

static nephron_image *draw(nephron *n, int k)
{
    static float voxels[VOXELS];
    const int size[3] = {EDGE, EDGE, EDGE};
    const double spacing[3] = {1, 1, 1};
    for (int i = 0; i < VOXELS; i++) voxels[i] = (float)((i * 7919 + k * 31) % 101) / 128; /* exact */
    return nephron_image_wrap(n, voxels, size, 1, spacing);
}

static void add(struct session *s, int first, int end, int validation)
{
    for (int k = first; k < end; k++) {
        nephron_image *i = draw(s->n, k);
        CHECK(i && nephron_data_add(s->d, i, NULL, k % 4 == 0, validation) == 0, "case %d: %s", k,
              nephron_error(s->n));
        nephron_image_free(i);
    }
}

/* A trainer on the first `cases` cases. */
static void open_session(struct session *s, int threads, int cases)
{
    s->n = nephron_open(NEPHRON_API, threads);
    s->m = nephron_model_create(s->n, set, options);
    s->d = nephron_data_create(s->m);
    add(s, 0, cases, 0);
    add(s, 0, VALIDATION, 1);
    s->t = nephron_trainer_open(s->m, s->d, "{\"learning_rate\": 0.0123}", 0);
    CHECK(s->t != NULL, "%s", nephron_error(s->n));
}

static void close_session(struct session *s)
{
    nephron_trainer_free(s->t);
    nephron_data_free(s->d);
    nephron_model_free(s->m);
    nephron_close(s->n);
}

/* Steps, and what the network then says of a case: a hash of both, or 0. */
static uint64_t work(struct session *s, uint64_t first, int steps)
{
    float p[2];
    uint32_t bits;
    double loss;
    nephron_image *i = draw(s->n, 3);
    const int failed = !s->t || !i || nephron_train(s->t, first, steps, &loss) ||
                       nephron_predict(s->m, i, NULL, p);
    nephron_image_free(i);
    CHECK(!failed, "%s", nephron_error(s->n));
    memcpy(&bits, p, sizeof bits);
    return failed ? 0 : nephron_weights_hash(s->m) ^ (uint64_t)bits << 16;
}

static uint64_t work_alone(int threads)
{
    struct session s;
    open_session(&s, threads, CASES);
    const uint64_t hash = work(&s, 0, 4);
    close_session(&s);
    return hash;
}

/* The child has the handles and none of their threads. */
static void check_fork(int threads)
{
    struct session s;
    uint64_t hash = 0;
    int ends[2], status = -1;
    open_session(&s, threads, CASES);
    work(&s, 0, 2);
    CHECK(pipe(ends) == 0, "no pipe");
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(200); /* it would wait for ever */
        hash = work(&s, 2, 2);
        close_session(&s);
        _exit(write(ends[1], &hash, sizeof hash) != sizeof hash);
    }
    close(ends[1]);
    CHECK(read(ends[0], &hash, sizeof hash) == sizeof hash && waitpid(child, &status, 0) == child &&
              status == 0,
          "a child of fork ends with status %d, %d threads", status, threads);
    close(ends[0]);
    const uint64_t own = work(&s, 2, 2);
    CHECK(own == hash, "%016" PRIx64 " in the child of fork, %016" PRIx64, hash, own);
    close_session(&s);
}

/* Of two numbers below the smallest normal one, which a processor may be told to take for 0. */
static float mean_of_small(void)
{
    const float in[1] = {0x1p-140f};
    const float *const both[2] = {in, in};
    const double weights[2] = {1, 1};
    float out[1] = {1};
    nephron *n = nephron_open(NEPHRON_API, 1);
    CHECK(nephron_aggregate(n, "fedavg", out, both, weights, 2, 1) == 0, "%s", nephron_error(n));
    nephron_close(n);
    return out[0];
}

static void check_arithmetic(uint64_t want)
{
    fenv_t before;
    fegetenv(&before);
#if defined(__SSE__)
    const unsigned flush = 0x8040; /* results and operands */
    _mm_setcsr(_mm_getcsr() | flush);
    const float mean = mean_of_small();
    const int kept = (_mm_getcsr() & flush) == flush;
    fesetenv(&before);
    CHECK(mean == 0x1p-140f, "denormal numbers are %g", (double)mean);
    CHECK(kept, "the program's own arithmetic stays");
#endif
    CHECK(mean_of_small() == 0x1p-140f, "denormal numbers");
#if defined(__GLIBC__) && defined(__x86_64__)
    feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
#endif
    fesetround(FE_UPWARD);
    const uint64_t hash = work_alone(3);
    const int upward = fegetround() == FE_UPWARD;
    fesetenv(&before);
    CHECK(hash == want, "%016" PRIx64 " where the program rounds upwards, %016" PRIx64, hash, want);
    CHECK(upward, "the program's own rounding stays");
}

static void check_added_cases(uint64_t want)
{
    struct session s;
    open_session(&s, 2, 2);
    add(&s, 2, CASES, 0);
    const uint64_t hash = work(&s, 0, 4);
    CHECK(hash == want, "%016" PRIx64 " with cases added later, %016" PRIx64, hash, want);
    close_session(&s);
}

/* What a trainer says that it uses is there before the first step: more cases to validate than to train on
 * change nothing. */
static void check_bytes(void)
{
    struct session s;
    double loss, metric;
    open_session(&s, 2, 3);
    const size_t bytes = nephron_trainer_bytes(s.t);
    CHECK(nephron_train(s.t, 0, 2, &loss) == 0 && nephron_validate(s.t, &loss, &metric) == 0, "%s",
          nephron_error(s.n));
    CHECK(nephron_trainer_bytes(s.t) == bytes, "%zu bytes, and %zu after a validation", bytes,
          nephron_trainer_bytes(s.t));
    close_session(&s);
}

/* What is too large for memory goes to $TMPDIR; a mean is made without. */
static void check_temporary(void)
{
    const float a[2] = {1, 5}, b[2] = {2, 6}, c[2] = {9, 7}, *const in[3] = {a, b, c};
    const double weights[3] = {1, 1, 1};
    float out[2];
    nephron *n = nephron_open(NEPHRON_API, 1);
    char *before = getenv("TMPDIR"), *kept = before ? strdup(before) : NULL;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    CHECK(nephron_aggregate(n, "fedavg", out, in, weights, 3, 2) == 0 && out[0] == 4 && out[1] == 6,
          "a mean of three: %s", nephron_error(n));
    CHECK(nephron_aggregate(n, "median", out, in, weights, 3, 2) == -1 &&
              strstr(nephron_error(n), "/nowhere/at/all"),
          "a median without a place for its rows: %s", nephron_error(n));
    setenv("TMPDIR", ".", 1);
    CHECK(nephron_aggregate(n, "median", out, in, weights, 3, 2) == 0 && out[0] == 2 && out[1] == 6,
          "a median: %s", nephron_error(n));
    if (kept) setenv("TMPDIR", kept, 1);
    else unsetenv("TMPDIR");
    free(kept);
    nephron_close(n);
}

/* Updates before a round, and after its end; a round that is ended twice. */
static void check_order(const char *strategy)
{
    char text[100];
    struct session s;
    int round;
    const double numbers[NEPHRON_NUMBERS] = {1, 1, 1, 1},
                 second[NEPHRON_NUMBERS] = {1, 1, 1, 1, [6] = 1};
    open_session(&s, 2, 3);
    snprintf(text, sizeof text, "{\"strategy\": {\"name\": \"%s\"}}", strategy);
    nephron_server *server = nephron_server_open(s.m, text, 3);
    const size_t count = nephron_weights_count(s.m);
    float *weights = malloc(count * sizeof *weights);
    CHECK(server && weights && nephron_task_count(server) == count, "%s", nephron_error(s.n));
    CHECK(nephron_weights_get(s.m, weights, count) == 0, "%s", nephron_error(s.n));
    const uint64_t hash = nephron_weights_hash(s.m);
    for (int time = 0; time < 2; time++) {
        CHECK(nephron_server_add(server, "c", weights, count, time ? second : numbers) == -1 &&
                  strstr(nephron_error(s.n), "no round is open"),
              "%s: an update without a round: %s", strategy, nephron_error(s.n));
        CHECK(nephron_server_end(server) == -1 && strstr(nephron_error(s.n), "no round is open"),
              "%s: the end of no round: %s", strategy, nephron_error(s.n));
        CHECK(nephron_weights_hash(s.m) == hash, "%s: the weights change without a round", strategy);
        if (time) break;
        CHECK(nephron_server_begin(server, weights, count, &round) == 0 &&
                  nephron_server_add(server, "a", weights, count, numbers) == 0 &&
                  nephron_server_add(server, "b", weights, count, numbers) == 0 &&
                  nephron_server_end(server) == 0 && nephron_weights_hash(s.m) == hash,
              "%s: a round of what the model is: %s", strategy, nephron_error(s.n));
    }
    nephron_server_free(server);
    free(weights);
    close_session(&s);
}

/* A site's file of its state is of the strategy, momentum, decay and clip that it was made with. */
static void check_state(void)
{
    char path[] = "/tmp/nephron_check_XXXXXX";
    static const struct {
        const char *options;
        int taken;
    } way[] = {{"{\"strategy\": {\"name\": \"fedbn\"}}", 1},
               {"{\"strategy\": {\"name\": \"feddyn\"}}", 0}, /* as many vectors, of another meaning */
               {"{\"strategy\": {\"name\": \"fedbn\"}, \"weight_decay\": 0.5}", 0},
               {"{\"strategy\": {\"name\": \"fedbn\"}, \"learning_rate\": 0.5}", 1}};
    const int fd = mkstemp(path);
    CHECK(fd >= 0 && close(fd) == 0 && unlink(path) == 0, "mkstemp");
    for (size_t k = 0; k < sizeof way / sizeof *way; k++) {
        struct session s;
        double numbers[NEPHRON_NUMBERS];
        int round;
        open_session(&s, 1, 3);
        nephron_server *server = nephron_server_open(s.m, way[k].options, 3);
        const size_t count = nephron_weights_count(s.m);
        float *task = malloc(count * sizeof *task), *weights = malloc(count * sizeof *weights);
        CHECK(server && task && weights && nephron_server_begin(server, task, count, &round) == 0, "%s",
              nephron_error(s.n));
        const int status =
            nephron_client_update(s.t, server, "a", path, task, (int)(k > 0), weights, numbers);
        CHECK((status == 0) == way[k].taken, "a state of fedbn for %s: %s", way[k].options,
              nephron_error(s.n));
        CHECK(status == 0 || strstr(nephron_error(s.n), "another federation"), "%s", nephron_error(s.n));
        nephron_server_free(server);
        free(task);
        free(weights);
        close_session(&s);
    }
    unlink(path);
}

int main(void)
{
    const uint64_t want = work_alone(1);
    check_fork(1);
    check_fork(3);
    check_arithmetic(want);
    check_added_cases(want);
    check_bytes();
    check_temporary();
    check_order("fedavg");
    check_order("median");
    check_state();
    return check_done("check_library_host");
}
