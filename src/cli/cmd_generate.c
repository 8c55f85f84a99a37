/* cli/cmd_generate.c: figment generate: with whatever model it is given; each medium has its own file. */
#include <string.h>
#include "cli/generate.h"

static const fig__generates *const media[] = {&fig__generates_text, &fig__generates_pictures};

static fig_status run(fig__args *args) {
    const fig_arch *arch;
    FIG_TRY(fig__args_want_words(args, 1, SIZE_MAX));
    FIG_TRY(fig_model_arch_of(args->ctx, args->words.data[0], &arch));
    const char *medium = fig_family_medium(arch->family);
    for (size_t i = 0; i < FIG_COUNT(media); i++)
        if (!strcmp(media[i]->medium, medium)) return media[i]->run(args);
    return FIG_FAIL(args->ctx, FIG_ERR_UNSUPPORTED, "%s: nothing here generates %s", args->words.data[0], medium);
}

extern const fig_option_table fig__text_table;
const fig__command fig__cmd_generate = {
    .name = "generate",
    .usage = "MODEL [--prompt TEXT]",
    .summary = "Write or draw with a model.",
    .details =
        "MODEL is a folder, a .safetensors or llama2.c .bin file, or a name that figment info lists. Text\n"
        "streams to standard output: several samples one behind the other with a line --- between them, with\n"
        "--json as one object a line. Pictures go to PNG files, in which everything is noted that figment replay\n"
        "needs to make them again. Defaults of sampling come from the model's generation_config.json where it\n"
        "has one.",
    .example = "figment generate shakespeare --prompt \"ROMEO:\" -n 300\n"
               "figment generate emoji --prompt \"a red apple\" -o apple.png\n"
               "figment generate runs/mnist --label 7 --num_samples 9 --grid\n"
               "figment generate runs/faces --interpolate 1 2 -o walk.webp",
    .tables = {&fig__text_table, &fig__picture_table},
    .run = run,
};
