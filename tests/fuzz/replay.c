// Runs a fuzz target over the files of a folder: the plain test that keeps every input that ever
// hurt from hurting again. With -Dfuzz=true libFuzzer's own main takes this one's place.

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 1;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    int n = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        CLEANUP(text_fini) struct text path = {0};
        CLEANUP(text_fini) struct text bytes = {0};
        text_addf(&path, "%s/%s", argv[1], entry->d_name);
        int r = file_read(text_get(&path), (size_t)64 << 20, &bytes);
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", text_get(&path), strerror(-r));
            closedir(folder);
            return 1;
        }
        printf("%s\n", entry->d_name);
        fflush(stdout);
        LLVMFuzzerTestOneInput((const uint8_t *)text_get(&bytes), bytes.n);
        n++;
    }
    closedir(folder);
    printf("%d inputs\n", n);
    return n > 0 ? 0 : 1;
}
