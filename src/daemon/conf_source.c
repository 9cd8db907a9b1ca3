#include "daemon/conf_source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Where in libconfig's grammar a byte stands.
enum conf_state { CONF_NORMAL, CONF_STRING, CONF_COMMENT };

struct conf_reader {
	struct conf_source *source;
	struct sl_option_errors *errors;
	enum conf_state state;
	unsigned depth;
};

static int append(struct conf_source *source, const char *bytes, size_t len)
{
	if (source->len + len + 1 > source->capacity) {
		size_t capacity = source->capacity ? source->capacity : 4096;
		while (capacity < source->len + len + 1)
			capacity *= 2;
		char *text = realloc(source->text, capacity);
		if (!text)
			return SL_ERR_NOMEM;
		source->text = text;
		source->capacity = capacity;
	}
	memcpy(source->text + source->len, bytes, len);
	source->len += len;
	source->text[source->len] = '\0';
	return SL_OK;
}

static int end_line(struct conf_source *source, unsigned file, unsigned line)
{
	if (source->line_count == source->place_capacity) {
		size_t capacity = source->place_capacity ? 2 * source->place_capacity : 256;
		struct conf_place *places = realloc(source->places, capacity * sizeof(*places));
		if (!places)
			return SL_ERR_NOMEM;
		source->places = places;
		source->place_capacity = capacity;
	}
	source->places[source->line_count++] = (struct conf_place){.file = file, .line = line};
	return append(source, "\n", 1);
}

static bool name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

#define WIDE_TEXT 24 // "-9223372036854775807L"

// The length of the integer at `p` (0: none there). What needs more than 32 bits is written into
// `wide` as libconfig reads it in every version: decimal with its suffix; more than 64 bits become
// the largest value, which is out of every option's range.
static size_t integer_len(const char *p, const char *end, char wide[static WIDE_TEXT])
{
	const char *q = p;
	bool negative = false;
	if (q < end && (*q == '-' || *q == '+'))
		negative = *q++ == '-';
	unsigned base = 10;
	if (end - q > 2 && q[0] == '0' && (q[1] == 'x' || q[1] == 'X')) {
		base = 16;
		q += 2;
	}
	const char *digits = q;
	uint64_t value = 0;
	while (q < end && (base == 16 ? isxdigit((unsigned char)*q) : isdigit((unsigned char)*q))) {
		unsigned digit = *q <= '9' ? (unsigned)(*q - '0') : (unsigned)((*q | 0x20) - 'a') + 10;
		bool fits = value <= ((uint64_t)INT64_MAX - digit) / base;
		value = fits ? value * base + digit : INT64_MAX;
		q++;
	}
	if (q == digits && !(q < end && *q == '.'))
		return 0;
	bool other = false; // a float, a suffix of its own, or no number at all: left as it is
	while (q < end && (*q == '.' || *q == '+' || name_byte(*q))) {
		other = true;
		q++;
	}
	if (!other && value > (uint64_t)INT32_MAX + (negative ? 1 : 0))
		snprintf(wide, WIDE_TEXT, "%s%" PRIu64 "L", negative ? "-" : "", value);
	return (size_t)(q - p);
}

// The end of the token at `p`, following the state across strings and comments.
static const char *next_token(enum conf_state *state, const char *p, const char *end)
{
	switch (*state) {
	case CONF_STRING:
		if (*p == '\\' && p + 1 < end)
			return p + 2;
		if (*p == '"')
			*state = CONF_NORMAL;
		return p + 1;
	case CONF_COMMENT:
		if (*p == '*' && p + 1 < end && p[1] == '/') {
			*state = CONF_NORMAL;
			return p + 2;
		}
		return p + 1;
	case CONF_NORMAL:
		break;
	}
	if (*p == '"') {
		*state = CONF_STRING;
		return p + 1;
	}
	if (*p == '#' || (*p == '/' && p + 1 < end && p[1] == '/'))
		return end;
	if (*p == '/' && p + 1 < end && p[1] == '*') {
		*state = CONF_COMMENT;
		return p + 2;
	}
	if (isalpha((unsigned char)*p) || *p == '*') {
		while (p < end && name_byte(*p))
			p++;
		return p;
	}
	return p + 1;
}

static int append_line(struct conf_reader *reader, const char *p, const char *end, unsigned file,
		       unsigned line)
{
	int rc = SL_OK;
	while (p < end && rc == SL_OK) {
		char wide[WIDE_TEXT] = "";
		size_t len = reader->state == CONF_NORMAL ? integer_len(p, end, wide) : 0;
		const char *next = len ? p + len : next_token(&reader->state, p, end);
		rc = wide[0] ? append(reader->source, wide, strlen(wide))
			     : append(reader->source, p, (size_t)(next - p));
		p = next;
	}
	return rc == SL_OK ? end_line(reader->source, file, line) : rc;
}

