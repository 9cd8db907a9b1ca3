// The control socket as a named pipe. There is always one instance of it that waits for the next reader.
#include "daemon/control_listen.h"

#include "daemon/control_stream_pipe.h"

#include <sddl.h>
#include <stdlib.h>
#include <string.h>

#include "common/wide.h"
#include "daemon/control.h"
#include "daemon/user_windows.h"

#define SCOPE "control"
#define INSTANCES (SL_CONTROL_READERS_MAX + 8) // the one that waits, and those that are told to try again
#define PAUSE_NS SL_NS_PER_S                   // when the system gives us no further instance
static const char prefix[] = "\\\\.\\pipe\\";
#define PATH_MAX_BYTES 256

struct control_listen {
	struct sl_loop *loop;
	void (*accepted)(void *arg, struct control_stream *stream);
	void *arg;
	wchar_t *path;
	SECURITY_DESCRIPTOR *security;
	struct sl_device *device; // NULL: there is none at the moment
	struct sl_overlapped knock;
	struct sl_timer *pause;
	struct sl_log_limit limit;
};

// A local group's SID as text, LocalFree() it; NULL: there is no such group.
static wchar_t *group_sid(const char *group)
{
	wchar_t *name = sl_wide(group), domain[256], *text = NULL;
	unsigned char sid[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(sid), domain_len = 256;
	SID_NAME_USE use;
	if (name && LookupAccountNameW(NULL, name, sid, &size, domain, &domain_len, &use) &&
	    (use == SidTypeAlias || use == SidTypeGroup || use == SidTypeWellKnownGroup) &&
	    !ConvertSidToStringSidW(sid, &text))
		text = NULL;
	free(name);
	return text;
}

// Our own user's, as group_sid gives it.
static wchar_t *own_sid(void)
{
	TOKEN_USER *user = user_of_process();
	wchar_t *text = NULL;
	if (user && !ConvertSidToStringSidW(user->User.Sid, &text))
		text = NULL;
	LocalFree(user);
	return text;
}

// Full access for SYSTEM, administrators and our own user. The group may read and write, but not make another
// instance of the pipe (FILE_APPEND_DATA), which would be to answer in our place.
static bool make_security(struct control_listen *listener, const char *group)
{
	struct sl_log *log = sl_loop_env(listener->loop)->log;
	wchar_t *own = own_sid(), *of_group = group && group[0] ? group_sid(group) : NULL;
	wchar_t text[1024];
	ULONG size;

	if (group && group[0] && !of_group)
		sl_debug(log, SCOPE, "no group %s here, the pipe is for administrators", group);
	swprintf(text, 1024, L"D:P(A;;GA;;;SY)(A;;GA;;;BA)%ls%ls%ls%ls%ls%ls", own ? L"(A;;GA;;;" : L"",
		 own ? own : L"", own ? L")" : L"", of_group ? L"(A;;0x12008b;;;" : L"",
		 of_group ? of_group : L"", of_group ? L")" : L"");
	LocalFree(own);
	LocalFree(of_group);
	return ConvertStringSecurityDescriptorToSecurityDescriptorW(
		text, SDDL_REVISION_1, (PSECURITY_DESCRIPTOR *)&listener->security, &size);
}

// Makes the instance that waits, if there is none. 0 or a Windows error code.
static DWORD next_instance(struct control_listen *listener, bool first)
{
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes),
					  .lpSecurityDescriptor = listener->security};
	struct sl_error error;
	DWORD code;
	HANDLE pipe;

	if (listener->device)
		return 0;
	pipe = CreateNamedPipeW(listener->path,
				PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED |
					(first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
				PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
				INSTANCES, CONTROL_PIPE_OUT, CONTROL_PIPE_IN, 0, &attributes);
	if (pipe == INVALID_HANDLE_VALUE)
		return GetLastError();
	if (sl_device_new(listener->loop, pipe, NULL, NULL, &listener->device, &error) != SL_OK)
		return ERROR_NOT_ENOUGH_MEMORY;
	code = sl_device_connect(listener->device, &listener->knock);
	if (code) { // the reader was there and has gone again, for one
		sl_device_close(listener->device);
		listener->device = NULL;
	}
	return code;
}

