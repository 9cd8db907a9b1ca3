#include "port/tap_choice.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/utf8.h"
#include "port/tap.h"
#include "proto/eth.h"
#include "proto/mtu.h"

#define DRIVER_MAJOR 9
#define DRIVER_MINOR 27
#define INSTALL "install TAP-Windows6 9.27 or later (the package tap-windows of OpenVPN's community download)"
// Of a name in a list within a sentence, so that several have room.
#define SHORT_NAME 40

bool sl_tap_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 15 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c <= ' ' || c == 0x7f || c == '/' || c == ':' || c == '%')
			return false;
	}
	return true;
}

bool sl_tap_id_parse(const char *text, char out[static SL_TAP_ID])
{
	static const char form[] = "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}";
	const bool braces = text[0] == '{';
	const char *p = text;

	for (size_t i = 0; form[i]; i++) {
		if (form[i] == '{' || form[i] == '}') {
			out[i] = form[i];
			if (!braces)
				continue;
		} else {
			out[i] = (char)toupper((unsigned char)*p);
		}
		// The terminator is neither, so nothing behind it is read.
		if (form[i] == 'x' ? !isxdigit((unsigned char)*p) : *p != form[i])
			return false;
		p++;
	}
	out[SL_TAP_ID - 1] = '\0';
	return *p == '\0';
}

