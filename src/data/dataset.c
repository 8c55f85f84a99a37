/* data/dataset.c: a prepared dataset in use: shards mapped, windows of tokens cut out of them.
 *
 * Token i of a split lies in shard i / shard_tokens; a window may reach across shards. */
#include "base/rng.h"
#include "data/manifest.h"
#include "data/shard.h"
#include <stdio.h>
#include <sys/mman.h>

/* Over this size random windows would read ahead pages that nobody asks for; under it, reading ahead is what brings
 * the corpus into memory quickly. */
#define RANDOM_ADVICE_BYTES (1u << 30)

typedef struct split_shards {
    fig__mapping *maps;
    size_t n;
    uint64_t n_tokens;
} split_shards;

struct fig_dataset {
    fig_context *ctx;
    fig__manifest manifest;
    split_shards split[FIG_SPLIT_COUNT];
};

bool fig_dataset_is_prepared(const char *path) {
    char name[4096], head[256];
    if (snprintf(name, sizeof name, "%s/" FIG__MANIFEST_NAME, path) >= (int)sizeof name) return false;
    FILE *file = fopen(name, "rbe");
    if (!file) return false;
    size_t n = fread(head, 1, sizeof head - 1, file);
    fclose(file);
    head[n] = 0;
    return strstr(head, "\"figment-dataset\"") != NULL;
}

/* --- opening ----------------------------------------------------------------------------------------------*/

static fig_status map_shard(fig_dataset *ds, const char *path, uint64_t expected, fig__mapping *map) {
    fig__shard_head head;
    FIG_TRY(fig__file_map(ds->ctx, path, map));
    FIG_TRY(fig__shard_header(ds->ctx, path, map->data, map->size, map->size, &head));
    FIG_CHECK(ds->ctx, head.n_tokens == expected && head.token_bytes == ds->manifest.token_bytes, FIG_ERR_FORMAT,
              "%s: does not fit the manifest beside it; prepare the data again", path);
    uint64_t train_bytes = ds->manifest.info.split[FIG_SPLIT_TRAIN].n_tokens * (unsigned)head.token_bytes;
    if (train_bytes > RANDOM_ADVICE_BYTES) madvise((void *)(uintptr_t)map->data, map->size, MADV_RANDOM);
    return FIG_OK;
}

static fig_status map_split(fig_dataset *ds, const char *dir, fig_data_split which) {
    split_shards *split = &ds->split[which];
    uint64_t per_shard = ds->manifest.shard_tokens, left = ds->manifest.info.split[which].n_tokens;
    size_t n_shards = (size_t)fig__ceil_div(left, per_shard);
    split->n_tokens = left;
    if (!n_shards) return FIG_OK;
    if (!(split->maps = FIG_NEW_N(ds->ctx, fig__mapping, n_shards))) return FIG_ERR_NOMEM;
    for (; split->n < n_shards; left -= FIG_MIN(left, per_shard)) {
        char *path = fig__shard_path(ds->ctx, dir, which, split->n);
        if (!path) return FIG_ERR_NOMEM;
        fig_status status = map_shard(ds, path, FIG_MIN(left, per_shard), &split->maps[split->n++]);
        fig__free(ds->ctx, path);
        if (status) return status;
    }
    return FIG_OK;
}

fig_status fig_dataset_open(fig_context *ctx, const char *dir, fig_dataset **out) {
    *out = NULL;
    FIG_CHECK(ctx, fig_dataset_is_prepared(dir), FIG_ERR_NOTFOUND, "%s: is no prepared dataset (no manifest.json)",
              dir);
    fig_dataset *ds = FIG_NEW(ctx, fig_dataset);
    if (!ds) return FIG_ERR_NOMEM;
    ds->ctx = ctx;
    fig_status status = fig__manifest_load(ctx, dir, &ds->manifest);
    for (int i = 0; i < FIG_SPLIT_COUNT && !status; i++) status = map_split(ds, dir, (fig_data_split)i);
    if (status)
        fig_dataset_close(ds);
    else
        *out = ds;
    return status;
}

void fig_dataset_close(fig_dataset *ds) {
    if (!ds) return;
    for (int s = 0; s < FIG_SPLIT_COUNT; s++) {
        for (size_t i = 0; i < ds->split[s].n; i++) fig__file_unmap(&ds->split[s].maps[i]);
        fig__free(ds->ctx, ds->split[s].maps);
    }
    fig__manifest_deinit(ds->ctx, &ds->manifest);
    fig__free(ds->ctx, ds);
}

const fig_dataset_info *fig_dataset_get_info(const fig_dataset *ds) { return &ds->manifest.info; }

/* --- windows ----------------------------------------------------------------------------------------------*/

/* Copies n tokens from one shard; returns the largest. */
static uint32_t copy_run(const uint8_t *tokens, int token_bytes, uint64_t from, size_t n, int32_t *out) {
    uint32_t largest = 0;
    if (token_bytes == 2) {
        const uint16_t *in = (const uint16_t *)(const void *)tokens + from;
        for (size_t i = 0; i < n; i++) {
            out[i] = in[i];
            largest = FIG_MAX(largest, in[i]);
        }
    } else {
        const uint32_t *in = (const uint32_t *)(const void *)tokens + from;
        for (size_t i = 0; i < n; i++) {
            out[i] = (int32_t)in[i];
            largest = FIG_MAX(largest, in[i]);
        }
    }
    return largest;
}

