// GW-1: which interfaces a gateway takes, on a sysfs root made of plain files.
#include "port/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct root {
	char dir[64];
	struct sl_error error;
};

static void make_dir(struct root *root, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", root->dir, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static void make_file(struct root *root, const char *interface, const char *name, const char *text)
{
	char full[256];
	FILE *file;

	snprintf(full, sizeof(full), "%s/class/net/%s/%s", root->dir, interface, name);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void make_interface(struct root *root, const char *name, const char *type, const char *flags,
			   const char *carrier)
{
	char path[128];

	snprintf(path, sizeof(path), "class/net/%s", name);
	make_dir(root, path);
	make_file(root, name, "type", type);
	make_file(root, name, "flags", flags);
	make_file(root, name, "carrier", carrier);
}

static int setup(void **state)
{
	struct root *root = calloc(1, sizeof(*root));

	strcpy(root->dir, "/tmp/softlan-sysfs-XXXXXX");
	if (mkdtemp(root->dir) == NULL)
		return -1;
	make_dir(root, "class");
	make_dir(root, "class/net");
	*state = root;
	return 0;
}

static int teardown(void **state)
{
	struct root *root = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root->dir);
	if (system(command) != 0)
		return -1;
	free(root);
	return 0;
}

static void says(const struct root *root, const char *part)
{
	if (strstr(root->error.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", root->error.text, part);
}

static void gw_1_a_wired_interface_with_carrier_is_taken(void **state)
{
	struct root *root = *state;

	make_interface(root, "eth0", "1\n", "0x1003\n", "1\n");
	assert_int_equal(sl_packet_check(root->dir, "eth0", &root->error), SL_OK);
}

static void gw_1_wifi_is_refused(void **state)
{
	struct root *root = *state;

	// Either directory marks it; carrier and type are those of a working interface.
	make_interface(root, "wlan0", "1\n", "0x1003\n", "1\n");
	make_dir(root, "class/net/wlan0/wireless");
	assert_int_equal(sl_packet_check(root->dir, "wlan0", &root->error), SL_ERR_UNSUPPORTED);
	says(root, "wlan0");
	says(root, "Wi-Fi");
	says(root, "wired");

	make_interface(root, "wlan1", "1\n", "0x1003\n", "1\n");
	make_dir(root, "class/net/wlan1/phy80211");
	assert_int_equal(sl_packet_check(root->dir, "wlan1", &root->error), SL_ERR_UNSUPPORTED);
	says(root, "Wi-Fi");
}

static void gw_1_no_carrier_is_refused(void **state)
{
	struct root *root = *state;

	make_interface(root, "eth0", "1\n", "0x1003\n", "0\n");
	assert_int_equal(sl_packet_check(root->dir, "eth0", &root->error), SL_ERR_SYSTEM);
	says(root, "eth0: no carrier");
	says(root, "cable");
}

static void gw_1_an_interface_that_is_down_is_refused(void **state)
{
	struct root *root = *state;

	make_interface(root, "eth0", "1\n", "0x1002\n", "1\n");
	assert_int_equal(sl_packet_check(root->dir, "eth0", &root->error), SL_ERR_SYSTEM);
	says(root, "ip link set eth0 up");
}

static void gw_1_what_is_no_ethernet_is_refused(void **state)
{
	struct root *root = *state;

	make_interface(root, "lo", "772\n", "0x9\n", "1\n");
	assert_int_equal(sl_packet_check(root->dir, "lo", &root->error), SL_ERR_UNSUPPORTED);
	says(root, "loopback");
	make_interface(root, "tun0", "65534\n", "0x1003\n", "1\n");
	assert_int_equal(sl_packet_check(root->dir, "tun0", &root->error), SL_ERR_UNSUPPORTED);
	says(root, "no Ethernet");
}

static void gw_1_a_missing_interface_is_named(void **state)
{
	struct root *root = *state;

	assert_int_equal(sl_packet_check(root->dir, "eth9", &root->error), SL_ERR_NOT_FOUND);
	says(root, "eth9");
	says(root, "ip link");
}

static void gw_1_names_can_not_leave_the_directory(void **state)
{
	struct root *root = *state;
	static const char *const bad[] = {"", ".", "..", "../net", "a/b", "sixteen-letters-"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sl_packet_check(root->dir, bad[i], &root->error), SL_ERR_INVALID);
}

static void gw_1_strange_files_are_errors(void **state)
{
	struct root *root = *state;

	make_interface(root, "eth0", "one\n", "0x1003\n", "1\n");
	assert_int_equal(sl_packet_check(root->dir, "eth0", &root->error), SL_ERR_SYSTEM);
	make_interface(root, "eth1", "1\n", "0x1003\n", "");
	assert_int_equal(sl_packet_check(root->dir, "eth1", &root->error), SL_ERR_SYSTEM);
	says(root, "carrier");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gw_1_a_wired_interface_with_carrier_is_taken),
		T(gw_1_wifi_is_refused),
		T(gw_1_no_carrier_is_refused),
		T(gw_1_an_interface_that_is_down_is_refused),
		T(gw_1_what_is_no_ethernet_is_refused),
		T(gw_1_a_missing_interface_is_named),
		T(gw_1_names_can_not_leave_the_directory),
		T(gw_1_strange_files_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
