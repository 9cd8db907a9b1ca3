#include "softlanctl/scalars.h"

#include "softlanctl/text.h"

#define DEPTH_MAX 8
#define NAME_MAX_BYTES 512

static void walk(const json_t *object, const char *prefix, unsigned depth,
		 void (*fn)(void *arg, const char *name, const json_t *value), void *arg)
{
	const char *member;
	json_t *value, *item;
	size_t index;
	json_object_foreach((json_t *)object, member, value)
	{
		char name[NAME_MAX_BYTES];
		snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "." : "", member);
		if (json_is_object(value)) {
			if (depth < DEPTH_MAX)
				walk(value, name, depth + 1, fn, arg);
		} else if (json_is_array(value)) {
			json_array_foreach(value, index, item)
			{
				if (!json_is_object(item) && !json_is_array(item))
					fn(arg, name, item);
			}
		} else {
			fn(arg, name, value);
		}
	}
}

void ctl_scalars(const json_t *object, void (*fn)(void *arg, const char *name, const json_t *value),
		 void *arg)
{
	walk(object, "", 1, fn, arg);
}

void ctl_put_scalar(FILE *out, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		ctl_put_text(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		fprintf(out, "%lld", (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
		fputs("yes", out);
		break;
	case JSON_FALSE:
		fputs("no", out);
		break;
	default:
		fputc('-', out);
		break;
	}
}