static fig_status copy_tokens(fig_dataset *ds, fig_data_split which, uint64_t from, size_t n, int32_t *out) {
    uint64_t per_shard = ds->manifest.shard_tokens;
    while (n) {
        uint64_t shard = from / per_shard, at = from % per_shard;
        size_t part = (size_t)FIG_MIN(n, per_shard - at);
        const uint8_t *tokens = ds->split[which].maps[shard].data + FIG__SHARD_HEADER_BYTES;
        uint32_t largest = copy_run(tokens, ds->manifest.token_bytes, at, part, out);
        /* A wrong id would be read as a row past the end of the embedding. */
        FIG_CHECK(ds->ctx, largest < (uint32_t)ds->manifest.info.vocab_size, FIG_ERR_FORMAT,
                  "%s shard %llu: token %u does not exist in a vocabulary of %d; prepare the data again",
                  fig_split_name(which), (unsigned long long)shard, largest, ds->manifest.info.vocab_size);
        from += part;
        out += part;
        n -= part;
    }
    return FIG_OK;
}

/* A window of n_targets <= block predicted tokens from position `from`; the rest of the row is padding. */
static fig_status fill_row(fig_dataset *ds, const fig_batch_spec *spec, uint64_t from, size_t n_targets,
                           int32_t *inputs, int32_t *targets) {
    size_t block = (size_t)spec->block_size;
    if (n_targets) {
        FIG_TRY(copy_tokens(ds, spec->split, from, n_targets, inputs));
        memcpy(targets, inputs + 1, (n_targets - 1) * sizeof *inputs);
        FIG_TRY(copy_tokens(ds, spec->split, from + n_targets, 1, targets + n_targets - 1));
    }
    for (size_t i = n_targets; i < block; i++) {
        inputs[i] = 0;
        targets[i] = -1;
    }
    return FIG_OK;
}

static uint64_t n_targets_in(const fig_dataset *ds, const fig_batch_spec *spec) {
    uint64_t n = ds->split[spec->split].n_tokens;
    return n ? n - 1 : 0;
}

uint64_t fig_dataset_n_windows(const fig_dataset *ds, const fig_batch_spec *spec) {
    uint64_t n = n_targets_in(ds, spec), block = (uint64_t)FIG_MAX(spec->block_size, 1);
    return spec->sampler == FIG_SAMPLER_SEQUENTIAL ? fig__ceil_div(n, block) : n / block;
}

/* Where the window of an epoch's i-th place begins. What is left over after whole windows is used by letting the first
 * window start later, by another amount each epoch. */
static uint64_t epoch_offset(const fig_dataset *ds, const fig_batch_spec *spec, uint64_t sample) {
    uint64_t n_windows = fig_dataset_n_windows(ds, spec), block = (uint64_t)spec->block_size;
    fig_rng_key key = {spec->seed, fig__rng_stream("data.epoch"), sample / n_windows};
    uint64_t spare = n_targets_in(ds, spec) % block;
    fig_rng_key shift = {spec->seed, fig__rng_stream("data.shift"), key.step};
    return fig__rng_below(&shift, 0, 0, spare + 1) + block * fig__rng_permute(&key, sample % n_windows, n_windows);
}

static uint64_t random_offset(const fig_dataset *ds, const fig_batch_spec *spec, uint64_t sample) {
    fig_rng_key key = {spec->seed, fig__rng_stream("data"), 0};
    return fig__rng_below(&key, sample, 0, n_targets_in(ds, spec) - (uint64_t)spec->block_size + 1);
}

static fig_status fill_sample(fig_dataset *ds, const fig_batch_spec *spec, uint64_t sample, int32_t *inputs,
                              int32_t *targets) {
    uint64_t block = (uint64_t)spec->block_size, n = n_targets_in(ds, spec);
    if (spec->sampler == FIG_SAMPLER_RANDOM)
        return fill_row(ds, spec, random_offset(ds, spec, sample), block, inputs, targets);
    if (spec->sampler == FIG_SAMPLER_EPOCH)
        return fill_row(ds, spec, epoch_offset(ds, spec, sample), block, inputs, targets);
    uint64_t from = sample < n / block + 1 ? sample * block : n;
    return fill_row(ds, spec, from, (size_t)FIG_MIN(block, n - from), inputs, targets);
}

fig_status fig_dataset_batch(fig_dataset *ds, const fig_batch_spec *spec, uint64_t first_sample, int rows,
                             int32_t *inputs, int32_t *targets) {
    FIG_CHECK(ds->ctx, spec->block_size > 0 && (unsigned)spec->split < FIG_SPLIT_COUNT, FIG_ERR_ARG,
              "block_size is %d; it should be 1 or more", spec->block_size);
    FIG_CHECK(ds->ctx, spec->sampler == FIG_SAMPLER_SEQUENTIAL || fig_dataset_n_windows(ds, spec), FIG_ERR_ARG,
              "the %s split has %llu tokens, too few for one context of %d (block_size) and the token after it; give "
              "more text or lower block_size",
              fig_split_name(spec->split), (unsigned long long)ds->split[spec->split].n_tokens, spec->block_size);
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * (size_t)spec->block_size;
        FIG_TRY(fill_sample(ds, spec, first_sample + (uint64_t)r, inputs + at, targets + at));
    }
    return FIG_OK;
}
