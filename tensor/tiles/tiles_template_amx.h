/* tiles_template_amx.h - the product of tiles.h on AMX tiles. No include guard: included with the six
 * instructions as macros, the machine's by tiles_amx.c, an emulation by the test, so that these very
 * lines run on machines without AMX.
 *
 * TILE_CONFIG(p), TILE_RELEASE(), TILE_ZERO(t), TILE_LOAD(t, p, stride), TILE_STORE(t, p, stride),
 * TILE_DOT(c, a, b); strides in bytes, tiles are number literals. c are tiles 0 to 3 (two rows of two), a 4
 * and 5, b 6 and 7; all are 16 rows of 64 bytes.
 */

struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static void begin(void)
{
    struct tile_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    TILE_CONFIG(&config);
}

static void end(void)
{
    TILE_RELEASE();
}

/* tall: 32 rows, or 16. wide: 32 columns, or 16. */
static inline __attribute__((always_inline)) void product_tiles(const struct tile_product *t, const int tall,
                                                                const int wide)
{
    const size_t c_row = (size_t)t->width * sizeof *t->c, a_row = t->a_row * sizeof *t->a,
                 b_row = (size_t)t->width * 2 * sizeof *t->b;
    float *const lower = t->c + 16 * t->width;
    if (t->accumulate) {
        TILE_LOAD(0, t->c, c_row);
        if (wide) TILE_LOAD(1, t->c + 16, c_row);
        if (tall) TILE_LOAD(2, lower, c_row);
        if (tall && wide) TILE_LOAD(3, lower + 16, c_row);
    } else {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    }
    const uint16_t *b = t->b;
    for (int s = 0; s < t->steps; s++, b += TILE_DEPTH * t->width) {
        const uint16_t *a = t->a + t->offset[s];
        TILE_LOAD(6, b, b_row);
        if (wide) TILE_LOAD(7, b + 32, b_row);
        TILE_LOAD(4, a, a_row);
        if (tall) TILE_LOAD(5, a + 16 * t->a_row, a_row);
        TILE_DOT(0, 4, 6);
        if (wide) TILE_DOT(1, 4, 7);
        if (tall) TILE_DOT(2, 5, 6);
        if (tall && wide) TILE_DOT(3, 5, 7);
    }
    TILE_STORE(0, t->c, c_row);
    if (wide) TILE_STORE(1, t->c + 16, c_row);
    if (tall) TILE_STORE(2, lower, c_row);
    if (tall && wide) TILE_STORE(3, lower + 16, c_row);
}

static void product(const struct tile_product *t)
{
    const int tall = t->rows > 16, wide = t->width > 16;
    if (tall && wide)
        product_tiles(t, 1, 1);
    else if (tall)
        product_tiles(t, 1, 0);
    else if (wide)
        product_tiles(t, 0, 1);
    else
        product_tiles(t, 0, 0);
}
