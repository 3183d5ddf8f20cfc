/* check_secure.c - secure aggregation: whole sessions with sites lost at every stage, what must be refused,
 * and damaged messages and states. */
#include "fl/privacy/chacha20.h"
#include "fl/privacy/hkdf.h"
#include "fl/privacy/secure.h"
#include "io/base/sha256.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

/* With the argument "long": every session of 20 sites. */
static int all_of_it;

/* ---- sessions ---------------------------------------------------------------------------------------- */

enum { SITES = 20, NEVER = 9 };
struct session {
    struct secure_parameters p;
    struct randomness random;
    struct secure_site site[SITES];
    struct secure_server server;
    struct bytes sent[SITES], asked;
    float *x[SITES];
    uint32_t weight[SITES];
    uint64_t clipped;
};

/* threshold 0: the least that is allowed. */
static void session_begin(struct session *s, int sites, int threshold, int bits, uint64_t count,
                          uint64_t seed)
{
    struct error e;
    memset(s, 0, sizeof *s);
    s->p = (struct secure_parameters){.sites = sites,
                                      .threshold = threshold ? threshold : sites / 2 + 1,
                                      .bits = bits,
                                      .range = 4,
                                      .weight_max = 500,
                                      .count = count};
    randomness_for_tests(&s->random, seed);
    randomness_bytes(&s->random, s->p.session, sizeof s->p.session);
    CHECK(secure_server_begin(&s->server, &s->p, &e) == 0, "%s", e.text);
    for (int k = 0; k < sites; k++) {
        struct rng rng = rng_stream(seed, (uint32_t)k, 0, RNG_TEST);
        s->x[k] = malloc(count * sizeof(float));
        for (uint64_t i = 0; i < count; i++) s->x[k][i] = rng_range(&rng, -4, 4);
        s->weight[k] = 1 + rng_below(&rng, 500);
    }
}

static void session_end(struct session *s)
{
    secure_server_end(&s->server);
    for (int k = 0; k < s->p.sites; k++) {
        free(s->x[k]);
        bytes_free(&s->sent[k]);
        secure_site_end(&s->site[k]);
    }
    bytes_free(&s->asked);
}

/* Writes a state, reads it back, writes it again: the same bytes, and from now on the one that was read. */
static void through_files(struct session *s, int k)
{
    struct bytes a = {0}, b = {0};
    struct error e = {""};
    struct secure_site site;
    struct secure_server server;
    if (k >= 0) {
        secure_site_write(&s->site[k], &a);
        CHECK(secure_site_read(&site, a.data, a.size, &e) == 0, "state of site %d: %s", k, e.text);
        secure_site_write(&site, &b);
        s->site[k] = site;
    } else {
        secure_server_write(&s->server, &a);
        CHECK(secure_server_read(&server, a.data, a.size, &e) == 0, "state of the server: %s", e.text);
        secure_server_write(&server, &b);
        secure_server_end(&s->server);
        s->server = server;
    }
    CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) == 0, "a state reads back changed");
    bytes_free(&a);
    bytes_free(&b);
}

/* One stage: every site that is still there answers the server's question; the server takes the answers in
 * reverse order. */