// Reads a file whole. The caller frees *out.
static int read_file(const char *path, size_t room, char **out, size_t *out_len)
{
	int rc = SL_ERR_SYSTEM;
	char *text = NULL;
	size_t len = 0, capacity = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return SL_ERR_SYSTEM;
	struct stat st;
	if (fstat(fd, &st) < 0)
		goto out;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		goto out;
	}
	for (;;) {
		if (len == capacity) {
			capacity = capacity ? 2 * capacity : 4096;
			char *larger = realloc(text, capacity);
			if (!larger) {
				errno = ENOMEM;
				goto out;
			}
			text = larger;
		}
		ssize_t got = read(fd, text + len, (unsigned)(capacity - len));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto out;
		if (got == 0)
			break;
		len += (size_t)got;
		if (len > room) {
			errno = EFBIG;
			goto out;
		}
	}
	*out = text;
	*out_len = len;
	text = NULL;
	rc = SL_OK;
out:;
	int saved = errno;
	free(text);
	close(fd);
	errno = saved;
	return rc;
}

static const char *read_remedy(int error)
{
	switch (error) {
	case ENOENT:
		return "Create it, or name another file";
	case EACCES:
	case EPERM:
		return "Make it readable for the user this runs as";
	case EISDIR:
		return "Name a file in it";
	case EFBIG:
		return "A configuration is at most 1 MiB";
	default:
		return "Check the file and its file system";
	}
}

static int add_file(struct conf_reader *reader, const char *path, const char *from, unsigned from_line);

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

// Is there an @include at `p`? *rest is then what follows the word.
static bool include_word(const char *p, const char *end, const char **rest)
{
	p = skip_blanks(p, end);
	if (end - p < 8 || memcmp(p, "@include", 8) != 0)
		return false;
	*rest = p + 8;
	return true;
}

// The quoted path at *rest, which is moved behind it. False: there is none on this line.
static bool include_path(const char **rest, const char *end, const char **path, size_t *path_len)
{
	const char *p = skip_blanks(*rest, end);
	if (p == end || *p != '"')
		return false;
	const char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
	if (!close)
		return false;
	*path = p + 1;
	*path_len = (size_t)(close - p - 1);
	*rest = close + 1;
	return true;
}

static int add_include(struct conf_reader *reader, const char *from, unsigned line, const char *name,
		       size_t len)
{
	const char *slash = strrchr(from, '/');
	size_t dir = (len > 0 && name[0] == '/') || !slash ? 0 : (size_t)(slash - from) + 1;
	char *path = malloc(dir + len + 1);
	if (!path)
		return SL_ERR_NOMEM;
	memcpy(path, from, dir);
	memcpy(path + dir, name, len);
	path[dir + len] = '\0';
	int rc;
	if (reader->depth == CONF_SOURCE_DEPTH_MAX) {
		sl_option_errors_add(reader->errors, from, line, "@include",
				     "expected files at most %u deep, found \"%s\" below that. Does a file "
				     "include itself?",
				     CONF_SOURCE_DEPTH_MAX, path);
		rc = SL_ERR_LIMIT;
	} else {
		reader->depth++;
		rc = add_file(reader, path, from, line);
		reader->depth--;
	}
	free(path);
	return rc;
}

