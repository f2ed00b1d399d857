/* The cache: one folder for each version of the program that is in use, and nothing else.
 *
 *   .lock                  held by the one process that unpacks or removes
 *   .new                   being unpacked; what a killed process left of it is removed by the next one
 *   .old                   being removed, likewise
 *   program-VERSION-DIGEST a whole program: it gets this name only when all of it is on disk
 *
 * Who runs a program holds a shared lock on its folder. Who unpacks a version removes the other versions that nobody holds,
 * so the cache grows by no more than what runs. A folder in which a file is missing or has another size, such as after a
 * cleaner of old files, is made anew. */

#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PREFIX[] = "program-";
enum { TRIES = 20 };

static void lock(int fd, int how, const char *where) {
    while (flock(fd, how))
        if (errno != EINTR)
            failed(EXIT_FAULT, "%s cannot be locked", where);
}

/* The open folder, held and checked; -1 when there is none that is whole. */
static int hold(int cache, const char *where) {
    struct stat held, named;
    int fd = openat(cache, program_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    lock(fd, LOCK_SH, where);
    /* While we waited for the lock, another process may have removed it. */
    int same = !fstat(fd, &held) && !fstatat(cache, program_id, &named, AT_SYMLINK_NOFOLLOW) &&
               held.st_dev == named.st_dev && held.st_ino == named.st_ino;
    if (same && is_whole(fd))
        return fd;
    close(fd);
    return -1;
}

/* Take a folder out of the way under one name, then remove it: what is half removed has no program's name. */
static void discard(int cache, const char *name) {
    remove_folder(cache, ".old");
    if (!renameat(cache, name, cache, ".old"))
        remove_folder(cache, ".old");
}

/* Remove the other versions that nobody holds. */
static void tidy(int cache) {
    int copy = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = copy < 0 ? NULL : fdopendir(copy);
    if (!names)
        return; /* the next one does it */
    for (struct dirent *found = readdir(names); found; found = readdir(names)) {
        if (strncmp(found->d_name, PREFIX, strlen(PREFIX)) || !strcmp(found->d_name, program_id))
            continue;
        int fd = openat(cache, found->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (!flock(fd, LOCK_EX | LOCK_NB))
            discard(cache, found->d_name);
        close(fd);
    }
    closedir(names);
}

/* The cache in which .new is being filled, -1 when none is. */
static int filling = -1;

/* At an exit in between, such as on a full disk: give the space back. */
static void give_up(void) {
    if (filling >= 0)
        remove_folder(filling, ".new");
}

/* Unpack the program under its name, unless another process has just done it. */
static void provide(int cache, const char *where) {
    int guard = openat(cache, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (guard < 0)
        failed(EXIT_CONFIG, "%s cannot be written to; CA_SUPERVISOR_CACHE names another directory", where);
    lock(guard, LOCK_EX, where);
    int fd = hold(cache, where);
    if (fd < 0) {
        discard(cache, program_id); /* a damaged one */
        remove_folder(cache, ".new");
        tidy(cache);
        filling = cache;
        atexit(give_up);
        if (mkdirat(cache, ".new", 0700))
            failed(EXIT_FAULT, "%s/.new cannot be made", where);
        fd = openat(cache, ".new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            failed(EXIT_FAULT, "%s/.new cannot be opened", where);
        unpack(fd, where);
        /* All of it is on disk before it has its name: a power failure leaves no empty files under it. */
        if (syncfs(fd) || renameat(cache, ".new", cache, program_id) || fsync(cache))
            failed(EXIT_FAULT, "%s/%s cannot be written", where, program_id);
        filling = -1;
    }
    close(fd);
    close(guard);
}

int hold_program(int cache, const char *where) {
    for (int i = 0; i < TRIES; i++) {
        int fd = hold(cache, where);
        if (fd >= 0)
            return fd;
        provide(cache, where);
    }
    die(EXIT_FAULT, "%s/%s: another process removes it again and again", where, program_id);
}