static void session_stage(struct session *s, enum secure_stage stage, const int *lost_at)
{
    struct error e = {""};
    for (int k = 0; k < s->p.sites; k++) {
        if (lost_at[k] <= (int)stage) continue;
        int status = 0;
        s->asked.size = s->sent[k].size = 0;
        if (stage > SECURE_KEYS) {
            CHECK(secure_server_message(&s->server, k, &s->asked, &e) == 0, "stage %d: %s", stage, e.text);
            through_files(s, k);
        }
        const unsigned char *q = s->asked.data;
        size_t n = s->asked.size;
        if (stage == SECURE_KEYS)
            status = secure_site_begin(&s->site[k], &s->p, k, &s->random, &s->sent[k], &e);
        else if (stage == SECURE_SHARES)
            status = secure_site_share(&s->site[k], q, n, &s->random, &s->sent[k], &e);
        else if (stage == SECURE_MASKED)
            status = secure_site_mask(&s->site[k], q, n, s->x[k], s->weight[k], &s->clipped, &s->sent[k], &e);
        else status = secure_site_reveal(&s->site[k], q, n, &s->sent[k], &e);
        CHECK(status == 0, "site %d, stage %d: %s", k, stage, e.text);
    }
    for (int k = s->p.sites - 1; k >= 0; k--) {
        if (lost_at[k] <= (int)stage) continue;
        const int other = (k + 1) % s->p.sites;
        CHECK(secure_server_take(&s->server, other, s->sent[k].data, s->sent[k].size, &e) == -1 &&
                  strstr(e.text, "is of place") && !s->server.came[stage][k],
              "a message in another site's name: %s", e.text);
        CHECK(secure_server_take(&s->server, k, s->sent[k].data, s->sent[k].size, &e) == 0, "site %d: %s", k,
              e.text);
        CHECK(secure_server_take(&s->server, -1, s->sent[k].data, s->sent[k].size, &e) == -1 &&
                  strstr(e.text, "a second time"),
              "a repeated message: %s", e.text);
    }
    through_files(s, -1);
}

/* A whole session; lost_at[k]: the first stage at which site k is silent. Returns the largest error in
 * steps. */
static void check_session(int sites, int threshold, int bits, const int *lost_at, uint64_t seed,
                          const char *what)
{
    enum { COUNT = 333 };
    struct session s;
    struct error e = {""};
    float mean[COUNT];
    double weight = 0, total = 0, worst = 0;
    session_begin(&s, sites, threshold, bits, COUNT, seed);
    for (int stage = SECURE_KEYS; stage <= SECURE_REVEAL; stage++) {
        session_stage(&s, (enum secure_stage)stage, lost_at);
        if (stage < SECURE_REVEAL) CHECK(secure_server_next(&s.server, &e) == 0, "%s: %s", what, e.text);
    }
    CHECK(secure_server_mean(&s.server, mean, &weight, &e) == 0, "%s: %s", what, e.text);
    CHECK(s.clipped == 0, "%s: values were clipped", what);
    for (int k = 0; k < sites; k++) total += lost_at[k] > SECURE_MASKED ? s.weight[k] : 0;
    CHECK(weight == total, "%s: weights %g, want %g", what, weight, total);
    for (int i = 0; i < COUNT; i++) {
        double want = 0;
        for (int k = 0; k < sites; k++)
            want += lost_at[k] > SECURE_MASKED ? s.weight[k] * (double)s.x[k][i] / total : 0;
        worst = fmax(worst, fabs((double)mean[i] - want) - 0x1p-24 * fabs(want)); /* the mean is a float */
    }
    CHECK(worst <= 0.5 * secure_quantum(&s.p) * 1.0001, "%s: off by %g, half a step is %g", what, worst,
          secure_quantum(&s.p) / 2);
    session_end(&s);
}

static void check_sessions(void)
{
    static const int sizes[] = {3, 6, 20};
    for (int c = 0; c < 3; c++) {
        int n = sizes[c], lost[SITES];
        char what[100];
        int whole = n < 20 || all_of_it; /* else only the session that loses sites at every stage */
        for (int bits = n == 20 ? 64 : 32; whole && bits <= 64; bits += 32) {
            for (int k = 0; k < n; k++) lost[k] = NEVER;
            snprintf(what, sizeof what, "%d sites, %d bits, all there", n, bits);
            check_session(n, 0, bits, lost, 7, what);
        }
        for (int stage = SECURE_KEYS; whole && stage <= SECURE_REVEAL; stage++) {
            /* as many as may be lost, at one stage */
            for (int k = 0; k < n; k++) lost[k] = k % 2 == 0 && k / 2 < n - (n / 2 + 1) ? stage : NEVER;
            snprintf(what, sizeof what, "%d sites, lost at stage %d", n, stage);
            check_session(n, 0, 64, lost, 8 + (uint64_t)stage, what);
        }
        for (int k = 0; k < n; k++)
            lost[k] = n >= 6 && k < n - (n / 2 + 1) ? 1 + k % 4 : NEVER; /* at all of them */
        snprintf(what, sizeof what, "%d sites, lost at every stage", n);
        check_session(n, 0, 32, lost, 30, what);
    }
    int lost[5] = {NEVER, SECURE_MASKED, NEVER, NEVER, NEVER};
    check_session(5, 4, 64, lost, 31, "a threshold of 4 of 5");
}

