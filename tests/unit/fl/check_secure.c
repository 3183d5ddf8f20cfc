/* check_secure.c - secure aggregation: the vectors of RFC 7748, 8439 and 5869, secret sharing, whole sessions
 * with sites lost at every stage, what must be refused, and damaged messages and states. */
#include "fl/privacy/chacha20.h"
#include "fl/privacy/hkdf.h"
#include "fl/privacy/secure.h"
#include "io/base/sha256.h"
#include "tensor/base/rng.h"
#include "tests/unit/expect.h"

/* ---- published vectors ------------------------------------------------------------------------------- */

static size_t from_hex(unsigned char *out, const char *hex)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (unsigned char)strtoul(two, NULL, 16);
    }
    return n;
}

static int is_hex(const unsigned char *got, const char *hex)
{
    unsigned char want[512];
    size_t n = from_hex(want, hex);
    return memcmp(got, want, n) == 0;
}

/* With the argument "long": the 1000 iterations of RFC 7748 and every session of 20 sites. */
static int all_of_it;

static void check_x25519(void)
{
    static const char *const vector[][3] = {
        /* RFC 7748, 5.2: scalar, u, result */
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"}};
    unsigned char k[32] = {9}, u[32] = {9}, out[32], zero[32] = {0};
    for (int i = 0; i < 2; i++) {
        unsigned char scalar[32], point[32];
        from_hex(scalar, vector[i][0]);
        from_hex(point, vector[i][1]);
        CHECK(x25519(out, scalar, point) == 0 && is_hex(out, vector[i][2]), "RFC 7748 vector %d", i);
    }
    for (int i = 1; i <= (all_of_it ? 1000 : 1); i++) { /* the iterated vectors */
        x25519(out, k, u);
        memcpy(u, k, 32);
        memcpy(k, out, 32);
        if (i == 1)
            CHECK(is_hex(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"), "after 1");
    }
    if (all_of_it)
        CHECK(is_hex(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"), "after 1000");
    struct randomness r;
    randomness_for_tests(&r, 1);
    for (int i = 0; i < 5; i++) {
        unsigned char a[32], b[32], pa[32], pb[32], ab[32], ba[32];
        randomness_bytes(&r, a, 32);
        randomness_bytes(&r, b, 32);
        x25519_public(pa, a);
        x25519_public(pb, b);
        CHECK(x25519(ab, a, pb) == 0 && x25519(ba, b, pa) == 0 && memcmp(ab, ba, 32) == 0, "pair %d", i);
    }
    CHECK(x25519(out, k, zero) == -1, "the key of order 1 is accepted");
    zero[0] = 1;
    CHECK(x25519(out, k, zero) == -1, "the key of order 4 is accepted");
    from_hex(zero, "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    CHECK(x25519(out, k, zero) == -1, "p - 1, of order 4, is accepted");
}

static void check_chacha20(void)
{
    static const char sunscreen[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
        "the future, sunscreen would be it.";
    enum { N = sizeof sunscreen - 1 };
    unsigned char key[32], nonce[12], out[N + 16], back[N], tag[16], extra[12];
    for (int i = 0; i < 32; i++) key[i] = (unsigned char)i;
    from_hex(nonce, "000000090000004a00000000"); /* RFC 8439, 2.3.2 */
    chacha20_stream(out, 64, key, nonce, 1);
    CHECK(is_hex(out, "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
                      "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"),
          "block");
    from_hex(nonce, "000000000000004a00000000"); /* 2.4.2 */
    chacha20_xor(out, (const unsigned char *)sunscreen, N, key, nonce, 1);
    CHECK(is_hex(out, "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab"
                      "8f593dabcd62b3571639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e"
                      "52bc514d16ccf806818ce91ab77937365af90bbf74a35be6b40b8eedf2785e42874d"),
          "cipher");
    from_hex(key, "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"); /* 2.5.2 */
    poly1305(tag, "Cryptographic Forum Research Group", 34, key);
    CHECK(is_hex(tag, "a8061dc1305136c6c22b8baf0c0127a9"), "Poly1305");
    static const char *const edge[][3] = {
        /* A.3, numbers 7 to 11: key, data, tag */
        {"0200000000000000000000000000000000000000000000000000000000000000",
         "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000"},
        {"02000000000000000000000000000000ffffffffffffffffffffffffffffffff",
         "02000000000000000000000000000000", "03000000000000000000000000000000"},
        {"0100000000000000000000000000000000000000000000000000000000000000",
         "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff11000000000000000000000000000000",
         "05000000000000000000000000000000"},
        {"0100000000000000000000000000000000000000000000000000000000000000",
         "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe01010101010101010101010101010101",
         "00000000000000000000000000000000"},
        {"0200000000000000000000000000000000000000000000000000000000000000",
         "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"}};
    for (int i = 0; i < 5; i++) {
        unsigned char data[64];
        from_hex(key, edge[i][0]);
        size_t n = from_hex(data, edge[i][1]);
        poly1305(tag, data, n, key);
        CHECK(is_hex(tag, edge[i][2]), "Poly1305 at the edges, vector %d", i + 7);
    }
    for (int i = 0; i < 32; i++) key[i] = (unsigned char)(0x80 + i); /* 2.8.2 */
    from_hex(nonce, "070000004041424344454647");
    from_hex(extra, "50515253c0c1c2c3c4c5c6c7");
    aead_seal(out, (const unsigned char *)sunscreen, N, extra, 12, key, nonce);
    CHECK(is_hex(out, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca96712"
                      "82fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58"
                      "fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"
                      "1ae10b594f09e26a7e902ecbd0600691"),
          "sealed");
    CHECK(aead_open(back, out, N, extra, 12, key, nonce) == 0 && memcmp(back, sunscreen, N) == 0, "opened");
    int accepted = 0;
    for (size_t i = 0; i < 8 * sizeof out; i++) {
        out[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += aead_open(back, out, N, extra, 12, key, nonce) == 0;
        out[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    CHECK(accepted == 0, "%d flipped bits are accepted", accepted);
    /* Any cut of the stream is the stream. */
    static unsigned char whole[3000], part[3000];
    chacha20_stream(whole, sizeof whole, key, nonce, 5);
    chacha20_stream(part, 64 * 9, key, nonce, 5);
    chacha20_stream(part + 64 * 9, sizeof part - 64 * 9, key, nonce, 5 + 9);
    CHECK(memcmp(whole, part, sizeof whole) == 0, "the stream in two parts differs");
}

static void check_hkdf(void)
{
    unsigned char secret[80], salt[80], info[80], out[82];
    memset(secret, 0x0b, 22); /* RFC 5869, A.1 to A.3 */
    for (int i = 0; i < 13; i++) salt[i] = (unsigned char)i;
    for (int i = 0; i < 10; i++) info[i] = (unsigned char)(0xf0 + i);
    hkdf_sha256(out, 42, secret, 22, salt, 13, info, 10);
    CHECK(is_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
          "A.1");
    hkdf_sha256(out, 42, secret, 22, NULL, 0, NULL, 0);
    CHECK(is_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
          "A.3");
    for (int i = 0; i < 80; i++)
        secret[i] = (unsigned char)i, salt[i] = (unsigned char)(0x60 + i),
        info[i] = (unsigned char)(0xb0 + i);
    hkdf_sha256(out, 82, secret, 80, salt, 80, info, 80);
    CHECK(is_hex(out,
                 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
                 "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
          "A.2");
}

static void check_shamir(void)
{
    struct randomness r;
    unsigned char secret[32], share[SHAMIR_SITES][32], subset[SHAMIR_SITES][32], back[32];
    static const int cases[][2] = {{1, 1}, {1, 3}, {2, 3}, {3, 5}, {11, 20}, {255, 255}, {128, 255}};
    randomness_for_tests(&r, 2);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int t = cases[c][0], n = cases[c][1], number[SHAMIR_SITES];
        struct rng rng = rng_stream(c, 0, 0, RNG_TEST);
        randomness_bytes(&r, secret, 32);
        shamir_split(&share[0][0], secret, 32, t, n, &r);
        for (int trial = 0; trial < 5; trial++) {
            for (int i = 0; i < n; i++) number[i] = i;
            rng_shuffle(&rng, number, n);
            for (int i = 0; i < t; i++) memcpy(subset[i], share[number[i]], 32);
            shamir_join(back, 32, &subset[0][0], number, t);
            CHECK(memcmp(back, secret, 32) == 0, "%d of %d", t, n);
            if (t < 2) continue;
            shamir_join(back, 32, &subset[0][0], number, t - 1);
            CHECK(memcmp(back, secret, 32) != 0, "%d of %d, one missing", t, n);
        }
    }
    /* A share of a 2-of-3 secret is uniform whatever the secret: each of 256 values comes 1/256 of the
     * time. */
    int count[256] = {0}, worst = 0;
    unsigned char zero = 0, three[3];
    for (int i = 0; i < 51200; i++) {
        shamir_split(three, &zero, 1, 2, 3, &r);
        count[three[1]]++;
    }
    for (int i = 0; i < 256; i++) worst = abs(count[i] - 200) > worst ? abs(count[i] - 200) : worst;
    CHECK(worst < 71, "a share is %d away from 200: more than five deviations of 14.1", worst);
}

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

static void session_begin(struct session *s, int sites, int threshold, int bits, uint64_t count,
                          uint64_t seed)
{
    struct error e;
    memset(s, 0, sizeof *s);
    s->p = (struct secure_parameters){
        .sites = sites, .threshold = threshold, .bits = bits, .range = 4, .weight_max = 500, .count = count};
    randomness_for_tests(&s->random, seed);
    CHECK(secure_parameters_begin(&s->p, &s->random, &e) == 0, "%s", e.text);
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
        CHECK(secure_server_take(&s->server, s->sent[k].data, s->sent[k].size, &e) == 0, "site %d: %s", k,
              e.text);
        CHECK(secure_server_take(&s->server, s->sent[k].data, s->sent[k].size, &e) == -1 &&
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
    session_stage(&s, SECURE_KEYS, all);
    CHECK(secure_server_next(&s.server, &e) == 0, "%s", e.text);
    CHECK(secure_server_take(&s.server, s.sent[0].data, s.sent[0].size, &e) == -1 && strstr(e.text, "kind"),
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
    /* A wrong reveal is noticed. */
    float mean[50];
    double weight;
    s.server.revealed[7] ^= 1;
    CHECK(secure_server_mean(&s.server, mean, &weight, &e) == -1 && strstr(e.text, "do not fit"), "%s",
          e.text);
    s.server.revealed[7] ^= 1;
    CHECK(secure_server_mean(&s.server, mean, &weight, &e) == 0, "%s", e.text);
    /* A message of another session. */
    struct session other;
    session_begin(&other, N, 4, 64, 50, 51);
    again.size = 0;
    CHECK(secure_site_begin(&other.site[0], &other.p, 0, &other.random, &again, &e) == 0, "%s", e.text);
    secure_server_end(&s.server);
    CHECK(secure_server_begin(&s.server, &s.p, &e) == 0, "%s", e.text);
    CHECK(secure_server_take(&s.server, again.data, again.size, &e) == -1 &&
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
    struct bytes b = {0};
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
    secure_parameters_write(&good, &b);
    CHECK(secure_parameters_read(&p, b.data, b.size, &e) == 0 && secure_quantum(&p) == secure_quantum(&good),
          "%s", e.text);
    int accepted = 0;
    for (size_t n = 0; n < b.size; n++) accepted += secure_parameters_read(&p, b.data, n, &e) == 0;
    for (size_t i = 0; i < 8 * b.size; i++) {
        b.data[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += secure_parameters_read(&p, b.data, b.size, &e) == 0;
        b.data[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    CHECK(accepted == 0, "%d damaged parameters are accepted", accepted);
    bytes_free(&b);
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
        accepted += secure_server_take(s, cut, n, &e) == 0;
        if (n >= 72) rehash(cut, n);
        accepted += secure_server_take(s, cut, n, &e) == 0;
        free(cut);
    }
    for (size_t i = 0; i < 8 * good->size; i++) {
        memcpy(m, good->data, good->size);
        m[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += secure_server_take(s, m, good->size, &e) == 0;
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
    check_x25519();
    check_chacha20();
    check_hkdf();
    check_shamir();
    check_parameters();
    check_sessions();
    check_threshold();
    check_refusals();
    check_damage();
    check_masked();
    return check_done("check_secure");
}
