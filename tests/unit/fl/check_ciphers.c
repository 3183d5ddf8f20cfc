/* check_ciphers.c - what secure aggregation is made of: the vectors of RFC 7748, 8439 and 5869, and the
 * sharing of secrets. */
#include "fl/privacy/chacha20.h"
#include "fl/privacy/hkdf.h"
#include "fl/privacy/shamir.h"
#include "fl/privacy/x25519.h"
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

/* With the argument "long": the 1000 iterations of RFC 7748. */
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

int main(int argc, char **argv)
{
    all_of_it = argc > 1 && strcmp(argv[1], "long") == 0;
    check_x25519();
    check_chacha20();
    check_hkdf();
    check_shamir();
    return check_done("check_ciphers");
}