// Of the character at `p`: U+0000 to U+001F, U+007F, U+0080 to U+009F.
static bool is_control(const char *p, size_t len)
{
	unsigned char c = (unsigned char)p[0];

	return c < ' ' || c == 0x7f || (len == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

// Copies whole characters of `text` up to `size` - 1 bytes, and returns how many bytes.
static size_t copy_text(const char *text, char *out, size_t size)
{
	size_t used = 0;

	while (*text) {
		size_t len = sl_utf8_length(text);
		size_t step = len ? len : 1;
		bool shown = len != 0 && !is_control(text, len);

		if (used + (shown ? len : 1) >= size)
			break;
		if (shown)
			memcpy(out + used, text, len);
		else
			out[used] = '?';
		used += shown ? len : 1;
		text += step;
	}
	out[used] = '\0';
	return used;
}

void sl_tap_adapter_name(const char *text, char out[static SL_TAP_ADAPTER_NAME])
{
	size_t used = copy_text(text + strspn(text, " "), out, SL_TAP_ADAPTER_NAME);

	while (used > 0 && out[used - 1] == ' ')
		out[--used] = '\0';
}

bool sl_tap_is_ours(const char *component_id)
{
	return strcasecmp(component_id, "tap0901") == 0 || strcasecmp(component_id, "root\\tap0901") == 0;
}

// "{…} (name), {…} (name)", as many as fit.
static void list_ids(const struct sl_tap_adapters *adapters, char *out, size_t size)
{
	static const char more[] = " …, softlan-client --list-tap-adapters lists all";
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < adapters->count; i++) {
		const struct sl_tap_adapter *adapter = &adapters->list[i];
		char name[SHORT_NAME], entry[SL_TAP_ID + SHORT_NAME + 8];
		bool last = i + 1 == adapters->count && adapters->left_out == 0;

		copy_text(adapter->name, name, sizeof(name));
		snprintf(entry, sizeof(entry), "%s%s (%s)", i ? ", " : "", adapter->id, name);
		if (used + strlen(entry) + (last ? 0 : sizeof(more)) >= size) {
			snprintf(out + used, size - used, "%s", more);
			return;
		}
		used += (size_t)snprintf(out + used, size - used, "%s", entry);
	}
}

const struct sl_tap_adapter *sl_tap_choose(const struct sl_tap_adapters *adapters, const char *wanted,
					   int *code, struct sl_error *error)
{
	char id[SL_TAP_ID], list[320];

	if (adapters->count == 0) {
		*code = sl_fail(error, SL_ERR_NOT_FOUND,
				"this computer has no TAP-Windows6 adapter; " INSTALL
				", or where it is installed make an adapter with: tapctl create");
		return NULL;
	}
	list_ids(adapters, list, sizeof(list));
	if (wanted[0] == '\0') {
		if (adapters->count == 1)
			return &adapters->list[0];
		*code = sl_fail(
			error, SL_ERR_INVALID,
			"this computer has %zu TAP-Windows6 adapters; set tap.instance_id to the one that "
			"softlan may have: %s",
			adapters->count + adapters->left_out, list);
		return NULL;
	}
	if (sl_tap_id_parse(wanted, id)) {
		for (size_t i = 0; i < adapters->count; i++) {
			if (strcmp(adapters->list[i].id, id) == 0)
				return &adapters->list[i];
		}
	}
	*code = sl_fail(error, SL_ERR_INVALID,
			"tap.instance_id \"%.48s\" is none of this computer's TAP-Windows6 adapters: %s",
			wanted, list);
	return NULL;
}

void sl_tap_print(FILE *out, const struct sl_tap_adapter *adapter, const char *state)
{
	fprintf(out, "%s\t%s\t%s\t%s\n", adapter->id, adapter->name,
		adapter->driver[0] ? adapter->driver : "version unknown", state);
}

void sl_tap_print_none(FILE *out)
{
	fputs("No TAP-Windows6 adapter: " INSTALL ", or make an adapter with: tapctl create\n", out);
}

char *sl_tap_address(const struct sl_mac *mac, char out[static SL_TAP_ADDRESS])
{
	for (size_t i = 0; i < SL_MAC_LEN; i++)
		snprintf(out + 2 * i, 3, "%02X", mac->b[i]);
	return out;
}

int sl_tap_check_version(const char *name, uint32_t major, uint32_t minor, struct sl_error *error)
{
	if (major > DRIVER_MAJOR || (major == DRIVER_MAJOR && minor >= DRIVER_MINOR))
		return SL_OK;
	return sl_fail(
		error, SL_ERR_UNSUPPORTED,
		"TAP adapter \"%.100s\": its driver is TAP-Windows %u.%u, in which a frame can overwrite the "
		"kernel's memory (CVE-2024-1305); " INSTALL,
		name, (unsigned)major, (unsigned)minor);
}

int sl_tap_check_mtu(const char *name, uint32_t mtu, struct sl_error *error)
{
	if (mtu >= SL_MTU_MAX)
		return SL_OK;
	return sl_fail(
		error, SL_ERR_UNSUPPORTED,
		"TAP adapter \"%.100s\": its driver's MTU is %u, less than the LAN's %d; in Device Manager, "
		"Properties, Advanced set MTU to %d",
		name, (unsigned)mtu, SL_MTU_MAX, SL_MTU_MAX);
}

int sl_tap_mac_differs(const char *name, const struct sl_mac *wanted, const struct sl_mac *has,
		       const char *why, struct sl_error *error)
{
	char want[SL_MAC_TEXT], have[SL_MAC_TEXT];

	sl_mac_format(wanted, want);
	sl_mac_format(has, have);
	if (!why)
		return sl_fail(error, SL_ERR_SYSTEM,
			       "TAP adapter \"%.100s\": its driver was restarted and keeps the MAC %s "
			       "instead of this "
			       "client's %s; disable and enable the adapter \"%.100s\" in Device Manager, or "
			       "restart "
			       "the computer, then start softlan-client again",
			       name, have, want, name);
	return sl_fail(error, SL_ERR_PERMISSION,
		       "TAP adapter \"%.80s\": its driver has the MAC %s, and this client's %s is read when "
		       "the driver "
		       "starts, which cannot be done from here (%.100s); disable and enable the adapter "
		       "\"%.80s\" in "
		       "Device Manager, or run softlan-client as administrator",
		       name, have, want, why, name);
}

bool sl_tap_frame_fits(const uint8_t *frame, size_t len)
{
	const size_t plain = SL_ETH_HEADER + SL_ETH_MAX_PAYLOAD;

	if (len < SL_ETH_HEADER || len > SL_TAP_FRAME_MAX)
		return false;
	return len <= plain || sl_eth_is_tag((uint16_t)(frame[12] << 8 | frame[13]));
}
