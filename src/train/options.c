/* train/options.c: the settings of training, named as in nanoGPT. */
#include "train/train.h"

#define AT(field) offsetof(fig_train_options, field)
#define BIG 1e15
static const fig__option rows[] = {
    {.help = "training"},
    {.name = "out", .kind = FIG_OPT_STRING, .offset = AT(out_dir), .aliases = "out_dir output_dir", .value = "DIR", .help = "where the model, its log and checkpoints go"},
    {.name = "resume", .kind = FIG_OPT_BOOL, .offset = AT(resume), .help = "go on from the newest checkpoint in --out"},
    {.name = "force", .kind = FIG_OPT_BOOL, .offset = AT(force), .help = "replace a run that is in --out"},
    {.name = "max_iters", .kind = FIG_OPT_INT, .offset = AT(max_iters), .low = 0, .high = BIG, .fallback = "2000", .aliases = "iters steps max_steps", .help = "optimizer steps"},
    {.name = "minutes", .kind = FIG_OPT_REAL, .offset = AT(minutes), .low = 0, .high = 1e6, .fallback = "0", .help = "size the run to this much time instead"},
    {.name = "batch_size", .kind = FIG_OPT_INT, .offset = AT(batch_size), .low = 1, .high = 1 << 20, .fallback = "16", .help = "rows of one micro-batch"},
    {.name = "grad_accum", .kind = FIG_OPT_INT, .offset = AT(grad_accum), .low = 1, .high = 1 << 20, .fallback = "1", .aliases = "gradient_accumulation_steps", .help = "micro-batches per step"},
    {.name = "optimizer", .kind = FIG_OPT_CHOICE, .offset = AT(optimizer), .choices = "adamw|sgd|muon", .fallback = "adamw", .help = "muon: matrices by Muon, the rest by AdamW"},
    {.name = "learning_rate", .kind = FIG_OPT_REAL, .offset = AT(learning_rate), .low = 0, .high = 1e3, .fallback = "1e-3", .aliases = "lr", .help = "peak learning rate"},
    {.name = "min_lr", .kind = FIG_OPT_REAL, .offset = AT(min_lr), .low = 0, .high = 1e3, .fallback = "1e-4", .help = "where the schedule ends"},
    {.name = "schedule", .kind = FIG_OPT_CHOICE, .offset = AT(schedule), .choices = "constant|cosine|wsd", .fallback = "cosine", .aliases = "lr_scheduler_type", .help = "wsd: warm-up, stable, decay"},
    {.name = "warmup_iters", .kind = FIG_OPT_INT, .offset = AT(warmup_iters), .low = 0, .high = BIG, .fallback = "100", .aliases = "warmup_steps", .help = "steps from 0 to the peak"},
    {.name = "decay_iters", .kind = FIG_OPT_INT, .offset = AT(decay_iters), .low = 0, .high = BIG, .aliases = "lr_decay_iters", .help = "cosine: steps until min_lr; wsd: length of the decay; 0: max_iters, a fifth of it"},
    {.name = "weight_decay", .kind = FIG_OPT_REAL, .offset = AT(weight_decay), .low = 0, .high = 10, .fallback = "0.1", .help = "on matrices, not on biases and gains"},
    {.name = "beta1", .kind = FIG_OPT_REAL, .offset = AT(beta1), .low = 0, .high = 0.9999999, .fallback = "0.9", .help = "decay of AdamW's first moment"},
    {.name = "beta2", .kind = FIG_OPT_REAL, .offset = AT(beta2), .low = 0, .high = 0.9999999, .fallback = "0.99", .help = "decay of AdamW's second moment"},
    {.name = "epsilon", .kind = FIG_OPT_REAL, .offset = AT(epsilon), .low = 0, .high = 1, .fallback = "1e-8", .help = "AdamW's epsilon"},
    {.name = "momentum", .kind = FIG_OPT_REAL, .offset = AT(momentum), .low = 0, .high = 0.9999999, .fallback = "0.9", .help = "of SGD"},
    {.name = "muon_lr", .kind = FIG_OPT_REAL, .offset = AT(muon_lr), .low = 0, .high = 10, .fallback = "0.02", .help = "peak learning rate of Muon's matrices"},
    {.name = "muon_momentum", .kind = FIG_OPT_REAL, .offset = AT(muon_momentum), .low = 0, .high = 0.9999999, .fallback = "0.95", .help = "of Muon"},
    {.name = "grad_clip", .kind = FIG_OPT_REAL, .offset = AT(grad_clip), .low = 0, .high = 1e9, .fallback = "1", .help = "largest norm of the whole gradient; 0: none"},
    {.name = "ema_decay", .kind = FIG_OPT_REAL, .offset = AT(ema_decay), .low = 0, .high = 0.9999999, .fallback = "0", .help = "moving average of the weights, used to evaluate and saved; 0: none"},
    {.name = "seed", .kind = FIG_OPT_INT, .offset = AT(seed), .low = 0, .high = 9e15, .fallback = "1337", .help = "same seed, same bits"},
    {.name = "eval_interval", .kind = FIG_OPT_INT, .offset = AT(eval_interval), .low = 0, .high = BIG, .fallback = "250", .help = "steps between evaluations; 0: only at the end"},
    {.name = "eval_iters", .kind = FIG_OPT_INT, .offset = AT(eval_iters), .low = 0, .high = BIG, .help = "batches of an evaluation; 0: the whole validation split"},
    {.name = "patience", .kind = FIG_OPT_INT, .offset = AT(patience), .low = 0, .high = BIG, .help = "stop after so many evaluations without a better one; 0: never"},
    {.name = "log_interval", .kind = FIG_OPT_INT, .offset = AT(log_interval), .low = 1, .high = BIG, .fallback = "10", .help = "steps between lines of log.jsonl"},
    {.name = "checkpoint_interval", .kind = FIG_OPT_INT, .offset = AT(checkpoint_interval), .low = 0, .high = BIG, .fallback = "250", .aliases = "save_steps", .help = "steps between checkpoints; 0: only at the end"},
    {.name = "keep_checkpoints", .kind = FIG_OPT_INT, .offset = AT(keep_checkpoints), .low = 1, .high = 1 << 20, .fallback = "2", .help = "how many of the newest stay"},
    {.name = "save_dtype", .kind = FIG_OPT_CHOICE, .offset = AT(save_dtype), .choices = "float32|bfloat16", .fallback = "float32", .help = "of the model in --out"},
    {.name = "sample_tokens", .kind = FIG_OPT_INT, .offset = AT(sample_tokens), .low = 0, .high = 1 << 20, .fallback = "200", .help = "length of the samples written at each evaluation; 0: none"},
    {.name = "sample_count", .kind = FIG_OPT_INT, .offset = AT(sample_count), .low = 1, .high = 256, .fallback = "1", .help = "how many samples"},
    {.name = "sample_prompt", .kind = FIG_OPT_STRING, .offset = AT(sample_prompt), .value = "TEXT", .help = "what they begin with"},
    {.name = "sample_temp", .kind = FIG_OPT_REAL, .offset = AT(sample_temp), .low = 0, .high = 100, .fallback = "0.8", .help = "their temperature"},
};
const fig__option_table fig_train_option_table = {rows, FIG_COUNT(rows)};

void fig_train_defaults(fig_train_options *o) {
    *o = (fig_train_options){0};
    fig__options_defaults(NULL, fig_train_option_table, o, NULL); /* no defaults that are texts: nothing to allocate or to fail */
}