/* ---- below the threshold, and what a server might try -------------------------------------------------- */

static void check_threshold(void)
{
    for (int stage = SECURE_KEYS; stage <= SECURE_REVEAL; stage++) {
        struct session s;
        struct error e = {""};
        int all[6] = {NEVER, NEVER, NEVER, NEVER, NEVER, NEVER}, lost[6];
        float mean[50] = {7};
        double weight = 5;
        session_begin(&s, 6, 4, 64, 50, 40);
        for (int k = 0; k < 6; k++) lost[k] = k < 3 ? stage : NEVER;
        for (int before = SECURE_KEYS; before < stage; before++) {
            session_stage(&s, (enum secure_stage)before, all);
            CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
        }
        session_stage(&s, (enum secure_stage)stage, lost);
        int status = stage == SECURE_REVEAL ? secure_server_mean(&s.server, mean, &weight, &e)
                                            : secure_server_next(&s.server, &e);
        CHECK(status == -1 && strstr(e.text, "3 of 6 sites, the threshold is 4: nothing is revealed"),
              "stage %d: %s", stage, e.text);
        CHECK(mean[0] == 7 && weight == 5, "something was written");
        session_end(&s);
    }
}

/* The frame's hash after a change of its body. */
static void rehash(unsigned char *frame, size_t size)
{
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, frame, size - 32);
    sha256_final(&h, frame + size - 32);
}

