#include "client/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#define FILE_MAX 4096

int identity_check_mac(const char *text, struct sl_error *error)
{
	struct sl_mac mac;

	if (!sl_mac_parse(text, &mac))
		return sl_fail(error, SL_ERR_INVALID, "expected a MAC such as 02:12:34:56:78:9a");
	if (!sl_mac_is_identity(&mac))
		return sl_fail(error, SL_ERR_INVALID,
			       "expected a unicast, locally administered MAC (its second digit is 2, 6, a or "
			       "e), such as "
			       "02:12:34:56:78:9a");
	return SL_OK;
}

static int unusable(const char *file, const char *why, struct sl_error *error)
{
	return sl_fail(error, SL_ERR_INVALID,
		       "%s: not a usable identity (%s); put {\"mac\":\"02:xx:xx:xx:xx:xx\"} there, or delete "
		       "it to get a "
		       "new MAC",
		       file, why);
}

static int parse(const char *file, const char *text, size_t len, struct sl_mac *out, struct sl_error *error)
{
	json_error_t where;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	const char *mac = json_string_value(json_object_get(root, "mac"));
	struct sl_error what = {0};
	int result = SL_OK;

	if (!root)
		result = unusable(file, "it is not JSON", error);
	else if (!mac)
		result = unusable(file, "it has no string \"mac\"", error);
	else if (identity_check_mac(mac, &what) != SL_OK)
		result = unusable(file, what.text, error);
	else
		sl_mac_parse(mac, out);
	json_decref(root);
	return result;
}

static int read_file(int fd, const char *file, struct sl_mac *out, struct sl_error *error)
{
	char text[FILE_MAX + 1];
	size_t len = 0;

	while (len < sizeof text) {
		ssize_t n = read(fd, text + len, sizeof text - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sl_fail(error, SL_ERR_SYSTEM, "%s: cannot read it (%s)", file,
				       strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > FILE_MAX)
		return unusable(file, "it is too long", error);
	return parse(file, text, len, out, error);
}

static int cannot_write(const char *file, struct sl_error *error)
{
	return sl_fail(error, errno == EACCES || errno == EPERM ? SL_ERR_PERMISSION : SL_ERR_SYSTEM,
		       "%s: cannot write the identity (%s); make its directory writable or set another "
		       "identity_file",
		       file, strerror(errno));
}

// Makes the directories above `file`; those that exist are left as they are.
static int make_directories(const char *file, struct sl_error *error)
{
	char path[PATH_MAX];

	for (const char *slash = strchr(file + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(path, file, (size_t)(slash - file));
		path[slash - file] = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			return cannot_write(file, error);
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

// Written beside and renamed, so that a crash leaves either no identity or a whole one.
static int write_file(const char *file, const struct sl_mac *mac, struct sl_error *error)
{
	char path[PATH_MAX + 8], text[64], mac_text[SL_MAC_TEXT];
	int fd = -1, len, result;

	result = make_directories(file, error);
	if (result != SL_OK)
		return result;
	snprintf(path, sizeof path, "%s.XXXXXX", file);
	fd = mkostemp(path, O_CLOEXEC); // mode 0600
	if (fd < 0)
		return cannot_write(file, error);
	len = snprintf(text, sizeof text, "{\"mac\":\"%s\"}\n", sl_mac_format(mac, mac_text));
	if (write(fd, text, (size_t)len) != len || fsync(fd) != 0 || rename(path, file) != 0) {
		result = cannot_write(file, error);
		goto out;
	}
	path[0] = '\0';
	if (sync_directory(file) != 0)
		result = cannot_write(file, error);
out:
	close(fd);
	if (path[0])
		unlink(path);
	return result;
}

int identity_load(struct sl_env *env, const char *file, const char *override, struct sl_mac *out,
		  struct sl_error *error)
{
	struct sl_error what = {0};
	char text[SL_MAC_TEXT];
	int fd, result;

	if (override && override[0]) {
		if (identity_check_mac(override, &what) != SL_OK)
			return sl_fail(error, SL_ERR_INVALID, "virtual_mac: \"%s\": %s", override, what.text);
		sl_mac_parse(override, out);
		return SL_OK;
	}
	if (file[0] == '\0' || strlen(file) >= PATH_MAX)
		return sl_fail(error, SL_ERR_INVALID, "identity_file: expected the path of a file");
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		result = read_file(fd, file, out, error);
		close(fd);
		return result;
	}
	if (errno != ENOENT)
		return sl_fail(error, errno == EACCES ? SL_ERR_PERMISSION : SL_ERR_SYSTEM,
			       "%s: cannot read the identity (%s)", file, strerror(errno));
	env->ops->random(env, out->b, SL_MAC_LEN);
	out->b[0] = (uint8_t)((out->b[0] & ~1u) | 2u); // unicast, locally administered
	result = write_file(file, out, error);
	if (result == SL_OK)
		sl_info(env->log, "identity", "new MAC %s, kept in %s", sl_mac_format(out, text), file);
	return result;
}
