/* media/image/grid.c: see grid.h. */
#include "media/image/grid.h"

#define MOST_FACTOR 1024
#define MOST_MARGIN 4096
#define MOST_CELLS ((size_t)1 << 20)
#define SQUARE 8 /* side of a square of the chequerboard, in pixels of the result */
#define DARK 204 /* grey of every second square */

size_t fig__image_factor(size_t w, size_t h, size_t side) {
    size_t longer = FIG_MAX(FIG_MAX(w, h), (size_t)1);
    return FIG_MIN(FIG_MAX(side / longer, (size_t)1), (size_t)MOST_FACTOR);
}

fig_status fig__image_enlarge(fig_context *ctx, const fig__image *in, size_t factor, fig__image *out) {
    *out = (fig__image){0};
    FIG_CHECK(ctx, factor >= 1 && factor <= MOST_FACTOR, FIG_ERR_ARG, "a picture enlarged %zu times; 1 to 1024",
              factor);
    FIG_TRY(fig__image_size(ctx, "enlarged", in->w * factor, in->h * factor, in->c, out));
    for (size_t y = 0; y < out->h; y++) {
        uint8_t *row = out->data + y * out->w * out->c;
        if (y % factor) {
            memcpy(row, row - out->w * out->c, out->w * out->c);
            continue;
        }
        for (size_t x = 0; x < out->w; x++)
            memcpy(row + x * out->c, in->data + (y / factor * in->w + x / factor) * in->c, in->c);
    }
    return FIG_OK;
}

/* --- grids ------------------------------------------------------------------------------------------------------*/

typedef struct sheet {
    const fig__grid *grid;
    fig__image *out;
    size_t factor, cell_w, cell_h; /* cells in pixels of the result */
} sheet;

static void fill(fig__image *out, const uint8_t colour[3]) {
    for (size_t i = 0; i < out->w * out->h; i++) memcpy(out->data + 3 * i, colour, 3);
}

static uint8_t blend(uint8_t over, uint8_t under, uint8_t alpha) {
    return (uint8_t)((over * alpha + under * (255 - alpha) + 127) / 255);
}

/* One cell from RGBA. */
static void draw_cell(const sheet *s, const fig__image *rgba, size_t left, size_t top) {
    for (size_t y = 0; y < s->cell_h; y++)
        for (size_t x = 0; x < s->cell_w; x++) {
            const uint8_t *p = rgba->data + (y / s->factor * rgba->w + x / s->factor) * 4;
            uint8_t *to = s->out->data + ((top + y) * s->out->w + left + x) * 3;
            uint8_t under = s->grid->chequered && (x / SQUARE + y / SQUARE) % 2 ? DARK : 255;
            for (size_t k = 0; k < 3; k++) to[k] = blend(p[k], under, p[3]);
        }
}

static fig_status draw_cells(fig_context *ctx, const sheet *s, const fig__image *images, size_t n, size_t columns) {
    size_t margin = s->grid->margin;
    for (size_t i = 0; i < n; i++) {
        fig__image rgba;
        FIG_TRY(fig__image_channels(ctx, &images[i], 4, &rgba));
        draw_cell(s, &rgba, margin + i % columns * (s->cell_w + margin), margin + i / columns * (s->cell_h + margin));
        fig__image_free(ctx, &rgba);
    }
    return FIG_OK;
}

/* The fewest columns that leave a grid of square cells no taller than wide. */
static size_t about_square(size_t n) {
    size_t columns = 1;
    while (columns * columns < n) columns++;
    return columns;
}

static fig_status check(fig_context *ctx, const fig__image *images, size_t n, const fig__grid *grid) {
    FIG_CHECK(ctx, n >= 1 && n <= MOST_CELLS, FIG_ERR_ARG, "a grid of %zu pictures; 1 to %zu", n, MOST_CELLS);
    FIG_CHECK(ctx, grid->factor <= MOST_FACTOR && grid->margin <= MOST_MARGIN, FIG_ERR_ARG,
              "a grid enlarged %zu times with a margin of %zu; 1024 and 4096 are the most", grid->factor, grid->margin);
    for (size_t i = 1; i < n; i++)
        FIG_CHECK(ctx, images[i].w == images[0].w && images[i].h == images[0].h, FIG_ERR_SHAPE,
                  "a grid of pictures of %zu x %zu and of %zu x %zu; all must have one size", images[0].w, images[0].h,
                  images[i].w, images[i].h);
    return FIG_OK;
}

fig_status fig__image_grid(fig_context *ctx, const fig__image *images, size_t n, const fig__grid *grid,
                           fig__image *out) {
    *out = (fig__image){0};
    FIG_TRY(check(ctx, images, n, grid));
    size_t columns = FIG_MIN(grid->columns ? grid->columns : about_square(n), n), factor = FIG_MAX(grid->factor, 1u);
    sheet s = {grid, out, factor, images[0].w * factor, images[0].h * factor};
    size_t rows = fig__ceil_div(n, columns), w = grid->margin + columns * (s.cell_w + grid->margin),
           h = grid->margin + rows * (s.cell_h + grid->margin);
    FIG_TRY(fig__image_size(ctx, "grid", w, h, 3, out));
    fill(out, grid->colour);
    fig_status status = draw_cells(ctx, &s, images, n, columns);
    if (status) fig__image_free(ctx, out);
    return status;
}
