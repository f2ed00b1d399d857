/* What the files of the launcher share. The launcher is the first thing of dist/ca-supervisor that runs: it unpacks the
 * program once into a cache directory and becomes the program. main.c says how it goes on from there. */

#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The codes of docs/cli.md. */
enum { EXIT_FAULT = 1, EXIT_CONFIG = 3 };

/* One file of the program. The table of them is made by payload.py and lies in the executable as it is. */
struct entry {
    const char *path; /* relative, without "..", its folders come into being with it */
    uint64_t size;    /* bytes */
    mode_t mode;      /* 0500 or 0400 */
};

/* payload.py: the table, and the contents of all files in its order as one zstd frame. */
extern const struct entry entries[];
extern const size_t entry_count;
extern const unsigned char payload[];
extern const unsigned char payload_end[];
extern const char program_id[];   /* "program-<version>-<digest of all of it>": the name of its folder in the cache */
extern const char *const start[]; /* what is executed: a path in that folder, its options, a path, NULL */

/* fault.c: write "error: ..." to standard error and exit with `code`; `failed` adds the text of errno. */
_Noreturn void die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void failed(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* place.c: an open directory that only this user (or root) can write to; its absolute path goes into `path`. Exits when
 * there is none. */
int find_cache(char *path, size_t size);

/* cache.c: the open folder of the whole, checked program in the cache, unpacked first if need be. Held by a shared lock,
 * which lasts as long as the descriptor: nobody removes it before. */
int hold_program(int cache, const char *where);

/* unpack.c: write every file below `folder`. Exits when that fails. */
void unpack(int folder, const char *where);
/* unpack.c: whether every file is below `folder`, with its size. */
int is_whole(int folder);
/* unpack.c: remove a folder of `parent` and all below it, as far as that goes. */
void remove_folder(int parent, const char *name);

#endif
