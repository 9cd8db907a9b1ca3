// helper.exe: what the tests need inside a wine prefix. It takes one verb from its arguments, or verbs by the
// line from its standard input, with tabs between the words; each is answered by one line of JSON: {"error":
// N, ...}, where N is a Windows error code, and 0 means that it went well.
#pragma once
#define _WIN32_WINNT 0x0a00
#include <winsock2.h>
#include <windows.h>
#include <winioctl.h>
#include <stdbool.h>
#include <stdint.h>
#include "faketap.h"

#define HELPER_SLOTS 4
#define HELPER_READS 16
#define HELPER_PIPES 80

struct answer {
	char text[256 * 1024];
	size_t length;
};

struct probe_read {
	OVERLAPPED over; // first, as completions name it
	DWORD room;
	BYTE bytes[65536];
};

// A TAP handle, opened as a client does it.
struct probe {
	HANDLE handle, port; // the port where its reads complete
};

struct helper {
	HANDLE back; // the driver's back door, or NULL
	struct probe probes[HELPER_SLOTS];
	HANDLE pipes[HELPER_PIPES]; // NULL: free
	struct answer answer;
};

// A verb: its words are argv[0] (itself) to argv[argc - 1]. Returns a Windows error code.
typedef DWORD verb_function(struct helper *helper, int argc, WCHAR **argv);

struct verb {
	const WCHAR *name;
	int words; // at least, itself counted
	verb_function *function;
};

// Members of the answer: `name` is plain ASCII. NULL as name: an element of an array.
void answer_number(struct answer *answer, const char *name, int64_t value);
void answer_text(struct answer *answer, const char *name, const WCHAR *value);
void answer_hex(struct answer *answer, const char *name, const BYTE *bytes, size_t length);
// `bracket`: one of [ ] { }; a name only before an opening one.
void answer_bracket(struct answer *answer, const char *name, char bracket);

// Reads hexadecimal digits; returns the bytes, or 0 where that is not what stands there.
size_t hex_bytes(const WCHAR *text, BYTE *bytes, size_t room);

// DeviceIoControl on an overlapped handle, waited for. `got` may be NULL.
DWORD control(HANDLE handle, DWORD code, const void *in, DWORD in_length, void *out, DWORD room, DWORD *got);

// WriteFile on an overlapped handle, waited for with this event.
DWORD write_all(HANDLE handle, const void *bytes, DWORD length, HANDLE event);

// Opens the back door unless it is open.
DWORD back_open(struct helper *helper);

// Starts the threads that carry frames between an adapter and 127.0.0.1:PORT.
verb_function bridge_verb;

// Each ends with an entry without name.
const struct verb *driver_verbs(void);
const struct verb *registry_verbs(void);
const struct verb *service_verbs(void);
const struct verb *probe_verbs(void);
const struct verb *pipe_verbs(void);