// With the next instance at once, or after a pause.
static void listen_on(struct control_listen *listener)
{
	struct sl_env *env = sl_loop_env(listener->loop);
	char text[SL_WINDOWS_ERROR];
	uint64_t held_back;
	DWORD code = next_instance(listener, false);

	if (code == 0)
		return;
	if (code == ERROR_NO_DATA) {
		env->ops->timer_set(listener->pause, env->now_ns);
		return;
	}
	if (sl_log_every(&listener->limit, env->now_ns, &held_back))
		sl_warn(env->log, SCOPE, "a reader could not be accepted (%s)", sl_windows_error(code, text));
	env->ops->timer_set(listener->pause, env->now_ns + PAUSE_NS);
}

static void on_pause(void *arg)
{
	listen_on(arg);
}

static void on_knock(struct sl_overlapped *operation, uint32_t error, uint32_t bytes)
{
	struct control_listen *listener = operation->arg;
	struct sl_device *device = listener->device;
	struct control_stream *stream = NULL;

	(void)bytes;
	listener->device = NULL;
	if (error)
		sl_device_close(device);
	else
		stream = control_stream_pipe(device);
	listen_on(listener); // first, so that the pipe never has no instance
	if (stream)
		listener->accepted(listener->arg, stream);
}

static int open_first(struct control_listen *listener, const char *path, struct sl_error *error)
{
	char text[SL_WINDOWS_ERROR];
	DWORD code;

	// Windows refuses the first instance where there is one already. This says so a little earlier, and
	// where that flag is not heeded.
	if (WaitNamedPipeW(listener->path, 1) || GetLastError() == ERROR_SEM_TIMEOUT)
		code = ERROR_ACCESS_DENIED;
	else
		code = next_instance(listener, true);
	switch (code) {
	case 0:
		return SL_OK;
	case ERROR_ACCESS_DENIED:
		return sl_fail(error, SL_ERR_EXISTS,
			       "another softlan daemon is running and answers at %s; stop it, or set "
			       "control_socket to another path",
			       path);
	default:
		return sl_fail(error, SL_ERR_SYSTEM,
			       "control socket %s cannot be made: %s; set control_socket to another path",
			       path, sl_windows_error(code, text));
	}
}

int control_listen_open(struct sl_loop *loop, const char *path, const char *group,
			void (*accepted)(void *arg, struct control_stream *stream), void *arg,
			struct control_listen **out, struct sl_error *error)
{
	struct sl_env *env = sl_loop_env(loop);
	struct control_listen *listener = calloc(1, sizeof(*listener));
	size_t len = sizeof(prefix) - 1;
	int rc;

	*out = NULL;
	if (!listener)
		return sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
	listener->loop = loop;
	listener->accepted = accepted;
	listener->arg = arg;
	listener->knock.done = on_knock;
	listener->knock.arg = listener;
	if (strlen(path) > PATH_MAX_BYTES || _strnicmp(path, prefix, len) != 0 || !path[len] ||
	    strchr(path + len, '\\')) {
		rc = sl_fail(error, SL_ERR_INVALID,
			     "control socket \"%.80s\": expected a pipe, %sNAME; set control_socket", path,
			     prefix);
		goto out;
	}
	listener->path = sl_wide(path);
	listener->pause = env->ops->timer_new(env, on_pause, listener);
	if (!listener->path || !listener->pause || !make_security(listener, group)) {
		rc = sl_fail(error, SL_ERR_NOMEM, "control socket: out of memory");
		goto out;
	}
	rc = open_first(listener, path, error);
	if (rc != SL_OK)
		goto out;
	*out = listener;
	listener = NULL;
out:
	control_listen_close(listener);
	return rc;
}

void control_listen_close(struct control_listen *listener)
{
	if (!listener)
		return;
	if (listener->pause)
		sl_loop_env(listener->loop)->ops->timer_free(listener->pause);
	bool given_back = sl_device_close(listener->device);
	LocalFree(listener->security);
	free(listener->path);
	if (given_back)
		free(listener);
}
