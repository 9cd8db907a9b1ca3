#include "client/identity.h"

#include <stdio.h>

#include <jansson.h>

#include "client/private_file.h"

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

static int cannot_write(const char *file, int code, const struct sl_error *why, struct sl_error *error)
{
	return sl_fail(error, code == SL_ERR_PERMISSION ? SL_ERR_PERMISSION : SL_ERR_SYSTEM,
		       "%s: cannot write the identity (%s); make its directory writable or set another "
		       "identity_file",
		       file, why->text);
}

static int write_file(const char *file, const struct sl_mac *mac, struct sl_error *error)
{
	char text[64], mac_text[SL_MAC_TEXT];
	struct sl_error why = {0};
	int len = snprintf(text, sizeof text, "{\"mac\":\"%s\"}\n", sl_mac_format(mac, mac_text));
	int result = private_file_write(file, text, (size_t)len, &why);

	return result == SL_OK ? SL_OK : cannot_write(file, result, &why, error);
}

int identity_load(struct sl_env *env, const char *file, const char *override, struct sl_mac *out,
		  struct sl_error *error)
{
	struct sl_error what = {0};
	char content[FILE_MAX], text[SL_MAC_TEXT];
	size_t len;
	int result;

	if (override && override[0]) {
		if (identity_check_mac(override, &what) != SL_OK)
			return sl_fail(error, SL_ERR_INVALID, "virtual_mac: \"%s\": %s", override, what.text);
		sl_mac_parse(override, out);
		return SL_OK;
	}
	if (file[0] == '\0')
		return sl_fail(error, SL_ERR_INVALID, "identity_file: expected the path of a file");
	result = private_file_read(file, content, sizeof content, &len, &what);
	if (result == SL_OK)
		return parse(file, content, len, out, error);
	if (result == SL_ERR_TOO_LARGE)
		return unusable(file, what.text, error);
	if (result != SL_ERR_NOT_FOUND)
		return sl_fail(error, result, "%s: cannot read the identity (%s)", file, what.text);
	env->ops->random(env, out->b, SL_MAC_LEN);
	out->b[0] = (uint8_t)((out->b[0] & ~1u) | 2u); // unicast, locally administered
	result = write_file(file, out, error);
	if (result == SL_OK)
		sl_info(env->log, "identity", "new MAC %s, kept in %s", sl_mac_format(out, text), file);
	return result;
}