static void check_refusals(void)
{
    struct session s;
    struct error e = {""};
    int all[6] = {NEVER, NEVER, NEVER, NEVER, NEVER, NEVER};
    struct bytes out = {0}, again = {0};
    enum { HEAD = 40, N = 6 };
    session_begin(&s, N, 4, 64, 50, 50);
    /* Keys with which nobody shares a secret. */
    struct secure_site weak;
    CHECK(secure_site_begin(&weak, &s.p, 0, &s.random, &out, &e) == 0, "%s", e.text);
    memset(out.data + HEAD + 32, 0, 32);
    rehash(out.data, out.size);
    CHECK(secure_server_take(&s.server, 0, out.data, out.size, &e) == -1 && strstr(e.text, "small order"),
          "a key of small order: %s", e.text);
    out.size = 0;
    session_stage(&s, SECURE_KEYS, all);
    CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
    CHECK(secure_server_take(&s.server, -1, s.sent[0].data, s.sent[0].size, &e) == -1 &&
              strstr(e.text, "kind"),
          "late keys: %s", e.text);
    /* A roster with other keys for this site, or the same keys twice. */
    CHECK(secure_server_message(&s.server, 0, &out, &e) == 0, "%s", e.text);
    out.data[HEAD + N + 5] ^= 1;
    rehash(out.data, out.size);
    CHECK(secure_site_share(&s.site[0], out.data, out.size, &s.random, &again, &e) == -1 &&
              strstr(e.text, "not its own"),
          "%s", e.text);
    out.data[HEAD + N + 5] ^= 1;
    memcpy(out.data + HEAD + N + 2 * 96, out.data + HEAD + N + 96, 96);
    rehash(out.data, out.size);
    CHECK(secure_site_share(&s.site[0], out.data, out.size, &s.random, &again, &e) == -1 &&
              strstr(e.text, "same keys"),
          "%s", e.text);
    CHECK(again.size == 0, "a refused question leaves bytes");
    session_stage(&s, SECURE_SHARES, all);
    CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
    /* A share that was changed on the way; values that are not finite; weights out of bounds; a second
     * vector. */
    out.size = 0;
    CHECK(secure_server_message(&s.server, 0, &out, &e) == 0, "%s", e.text);
    out.data[HEAD + N + 3] ^= 1;
    rehash(out.data, out.size);
    CHECK(secure_site_mask(&s.site[0], out.data, out.size, s.x[0], 1, NULL, &again, &e) == -1 &&
              strstr(e.text, "site 1 is not what"),
          "%s", e.text);
    out.data[HEAD + N + 3] ^= 1;
    rehash(out.data, out.size);
    s.x[0][9] = NAN;
    CHECK(secure_site_mask(&s.site[0], out.data, out.size, s.x[0], 1, NULL, &again, &e) == -1 &&
              strstr(e.text, "value 9"),
          "%s", e.text);
    s.x[0][9] = 4.5f;
    CHECK(secure_site_mask(&s.site[0], out.data, out.size, s.x[0], 501, NULL, &again, &e) == -1 &&
              strstr(e.text, "weight"),
          "%s", e.text);
    session_stage(&s, SECURE_MASKED, all);
    CHECK(secure_site_mask(&s.site[0], out.data, out.size, s.x[1], 1, NULL, &again, &e) == -1 &&
              strstr(e.text, "reveal"),
          "a second vector: %s", e.text);
    CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
    /* Survivors: fewer than the threshold, without this site, and a second set. */
    out.size = 0;
    CHECK(secure_server_message(&s.server, 0, &out, &e) == 0, "%s", e.text);
    memset(out.data + HEAD + 3, 0, 3);
    rehash(out.data, out.size);
    CHECK(secure_site_reveal(&s.site[0], out.data, out.size, &again, &e) == -1 && strstr(e.text, "threshold"),
          "%s", e.text);
    memset(out.data + HEAD, 1, N);
    out.data[HEAD] = 0;
    rehash(out.data, out.size);
    CHECK(secure_site_reveal(&s.site[0], out.data, out.size, &again, &e) == -1 && strstr(e.text, "this site"),
          "%s", e.text);
    CHECK(again.size == 0, "a refused question leaves bytes");
    session_stage(&s, SECURE_REVEAL, all);
    memset(out.data + HEAD, 1, N);
    rehash(out.data, out.size);
    CHECK(secure_site_reveal(&s.site[0], out.data, out.size, &again, &e) == 0 &&
              again.size == s.sent[0].size && memcmp(again.data, s.sent[0].data, again.size) == 0,
          "the same question again: another answer");
    out.data[HEAD + 5] = 0;
    rehash(out.data, out.size);
    CHECK(secure_site_reveal(&s.site[0], out.data, out.size, &again, &e) == -1 &&
              strstr(e.text, "other survivors"),
          "%s", e.text);
    /* A wrong reveal is noticed, and one is done without where the others are enough. */
    float mean[50], without[50];
    double weight;
    s.server.revealed[7] ^= 1;
    s.server.revealed[32 * N + 7] ^= 1;
    CHECK(secure_server_mean(&s.server, mean, &weight, &e) == -1 && strstr(e.text, "site 0 do not fit"),
          "%s", e.text);
    s.server.revealed[32 * N + 7] ^= 1;
    CHECK(secure_server_mean(&s.server, without, &weight, &e) == 0 && s.server.wrong[0] &&
              memchr(s.server.wrong + 1, 1, N - 1) == NULL,
          "%s", e.text);
    s.server.revealed[7] ^= 1;
    s.server.stage = SECURE_REVEAL;
    CHECK(secure_server_mean(&s.server, mean, &weight, &e) == 0 && memchr(s.server.wrong, 1, N) == NULL &&
              memcmp(mean, without, sizeof mean) == 0,
          "%s", e.text);
    /* A message of another session. */
    struct session other;
    session_begin(&other, N, 4, 64, 50, 51);
    again.size = 0;
    CHECK(secure_site_begin(&other.site[0], &other.p, 0, &other.random, &again, &e) == 0, "%s", e.text);
    secure_server_end(&s.server);
    CHECK(secure_server_begin(&s.server, &s.p, &e) == 0, "%s", e.text);
    CHECK(secure_server_take(&s.server, -1, again.data, again.size, &e) == -1 &&
              strstr(e.text, "another session"),
          "%s", e.text);
    session_end(&other);
    session_end(&s);
    bytes_free(&out);
    bytes_free(&again);
}

