/* Where the program is unpacked to: the first of these directories that can be used.
 *
 *   $CA_SUPERVISOR_CACHE          if it is set, this one and no other
 *   $CACHE_DIRECTORY              systemd sets it for a unit with CacheDirectory=
 *   /var/cache/ca-supervisor      if it is there: commands of the service's user share the service's
 *   $XDG_CACHE_HOME/ca-supervisor
 *   $HOME/.cache/ca-supervisor    if HOME is this user's own
 *   /var/cache/ca-supervisor      made by root
 *   /var/tmp/ca-supervisor-UID    for everybody else
 *
 * What lies there is executed, so nobody else may be able to write there: it and every directory above it belong to this
 * user or to root and are not writable for others, or are sticky as /var/tmp is, and its file system allows execution. */

#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char SYSTEM[] = "/var/cache/ca-supervisor";

/* Why the last directory that was looked at cannot be used. */
static char why[PATH_MAX + 200];

static int unusable(const char *path, const char *reason) {
    snprintf(why, sizeof why, "%.*s %s", PATH_MAX, path, reason);
    return -1;
}

static int is_mine(const struct stat *found) { return found->st_uid == geteuid() || found->st_uid == 0; }

/* Make a directory and those above it; the new ones are for this user's eyes only, as XDG wants it. */
static void make(const char *path) {
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(part, 0700);
        *slash = '/';
    }
    mkdir(part, 0700); /* what did not succeed is noticed when it is opened */
}

/* Whether every directory above `path`, which has no links in it, can be changed by this user and root alone. */
static int is_safe_above(const char *path) {
    char part[PATH_MAX];
    struct stat found;
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strrchr(part, '/'); slash; slash = strrchr(part, '/')) {
        slash[slash == part] = '\0';
        if (lstat(part, &found) || !is_mine(&found) || ((found.st_mode & 022) && !(found.st_mode & S_ISVTX)))
            return 0;
        if (slash == part)
            break;
    }
    return 1;
}

/* Open one directory if it can be used, and give its path without links. It is made first if `may_make`. */
static int open_place(const char *path, int may_make, char *real) {
    struct stat found;
    struct statvfs system;
    if (path[0] != '/')
        return unusable(path, "is no absolute path");
    if (strlen(path) + 64 > PATH_MAX)
        return unusable(path, "is too long");
    if (may_make)
        make(path);
    if (!realpath(path, real))
        return unusable(path, strerror(errno));
    int fd = open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return unusable(path, strerror(errno));
    int usable = -1;
    if (fstat(fd, &found) || !is_mine(&found))
        unusable(path, "belongs to another user");
    else if (found.st_mode & 022)
        unusable(path, "can be written to by other users");
    else if (!is_safe_above(real))
        unusable(path, "lies in a directory that other users can change");
    else if (fstatvfs(fd, &system) || (system.f_flag & ST_NOEXEC))
        unusable(path, "is on a file system that allows no execution (noexec)");
    else if (faccessat(fd, program_id, F_OK, AT_EACCESS) && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS))
        unusable(path, "cannot be written to");
    else
        usable = fd;
    if (usable < 0)
        close(fd);
    return usable;
}

/* The value of a variable, NULL when it is not set or empty. */
static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

int find_cache(char *path, size_t size) {
    char real[PATH_MAX], name[PATH_MAX];
    struct stat found;
    const char *value;
    int fd = -1;

    if ((value = variable("CA_SUPERVISOR_CACHE"))) {
        if ((fd = open_place(value, 1, real)) < 0)
            die(EXIT_CONFIG, "CA_SUPERVISOR_CACHE: %s", why);
    }
    if (fd < 0 && (value = variable("CACHE_DIRECTORY"))) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(value, ":"), value); /* the first of them */
        fd = open_place(name, 1, real);
    }
    if (fd < 0)
        fd = open_place(SYSTEM, 0, real);
    if (fd < 0 && (value = variable("XDG_CACHE_HOME"))) {
        snprintf(name, sizeof name, "%s/ca-supervisor", value);
        fd = open_place(name, 1, real);
    }
    if (fd < 0 && (value = variable("HOME")) && !stat(value, &found) && found.st_uid == geteuid()) {
        snprintf(name, sizeof name, "%s/.cache/ca-supervisor", value);
        fd = open_place(name, 1, real);
    }
    if (fd < 0) {
        snprintf(name, sizeof name, "/var/tmp/ca-supervisor-%ju", (uintmax_t)geteuid());
        fd = open_place(geteuid() ? name : SYSTEM, 1, real);
    }
    if (fd < 0)
        die(EXIT_CONFIG, "there is no directory to unpack the program to; CA_SUPERVISOR_CACHE names one: %s", why);
    if ((size_t)snprintf(path, size, "%s", real) >= size)
        die(EXIT_CONFIG, "CA_SUPERVISOR_CACHE: %s is too long", real);
    return fd;
}
