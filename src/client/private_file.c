#include "client/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct sl_error *why, int code)
{
	return sl_fail(why,
		       code == ENOENT                    ? SL_ERR_NOT_FOUND
		       : code == EACCES || code == EPERM ? SL_ERR_PERMISSION
							 : SL_ERR_SYSTEM,
		       "%s", strerror(code));
}

int private_file_read(const char *file, void *buf, size_t size, size_t *len, struct sl_error *why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), result = SL_OK;
	char more;
	ssize_t n;

	*len = 0;
	if (fd < 0)
		return fail(why, errno);
	for (;;) {
		n = *len < size ? read(fd, (char *)buf + *len, size - *len) : read(fd, &more, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (*len == size) {
			result = sl_fail(why, SL_ERR_TOO_LARGE, "it is too long");
			break;
		}
		*len += (size_t)n;
	}
	if (n < 0)
		result = fail(why, errno == ENOENT ? EIO : errno);
	close(fd);
	return result;
}

// Makes the directories above `file`; those that exist are left as they are.
static int make_directories(const char *file, struct sl_error *why)
{
	char path[PATH_MAX];

	if (strlen(file) >= sizeof path)
		return fail(why, ENAMETOOLONG);
	for (const char *slash = strchr(file + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(path, file, (size_t)(slash - file));
		path[slash - file] = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return fail(why, errno);
	}
	return SL_OK;
}

static int sync_directory(const char *file)
{
	char path[PATH_MAX];
	const char *slash = strrchr(file, '/');
	int fd, result;

	snprintf(path, sizeof path, "%.*s", slash ? (int)(slash - file) + 1 : 1, slash ? file : ".");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	result = fsync(fd);
	close(fd);
	return result;
}

static bool write_whole(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return true;
}

// Written beside and renamed.
int private_file_write(const char *file, const void *data, size_t len, struct sl_error *why)
{
	char path[PATH_MAX + 8];
	int fd, result;

	result = make_directories(file, why);
	if (result != SL_OK)
		return result;
	snprintf(path, sizeof path, "%s.XXXXXX", file);
	fd = mkostemp(path, O_CLOEXEC); // mode 0600
	if (fd < 0)
		return fail(why, errno);
	if (!write_whole(fd, data, len) || fsync(fd) != 0 || rename(path, file) != 0) {
		result = fail(why, errno);
		unlink(path);
	} else if (sync_directory(file) != 0) {
		result = fail(why, errno);
	}
	close(fd);
	return result;
}

int private_file_remove(const char *file, struct sl_error *why)
{
	if (unlink(file) != 0 && errno != ENOENT)
		return fail(why, errno);
	return SL_OK;
}

int private_file_set_aside(const char *file, struct sl_error *why)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof path, "%s.bad", file);
	return rename(file, path) == 0 ? SL_OK : fail(why, errno);
}