static void check_parameters(void)
{
    struct secure_parameters good = {.sites = 6,
                                     .threshold = 4,
                                     .bits = 64,
                                     .range = 4,
                                     .weight_max = 500,
                                     .count = 10},
                             p;
    struct error e = {""};
    CHECK(secure_parameters_check(&good, &e) == 0, "%s", e.text);
#define REFUSED(change, word)                                                                                \
    p = good;                                                                                                \
    p.change;                                                                                                \
    CHECK(secure_parameters_check(&p, &e) == -1 && strstr(e.text, word), #change ": %s", e.text)
    REFUSED(sites = 2, "3 to 255");
    REFUSED(sites = 256, "3 to 255");
    REFUSED(threshold = 3, "more than half");
    REFUSED(threshold = 7, "at most all");
    REFUSED(bits = 16, "32 or 64");
    REFUSED(range = NAN, "range");
    REFUSED(range = 0, "range");
    REFUSED(weight_max = 0, "weight");
    REFUSED(count = 0, "values");
    REFUSED(bits = 32; p.weight_max = 1 << 20, "levels");
#undef REFUSED
}

/* ---- damage ------------------------------------------------------------------------------------------ */

/* Every cut and every flipped bit of a message that the server takes is refused; with a hash that fits again,
 * it is taken or refused, but nothing else happens (the sanitizers watch). */
static void damage_message(struct secure_server *s, const struct bytes *good)
{
    struct error e;
    int accepted = 0;
    unsigned char *m = malloc(good->size);
    for (size_t n = 0; n < good->size; n++) {
        unsigned char *cut = malloc(n + 1);
        memcpy(cut, good->data, n);
        accepted += secure_server_take(s, -1, cut, n, &e) == 0;
        if (n >= 72) rehash(cut, n);
        accepted += secure_server_take(s, -1, cut, n, &e) == 0;
        free(cut);
    }
    for (size_t i = 0; i < 8 * good->size; i++) {
        memcpy(m, good->data, good->size);
        m[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += secure_server_take(s, -1, m, good->size, &e) == 0;
    }
    CHECK(accepted == 0, "stage %d: %d damaged messages are accepted", s->stage, accepted);
    free(m);
}

static void damage_questions(struct session *s, int k, enum secure_stage stage)
{
    struct error e;
    struct bytes out = {0};
    int accepted = 0;
    for (int hash = 0; hash < 2; hash++)
        for (size_t i = 0; i < 9 * s->asked.size; i += hash ? 13 : 1) { /* cuts, then flipped bits */
            struct secure_site copy = s->site[k];
            size_t n = i < s->asked.size ? i : s->asked.size;
            unsigned char *m = malloc(n + 1);
            memcpy(m, s->asked.data, n);
            if (i >= s->asked.size) m[(i - n) / 8] ^= (unsigned char)(1 << (i - n) % 8);
            if (hash && n >= 72 && (i < n || (i - n) / 8 < n - 32)) rehash(m, n);
            int status = stage == SECURE_SHARES   ? secure_site_share(&copy, m, n, &s->random, &out, &e)
                         : stage == SECURE_MASKED ? secure_site_mask(&copy, m, n, s->x[k], 1, NULL, &out, &e)
                                                  : secure_site_reveal(&copy, m, n, &out, &e);
            accepted += !hash && status == 0;
            if (status && memcmp(&copy, &s->site[k], sizeof copy) != 0) accepted++;
            out.size = 0;
            free(m);
        }
    CHECK(accepted == 0, "stage %d: %d damaged questions are accepted or leave a trace", stage, accepted);
    bytes_free(&out);
}

static void damage_states(const struct session *s)
{
    struct error e;
    struct bytes b = {0};
    int accepted = 0;
    for (int server = 0; server < 2; server++) {
        b.size = 0;
        if (server) secure_server_write(&s->server, &b);
        else secure_site_write(&s->site[1], &b);
        for (int hash = 0; hash < 2; hash++)
            for (size_t i = 0; i < 2 * b.size; i++) {
                struct secure_site site;
                struct secure_server copy;
                size_t n = i < b.size ? i : b.size;
                unsigned char *m = malloc(n + 1);
                memcpy(m, b.data, n);
                if (i >= n && n == b.size) m[i - n] ^= (unsigned char)(1 << i % 8);
                if (hash && n >= 72) rehash(m, n);
                int status = server ? secure_server_read(&copy, m, n, &e) : secure_site_read(&site, m, n, &e);
                if (server && status == 0) secure_server_end(&copy);
                accepted += (!hash || n < b.size) && status == 0;
                free(m);
            }
    }
    CHECK(accepted == 0, "%d damaged states are accepted", accepted);
    bytes_free(&b);
}

static void check_damage(void)
{
    struct session s;
    struct error e = {""};
    int but_one[3] = {NEVER, NEVER, 0};
    session_begin(&s, 3, 2, 32, 5, 60);
    for (int stage = SECURE_KEYS; stage <= SECURE_REVEAL; stage++) {
        if (stage > SECURE_KEYS) {
            CHECK(secure_server_message(&s.server, 1, &s.asked, &e) == 0, "%s", e.text);
            damage_questions(&s, 1, (enum secure_stage)stage);
        }
        session_stage(&s, (enum secure_stage)stage, but_one);
        int the_last[3] = {0, 0, NEVER}; /* its message damaged, then whole */
        s.asked.size = s.sent[2].size = 0;
        if (stage > SECURE_KEYS) CHECK(secure_server_message(&s.server, 2, &s.asked, &e) == 0, "%s", e.text);
        struct secure_site copy = s.site[2];
        struct randomness random = s.random;
        if (stage == SECURE_KEYS) secure_site_begin(&copy, &s.p, 2, &random, &s.sent[2], &e);
        else if (stage == SECURE_SHARES)
            secure_site_share(&copy, s.asked.data, s.asked.size, &random, &s.sent[2], &e);
        else if (stage == SECURE_MASKED)
            secure_site_mask(&copy, s.asked.data, s.asked.size, s.x[2], 3, NULL, &s.sent[2], &e);
        else secure_site_reveal(&copy, s.asked.data, s.asked.size, &s.sent[2], &e);
        damage_message(&s.server, &s.sent[2]);
        session_stage(&s, (enum secure_stage)stage, the_last);
        damage_states(&s);
        if (stage < SECURE_REVEAL) CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
    }
    session_end(&s);
}

/* What the server sees of a vector of zeros and of one of fours cannot be told apart: both are uniform
 * bytes. */
static void check_masked(void)
{
    enum { COUNT = 20000 };
    double statistic[2];
    for (int kind = 0; kind < 2; kind++) {
        struct session s;
        struct error e;
        int all[3] = {NEVER, NEVER, NEVER}, count[256] = {0};
        session_begin(&s, 3, 2, 32, COUNT, 70);
        for (int i = 0; i < COUNT; i++) s.x[0][i] = kind ? 4.0f : 0.0f;
        for (int stage = SECURE_KEYS; stage <= SECURE_MASKED; stage++) {
            session_stage(&s, (enum secure_stage)stage, all);
            if (stage < SECURE_MASKED) CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
        }
        for (int i = 0; i < 4 * COUNT; i++) count[s.sent[0].data[40 + i]]++;
        statistic[kind] = 0;
        for (int v = 0; v < 256; v++) statistic[kind] += (count[v] - 312.5) * (count[v] - 312.5) / 312.5;
        /* Chi-square with 255 degrees of freedom: mean 255, deviation 22.6. */
        CHECK(statistic[kind] > 255 - 5 * 22.6 && statistic[kind] < 255 + 5 * 22.6,
              "bytes of a masked vector: chi-square %g", statistic[kind]);
        session_end(&s);
    }
}

int main(int argc, char **argv)
{
    all_of_it = argc > 1 && strcmp(argv[1], "long") == 0;
    check_parameters();
    check_sessions();
    check_threshold();
    check_refusals();
    check_damage();
    check_masked();
    return check_done("check_secure");
}
