#include "daemon/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/group.h"

_Static_assert(SL_CAPABILITY_NET_ADMIN == SL_CAPABILITY(CAP_NET_ADMIN), "as in <linux/capability.h>");

#define SCOPE "daemon"
#define RECORD_MAX 16384 // of the user or group database

static int find_user(const char *name, uid_t *uid, gid_t *gid, struct sl_error *error)
{
	struct passwd user, *found = NULL;
	char buffer[RECORD_MAX];
	int failed = getpwnam_r(name, &user, buffer, sizeof(buffer), &found);

	if (failed)
		return sl_fail(error, SL_ERR_SYSTEM, "user %s cannot be looked up (%s)", name,
			       strerror(failed));
	if (!found)
		return sl_fail(error, SL_ERR_INVALID,
			       "there is no user %s; systemd-sysusers makes softlan's own, and user = \"\" "
			       "says that "
			       "root is meant",
			       name);
	*uid = user.pw_uid;
	*gid = user.pw_gid;
	return SL_OK;
}

bool sl_group_find(const char *name, gid_t *out)
{
	struct group group, *found = NULL;
	char buffer[RECORD_MAX]; // a group's members can be many; one that doesn't fit counts as absent

	if (!name || !name[0] || getgrnam_r(name, &group, buffer, sizeof(buffer), &found) != 0 || !found)
		return false;
	*out = group.gr_gid;
	return true;
}

// What systemd's RuntimeDirectory= and StateDirectory= do. A directory that is somebody's already stays his.
static int make_directory(const char *path, uid_t uid, gid_t gid, struct sl_error *error)
{
	char parent[256];
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (slash && slash > path && (size_t)(slash - path) < sizeof(parent)) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
		if (mkdir(parent, 0755) == 0)
			(void)chmod(parent, 0755); // whatever root's umask is
	}
	if (mkdir(path, 0755) == 0)
		(void)chmod(path, 0755);
	else if (errno != EEXIST)
		return sl_fail(error, SL_ERR_SYSTEM, "%s cannot be made (%s)", path, strerror(errno));
	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0)
		return SL_OK;
	if (lchown(path, uid, gid) != 0)
		return sl_fail(error, SL_ERR_SYSTEM, "%s cannot be given to the daemon's user (%s)", path,
			       strerror(errno));
	return SL_OK;
}

// The wanted ones of those that we have.
static int keep_capabilities(uint64_t wanted)
{
	cap_t have = cap_get_proc(), keep = cap_init();
	int rc = have && keep ? 0 : -1;

	for (cap_value_t one = 0; rc == 0 && one < cap_max_bits(); one++) {
		cap_flag_value_t permitted = CAP_CLEAR;

		if ((wanted & SL_CAPABILITY(one)) == 0 ||
		    cap_get_flag(have, one, CAP_PERMITTED, &permitted) != 0 || permitted != CAP_SET)
			continue;
		rc = cap_set_flag(keep, CAP_PERMITTED, 1, &one, CAP_SET);
		if (rc == 0)
			rc = cap_set_flag(keep, CAP_EFFECTIVE, 1, &one, CAP_SET);
	}
	if (rc == 0)
		rc = cap_set_proc(keep);
	cap_free(have);
	cap_free(keep);
	return rc;
}

static int become(const struct sl_privileges *wanted, uid_t uid, gid_t gid)
{
	gid_t group;
	size_t count = sl_group_find(wanted->group, &group) ? 1 : 0;

	for (cap_value_t one = 0; one < cap_max_bits(); one++) {
		if ((wanted->capabilities & SL_CAPABILITY(one)) == 0 && cap_drop_bound(one) != 0)
			return -1;
	}
	if (cap_setgroups(gid, count, &group) != 0 || cap_setuid(uid) != 0)
		return -1;
	if (keep_capabilities(wanted->capabilities) != 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int sl_privileges_drop(const struct sl_privileges *wanted, struct sl_log *log, struct sl_error *error)
{
	uid_t uid;
	gid_t gid;
	int rc;

	if (geteuid() != 0 || !wanted->user || !wanted->user[0])
		return SL_OK;
	rc = find_user(wanted->user, &uid, &gid, error);
	if (rc == SL_ERR_INVALID && wanted->may_lack) {
		sl_warn(log, SCOPE, "running as root: %s", error->text);
		return SL_OK;
	}
	if (rc != SL_OK)
		return rc;
	for (size_t i = 0; i < sizeof(wanted->directory) / sizeof(wanted->directory[0]); i++) {
		rc = wanted->directory[i] ? make_directory(wanted->directory[i], uid, gid, error) : SL_OK;

		if (rc != SL_OK)
			return rc;
	}
	if (become(wanted, uid, gid) != 0)
		return sl_fail(
			error, SL_ERR_SYSTEM,
			"root's privileges cannot be given up for those of user %s (%s); start the daemon "
			"as that user, or set user = \"\" to stay root",
			wanted->user, strerror(errno));
	sl_info(log, SCOPE, "running as user %s", wanted->user);
	return SL_OK;
}
