/* ca-supervisor, the one file: finds the cache, has the program in it, and becomes it with the same arguments.
 *
 * The process keeps its id, its environment and its descriptors. One descriptor is added: the lock on the program's
 * folder in the cache (cache.c). Linked statically, so that it needs nothing of the host but the kernel. */

#include "launcher.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* `folder`/`path` as a new string. */
static char *below(const char *folder, const char *path) {
    char *joined = NULL;
    if (asprintf(&joined, "%s/%s", folder, path) < 0)
        die(EXIT_FAULT, "out of memory");
    return joined;
}

int main(int argc, char **argv) {
    char cache[PATH_MAX];
    hold_program(find_cache(cache, sizeof cache), cache);

    size_t words = 0, given = argc > 0 ? (size_t)argc - 1 : 0;
    while (start[words])
        words++;
    char **command = calloc(words + given + 1, sizeof *command);
    if (!command)
        die(EXIT_FAULT, "out of memory");
    char *folder = below(cache, program_id);
    for (size_t i = 0; i < words; i++)
        command[i] = i == 0 || i == words - 1 ? below(folder, start[i]) : (char *)start[i];
    for (size_t i = 0; i < given; i++)
        command[words + i] = argv[i + 1];
    execv(command[0], command);
    /* The file is there; its loader, ld-linux, is not. */
    if (errno == ENOENT)
        die(EXIT_FAULT, "this system has no glibc, which ca-supervisor needs");
    failed(EXIT_CONFIG, "%s cannot be executed; CA_SUPERVISOR_CACHE names another directory", command[0]);
}
