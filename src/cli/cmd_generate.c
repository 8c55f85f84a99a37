/* cli/cmd_generate.c: figment generate: with whatever model it is given; each way has its own file. */
#include <string.h>
#include "cli/generate.h"

/* What is one family's own comes first. */
static const fig__generates *const ways[] = {&fig__generates_blanks, &fig__generates_text, &fig__generates_pictures};

fig_status fig__load_to_generate(fig_context *ctx, const char *name, int dtype, fig_model **model) {
    static const fig_dtype dtypes[] = {FIG_DTYPE_COUNT, FIG_F32, FIG_BF16};
    fig_model_options options = {.dtype = dtypes[dtype], .inference = true};
    return fig_model_load(ctx, name, &options, model);
}

static fig_status run(fig__args *args) {
    const fig_arch *arch;
    FIG_TRY(fig__args_want_words(args, 1, SIZE_MAX));
    FIG_TRY(fig_model_arch_of(args->ctx, args->words.data[0], &arch));
    const char *medium = fig_family_medium(arch->family);
    for (size_t i = 0; i < FIG_COUNT(ways); i++)
        if (ways[i]->family ? ways[i]->family == arch->family : !strcmp(ways[i]->medium, medium))
            return ways[i]->run(args);
    return FIG_FAIL(args->ctx, FIG_ERR_UNSUPPORTED, "%s: nothing here generates %s", args->words.data[0], medium);
}

const fig__command fig__cmd_generate = {
    .name = "generate",
    .usage = "MODEL [--prompt TEXT]",
    .summary = "Write, fill in blanks or draw with a model.",
    .details = "MODEL is a folder, a .safetensors or llama2.c .bin file, or a name that figment info lists. Text\n"
               "streams to standard output: several samples one behind the other with a line --- between them, with\n"
               "--json as one object a line. Models that read in both directions (bert) fill every [MASK] of the\n"
               "prompt. Pictures go to PNG files, in which everything is noted that figment replay needs to make\n"
               "them again. Defaults of sampling come from the model's generation_config.json where it has one.",
    .example = "figment generate shakespeare --prompt \"ROMEO:\" -n 300\n"
               "figment generate runs/bert --prompt \"To be or not to [MASK].\" --top 5\n"
               "figment generate emoji --prompt \"a red apple\" -o apple.png\n"
               "figment generate runs/mnist --label 7 --num_samples 9 --grid\n"
               "figment generate runs/faces --interpolate 1 2 -o walk.webp",
    .tables = {&fig__text_table, &fig__blanks_table, &fig__picture_table},
    .run = run,
};