static int add_file(struct conf_reader *reader, const char *path, const char *from, unsigned from_line)
{
	struct conf_source *source = reader->source;
	struct sl_option_errors *errors = reader->errors;
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (source->file_count == CONF_SOURCE_FILES_MAX) {
		sl_option_errors_add(errors, from, from_line, "@include",
				     "expected at most %d files, found one more. Put them together",
				     CONF_SOURCE_FILES_MAX);
		return SL_ERR_LIMIT;
	}
	// The text is longer than its files where integers were written out.
	rc = read_file(path, source->len < CONF_SOURCE_MAX ? CONF_SOURCE_MAX - source->len : 0, &text, &len);
	if (rc != SL_OK) {
		int error = errno;
		if (from)
			sl_option_errors_add(errors, from, from_line, "@include",
					     "expected a readable file, found \"%s\": %s. %s", path,
					     strerror(error), read_remedy(error));
		else
			sl_option_errors_add(errors, path, 0, NULL,
					     "expected a readable configuration file, found: %s. %s",
					     strerror(error), read_remedy(error));
		return error == EFBIG || error == ENOMEM ? SL_ERR_LIMIT : SL_ERR_NOT_FOUND;
	}
	unsigned file = source->file_count;
	source->files[file] = strdup(path);
	if (!source->files[file]) {
		rc = SL_ERR_NOMEM;
		goto out;
	}
	source->file_count++;

	unsigned line = 1;
	const char *p = text, *end = text + len;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) // editors on Windows leave a byte order mark
		p += 3;
	for (; p < end && rc == SL_OK; line++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		const char *next = stop ? stop + 1 : end;
		const char *name, *rest = p;
		size_t name_len;
		if (!stop)
			stop = end;
		if (memchr(p, '\0', (size_t)(stop - p))) {
			sl_option_errors_add(
				errors, path, line, NULL,
				"expected text, found a NUL byte. Is this a configuration file?");
			rc = SL_ERR_INVALID;
			break;
		}
		// All of them are put in place here: libconfig must not come to see one.
		while (rc == SL_OK && reader->state == CONF_NORMAL && include_word(rest, stop, &rest)) {
			if (!include_path(&rest, stop, &name, &name_len)) {
				sl_option_errors_add(errors, path, line, "@include",
						     "expected a file in quotes on the same line, found "
						     "none. Write @include \"FILE\"");
				rest = stop;
				break;
			}
			rc = add_include(reader, path, line, name, name_len);
			if (rc == SL_ERR_NOT_FOUND)
				rc = SL_OK; // reported; the rest is still worth reading
		}
		if (rc == SL_OK)
			rc = append_line(reader, rest, stop, file, line);
		p = next;
	}
	if (rc == SL_OK && source->len > CONF_SOURCE_MAX) {
		sl_option_errors_add(errors, path, 0, NULL, "expected at most 1 MiB in all, found more. %s",
				     read_remedy(EFBIG));
		rc = SL_ERR_LIMIT;
	}
out:
	free(text);
	return rc;
}

int conf_source_load(struct conf_source *source, const char *file, struct sl_option_errors *errors)
{
	*source = (struct conf_source){0};
	struct conf_reader reader = {.source = source, .errors = errors};
	int rc = add_file(&reader, file, NULL, 0);
	if (rc == SL_OK)
		rc = append(source, "", 0); // an empty file is a text too
	if (rc == SL_ERR_NOMEM)
		sl_option_errors_add(errors, file, 0, NULL, "expected memory to read it, found none left");
	return rc;
}

void conf_source_fini(struct conf_source *source)
{
	for (unsigned i = 0; i < source->file_count; i++)
		free(source->files[i]);
	free(source->places);
	free(source->text);
	*source = (struct conf_source){0};
}

void conf_source_place(const struct conf_source *source, unsigned text_line, const char **file,
		       unsigned *line)
{
	if (source->line_count == 0 || text_line == 0)
		return;
	size_t index = text_line - 1;
	if (index >= source->line_count) // an error at the very end is at the line after the last
		index = source->line_count - 1;
	*file = source->files[source->places[index].file];
	*line = source->places[index].line;
}

bool conf_source_duplicate(const struct conf_source *source, unsigned text_line,
			   size_t (*seen)(void *arg, const char *key, unsigned text_line), void *arg,
			   char *key, size_t key_size)
{
	char names[32][64];
	size_t count = 0;
	const char *p = source->text, *end = source->text + source->len;
	enum conf_state state = CONF_NORMAL;

	for (unsigned line = 1; p < end; line++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		if (!stop)
			stop = end;
		while (p < stop) {
			bool name = state == CONF_NORMAL && (isalpha((unsigned char)*p) || *p == '*');
			const char *next = next_token(&state, p, stop);
			const char *after = skip_blanks(next, stop);
			size_t len = (size_t)(next - p);
			if (line == text_line && name && after < stop && (*after == '=' || *after == ':') &&
			    count < 32 && len < sizeof(names[0]) && len < key_size) {
				memcpy(names[count], p, len);
				names[count][len] = '\0';
				size_t times = 0;
				for (size_t i = 0; i <= count; i++)
					times += strcmp(names[i], names[count]) == 0;
				// Everything before the fault was read: the first key that the tree has less
				// often than the line is the one it refused.
				if (times > seen(arg, names[count], text_line)) {
					memcpy(key, names[count], len + 1);
					return true;
				}
				count++;
			}
			p = next;
		}
		if (line == text_line)
			return false;
		p = stop + 1;
	}
	return false;
}
