/* Files of the program: writes them from the zstd frame in the executable, looks whether they are there, removes them. */

#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { CHUNK = 1 << 17 };

/* The frame's plain bytes, a chunk at a time. */
struct reader {
    ZSTD_DStream *stream;
    ZSTD_inBuffer in;
    unsigned char chunk[CHUNK];
    size_t from, to; /* what of the chunk is not used yet */
    int ended;       /* the frame is complete, its checksum right */
};

static _Noreturn void damaged(void) { die(EXIT_FAULT, "this file is damaged; copy ca-supervisor here again"); }

/* Bring the next chunk, which is empty when nothing but the checksum was left. */
static void next(struct reader *reader) {
    ZSTD_outBuffer out = {reader->chunk, CHUNK, 0};
    size_t left = reader->ended ? 0 : ZSTD_decompressStream(reader->stream, &out, &reader->in);
    if (reader->ended || ZSTD_isError(left) || (left && !out.pos && reader->in.pos == reader->in.size))
        damaged();
    reader->ended = left == 0;
    reader->from = 0;
    reader->to = out.pos;
}

/* Up to `limit` bytes, at least one; their number. */
static size_t take(struct reader *reader, size_t limit, const unsigned char **bytes) {
    while (reader->from == reader->to)
        next(reader);
    size_t count = reader->to - reader->from;
    if (count > limit)
        count = limit;
    *bytes = reader->chunk + reader->from;
    reader->from += count;
    return count;
}

static void make_folders(int folder, const char *path) {
    char part[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        mkdirat(folder, part, 0700); /* mostly there; otherwise opening the file fails */
    }
}

static void write_entry(struct reader *reader, int folder, const char *where, const struct entry *entry) {
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(folder, entry->path, flags, entry->mode);
    if (fd < 0 && errno == ENOENT) {
        make_folders(folder, entry->path);
        fd = openat(folder, entry->path, flags, entry->mode);
    }
    /* The umask may have taken something away. */
    if (fd < 0 || fchmod(fd, entry->mode))
        failed(EXIT_FAULT, "%s: %s cannot be written", where, entry->path);
    for (uint64_t left = entry->size; left;) {
        const unsigned char *bytes;
        size_t count = take(reader, left < CHUNK ? left : CHUNK, &bytes);
        left -= count;
        while (count) {
            ssize_t done = write(fd, bytes, count);
            if (done < 0 && errno == EINTR)
                continue;
            if (done < 0)
                failed(EXIT_FAULT, "%s: %s cannot be written", where, entry->path);
            bytes += done;
            count -= (size_t)done;
        }
    }
    if (close(fd))
        failed(EXIT_FAULT, "%s: %s cannot be written", where, entry->path);
}

void unpack(int folder, const char *where) {
    static struct reader reader;
    reader.stream = ZSTD_createDStream();
    reader.in.src = payload;
    reader.in.size = (size_t)(payload_end - payload);
    if (!reader.stream)
        die(EXIT_FAULT, "out of memory");
    for (size_t i = 0; i < entry_count; i++)
        write_entry(&reader, folder, where, &entries[i]);
    while (!reader.ended)
        next(&reader);
    if (reader.from != reader.to)
        damaged();
    ZSTD_freeDStream(reader.stream);
}

int is_whole(int folder) {
    struct stat found;
    for (size_t i = 0; i < entry_count; i++)
        if (fstatat(folder, entries[i].path, &found, AT_SYMLINK_NOFOLLOW) || !S_ISREG(found.st_mode) ||
            (uint64_t)found.st_size != entries[i].size)
            return 0;
    return 1;
}

void remove_folder(int parent, const char *name) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    if (!names) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *found = readdir(names); found; found = readdir(names)) {
        if (!strcmp(found->d_name, ".") || !strcmp(found->d_name, ".."))
            continue;
        if (unlinkat(fd, found->d_name, 0) && errno == EISDIR)
            remove_folder(fd, found->d_name);
    }
    closedir(names);
    unlinkat(parent, name, AT_REMOVEDIR);
}
