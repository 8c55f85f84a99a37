/* Runs a fuzz target over every file of the folders (or the files) given, for compilers without libFuzzer. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return 0;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    /* Exactly as large as the input, so that a sanitizer sees a read past its end. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    bool whole = data && size >= 0 && fread(data, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (whole) LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return whole;
}

static size_t replay(const char *path) {
    struct stat info;
    if (stat(path, &info)) return 0;
    if (!S_ISDIR(info.st_mode)) return replay_file(path);
    DIR *dir = opendir(path);
    if (!dir) return 0;
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        char child[4096];
        int len = snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (len > 0 && (size_t)len < sizeof child) n += replay(child);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv) {
    size_t n = 0;
    for (int i = 1; i < argc; i++) n += replay(argv[i]);
    printf("%zu inputs replayed\n", n);
    return n == 0;
}
