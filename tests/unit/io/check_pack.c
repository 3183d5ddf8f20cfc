/* check_pack.c - checksums, deflate, gzip and zip: known answers, what other writers packed, round trips, and
 * every way to cut or flip a byte. Damage must give an error or a valid result, never a crash. Run under
 * sanitizers by check-all. */
#include <unistd.h>

#include "io/base/file.h"
#include "io/base/sha256.h"
#include "io/pack/gzip.h"
#include "io/pack/inflate.h"
#include "io/pack/zip.h"
#include "tests/unit/io/damage.h"

/* ---- checksums ----------------------------------------------------------------------------------------- */

static void check_sha256(void)
{
    char hex[65];
    sha256_hex(hex, "abc", 3); /* FIPS 180-4's examples */
    CHECK(strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0,
          "SHA-256 of abc: %s", hex);
    sha256_hex(hex, "", 0);
    CHECK(strcmp(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") == 0,
          "SHA-256 of nothing: %s", hex);
    sha256_hex(hex, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    CHECK(strcmp(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1") == 0,
          "SHA-256 of 56 bytes: %s", hex);
    char million[1000];
    unsigned char digest[32];
    struct sha256 s;
    memset(million, 'a', sizeof million);
    sha256_init(&s);
    for (int i = 0; i < 1000; i++) sha256_update(&s, million, sizeof million);
    sha256_final(&s, digest);
    CHECK(digest[0] == 0xcd && digest[1] == 0xc7 && digest[31] == 0xd0, "SHA-256 of a million a");
    unsigned char some[6400], parts[32]; /* many blocks at once, the same in pieces, and in plain C */
    for (size_t i = 0; i < sizeof some; i++) some[i] = (unsigned char)next_random();
    sha256_init(&s);
    struct sha256 plain = s;
    sha256_update(&s, some, sizeof some);
    sha256_blocks(plain.h, some, sizeof some / 64);
    CHECK(memcmp(s.h, plain.h, sizeof s.h) == 0, "SHA-256 of 100 blocks is that of plain C");
    sha256_final(&s, digest);
    sha256_init(&s);
    for (size_t at = 0, n = 1; at < sizeof some; at += n, n++)
        sha256_update(&s, some + at, at + n < sizeof some ? n : sizeof some - at);
    sha256_final(&s, parts);
    CHECK(memcmp(digest, parts, sizeof parts) == 0, "SHA-256 of 6400 bytes in pieces");
}

/* CRC-32 as it is defined, a bit at a time. */
static uint32_t crc_of(const unsigned char *p, size_t n)
{
    uint32_t v = ~0u;
    for (size_t i = 0; i < n; i++) {
        v ^= p[i];
        for (int k = 0; k < 8; k++) v = v & 1 ? v >> 1 ^ 0xedb88320u : v >> 1;
    }
    return ~v;
}

/* Long pieces are folded by a processor's products, short ones go through tables. */
static void check_crc(void)
{
    unsigned char some[700];
    int whole = 0, pieces = 0;
    for (size_t i = 0; i < sizeof some; i++) some[i] = (unsigned char)next_random();
    for (size_t n = 0; n <= 690; n++) {
        const unsigned char *p = some + n % 10;
        uint32_t crc = 0;
        whole += crc32_update(0, p, n) == crc_of(p, n);
        for (size_t at = 0, more = n % 63 + 1; at < n; at += more)
            crc = crc32_update(crc, p + at, at + more < n ? more : n - at);
        crc = crc32_update(crc, p + n, 10 - n % 10);
        pieces += crc == crc_of(p, n + 10 - n % 10);
    }
    CHECK(whole == 691, "CRC-32 of 0 to 690 bytes: %d of 691", whole);
    CHECK(pieces == 691, "CRC-32 of as many in pieces: %d of 691", pieces);
    uint32_t crc = crc32_update(0, some, 300);
    CHECK(crc32_update(crc, some + 300, 400) == crc_of(some, 700), "CRC-32 of two long pieces");
}

static void check_sums(void)
{
    CHECK(crc32_update(0, "123456789", 9) == 0xcbf43926, "CRC-32 of 123456789");
    CHECK(crc32_update(crc32_update(0, "1234", 4), "56789", 5) == 0xcbf43926, "CRC-32 in two parts");
    check_crc();
    CHECK(adler32_update(1, "Wikipedia", 9) == 0x11e60398, "Adler-32 of Wikipedia");
    check_sha256();
}

/* ---- deflate ------------------------------------------------------------------------------------------- */

static void check_round_trip(const unsigned char *data, size_t n, int level, const char *what)
{
    size_t packed_size, size = 0;
    struct error e = {""};
    unsigned char *out = NULL, *packed = gzip_compress(data, n, level, &packed_size);
    CHECK(packed && gzip_decompress(packed, packed_size, n, &out, &size, &e) == 0 && size == n &&
              memcmp(out, data, n) == 0,
          "gzip %s, %zu bytes, level %d: %s", what, n, level, e.text);
    free(out);
    if (n) {
        out = NULL;
        CHECK(gzip_decompress(packed, packed_size, n - 1, &out, &size, &e) == -1 &&
                  strstr(e.text, "more than"),
              "limit of %zu bytes is not kept", n - 1);
    }
    free(packed);
    packed = deflate_zlib(data, n, level, &packed_size);
    out = NULL;
    CHECK(packed && inflate_zlib(packed, packed_size, n, &out, &size, &e) == 0 && size == n &&
              memcmp(out, data, n) == 0,
          "zlib %s, %zu bytes, level %d: %s", what, n, level, e.text);
    free(out);
    free(packed);
}

static void check_deflate(void)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 257, 258, 259, 1000, 32768, 65535, 65536, 200000};
    static const char *const kinds[] = {"zeros", "noise", "four letters", "steps", "copies"};
    unsigned char *data = malloc(200000);
    for (int kind = 0; kind < 5; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fill(data, sizes[i], kind);
            for (int level = 1; level <= 9; level += sizes[i] > 70000 ? 4 : 1)
                check_round_trip(data, sizes[i], level, kinds[kind]);
        }
    size_t zeros, noise;
    fill(data, 200000, 0);
    free(gzip_compress(data, 200000, 6, &zeros));
    CHECK(zeros < 400, "200000 zeros pack to %zu bytes", zeros);
    fill(data, 200000, 1);
    free(gzip_compress(data, 200000, 6, &noise));
    CHECK(noise < 200000 + 200, "200000 bytes of noise pack to %zu bytes", noise);
    free(data);
}

/* Streams that zlib 1.2.13 made of "nephron nephron nephron 0123456789": fixed codes, stored, and gzip with a
 * file name. */
static void check_foreign(void)
{
    static const char want[] = "nephron nephron nephron 0123456789";
    static const unsigned char fixed[] = {0x78, 0x01, 0xcb, 0x4b, 0x2d, 0xc8, 0x28, 0xca, 0xcf, 0x53,
                                          0xc8, 0x43, 0xa3, 0x0d, 0x0c, 0x8d, 0x8c, 0x4d, 0x4c, 0xcd,
                                          0xcc, 0x2d, 0x2c, 0x01, 0xdf, 0x57, 0x0b, 0x5c};
    static const unsigned char stored[] = {1, 5, 0, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o'};
    unsigned char *out = NULL;
    size_t size, used;
    struct error e = {""};
    CHECK(inflate_zlib(fixed, sizeof fixed, 1000, &out, &size, &e) == 0 && size == sizeof want - 1 &&
              memcmp(out, want, size) == 0,
          "fixed codes: %s", e.text);
    free(out);
    out = NULL;
    CHECK(inflate_raw(stored, sizeof stored, 0, 1000, &out, &size, &used, &e) == 0 && size == 5 &&
              memcmp(out, "hello", 5) == 0 && used == sizeof stored,
          "stored block: %s", e.text);
    free(out);
    /* Two members, the first with a name and a comment. */
    unsigned char two[200];
    size_t n, m;
    unsigned char *a = gzip_compress((const unsigned char *)"first", 5, 6, &n),
                  *b = gzip_compress((const unsigned char *)"second", 6, 6, &m);
    memcpy(two, a, 10);
    two[3] = 8 | 16;
    memcpy(two + 10, "name\0comment\0", 13);
    memcpy(two + 23, a + 10, n - 10);
    memcpy(two + 13 + n, b, m);
    out = NULL;
    CHECK(gzip_decompress(two, 13 + n + m, 1000, &out, &size, &e) == 0 && size == 11 &&
              memcmp(out, "firstsecond", 11) == 0,
          "two members: %s", e.text);
    free(out);
    free(a);
    free(b);
}

static int try_gzip(const unsigned char *data, size_t size)
{
    unsigned char *out;
    size_t n;
    struct error e;
    if (gzip_decompress(data, size, 1 << 20, &out, &n, &e)) return -1;
    free(out);
    return 0;
}

static int try_zip(const unsigned char *data, size_t size)
{
    struct zip z;
    struct error e;
    int status = zip_open(&z, data, size, "test.zip", &e);
    for (int i = 0; !status && i < z.count; i++) {
        unsigned char *out;
        size_t n;
        if (zip_extract(&z, i, 1 << 20, &out, &n, &e)) status = 1;
        else free(out);
    }
    if (status >= 0) zip_free(&z);
    return status ? -1 : 0;
}

static void check_zip(void)
{
    struct error e = {""};
    unsigned char text[3000], *data;
    size_t size;
    fill(text, sizeof text, 4);
    struct file_out *f = file_create(in_folder("a.zip"), &e);
    struct zip_writer *w = zip_create(f);
    CHECK(zip_add(w, "stored", text, 100, 0, 64, &e) == 0 &&
              zip_add(w, "folder/deflated", text, sizeof text, 6, 1, &e) == 0 &&
              zip_add(w, "empty", text, 0, 6, 1, &e) == 0 && zip_finish(w, &e) == 0 &&
              file_commit(f, &e) == 0,
          "zip: %s", e.text);
    CHECK(file_read(in_folder("a.zip"), 0, &data, &size, &e) == 0, "%s", e.text);
    struct zip z;
    CHECK(zip_open(&z, data, size, "a.zip", &e) == 0 && z.count == 3, "%s", e.text);
    CHECK(strcmp(z.entry[1].name, "folder/deflated") == 0, "the second entry is %s", z.entry[1].name);
    CHECK((z.entry[0].data - data) % 64 == 0, "stored entry is not aligned");
    CHECK(z.entry[1].method == 8 && z.entry[1].packed < sizeof text, "entry is not packed");
    for (int i = 0; i < 3; i++) {
        unsigned char *out;
        size_t n, want = i == 0 ? 100 : i == 1 ? sizeof text : 0;
        CHECK(zip_extract(&z, i, 1 << 20, &out, &n, &e) == 0 && n == want && memcmp(out, text, n) == 0,
              "entry %d: %s", i, e.text);
        free(out);
    }
    unsigned char *out;
    size_t n;
    CHECK(zip_extract(&z, 1, 2999, &out, &n, &e) == -1, "the limit of an entry is not kept");
    zip_free(&z);
    check_damage(data, size, try_zip, "zip");
    free(data);
}

/* A stream is unpacked as far as is wanted, whatever comes behind. */
static void check_gzip_begin(void)
{
    enum { SIZE = 3000000 };
    struct error e = {""};
    unsigned char *data = calloc(SIZE, 1), *part;
    size_t packed_size, n;
    for (int i = 0; i < SIZE; i += 97) data[i] = (unsigned char)(i / 97);
    unsigned char *packed = gzip_compress(data, SIZE, 6, &packed_size);
    for (size_t want = 1; want <= SIZE; want = want * 7 + 3) {
        CHECK(!gzip_begin(packed, packed_size, want, &part, &n, &e) && n >= want && n <= want + 300 &&
                  memcmp(part, data, want) == 0,
              "%zu bytes: %s", want, e.text);
        free(part);
    }
    CHECK(!gzip_begin(packed, packed_size, 2 * SIZE, &part, &n, &e) && n == SIZE, "fewer than wanted: %s",
          e.text);
    free(part);
    CHECK(!gzip_begin(packed, packed_size / 2, 540, &part, &n, &e) && n >= 540,
          "the begin of what is cut off: %s", e.text);
    free(part);
    CHECK(gzip_begin(packed, packed_size / 2, SIZE, &part, &n, &e), "cut off before the end");
    unsigned char *twice = malloc(2 * packed_size);
    memcpy(twice, packed, packed_size);
    memcpy(twice + packed_size, packed, packed_size);
    CHECK(!gzip_begin(twice, 2 * packed_size, SIZE + 1000, &part, &n, &e) && n >= SIZE + 1000 &&
              memcmp(part + SIZE, data, 1000) == 0,
          "two members: %s", e.text);
    free(part);
    free(twice);
    free(packed);
    free(data);
}

int main(void)
{
    unsigned char text[400];
    size_t n;
    if (!mkdtemp(folder)) return 1;
    check_gzip_begin();
    check_sums();
    check_deflate();
    check_foreign();
    fill(text, sizeof text, 4);
    unsigned char *gz = gzip_compress(text, sizeof text, 6, &n);
    check_damage(gz, n, try_gzip, "gzip");
    free(gz);
    check_zip();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command)) printf("check_pack: %s is left behind\n", folder);
    return check_done("check_pack");
}
