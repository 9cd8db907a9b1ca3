// CORE-2: the identity file, made once, kept, and never replaced in silence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/identity.h"
#include "net/loop.h"

struct fixture {
	struct sl_log log;
	struct sl_loop *loop;
	struct sl_env *env;
	char dir[64], file[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	sl_log_init(&f->log);
	f->log.level = SL_LOG_ERROR;
	f->loop = sl_loop_new(&f->log, NULL);
	f->env = sl_loop_env(f->loop);
	strcpy(f->dir, "/tmp/sl_identity.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof f->file, "%s/a/b/identity.json", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	sl_loop_free(f->loop);
	free(f);
	return 0;
}

static void put_file(struct fixture *f, const char *text, size_t len)
{
	FILE *out;

	snprintf(f->file, sizeof f->file, "%s/identity.json", f->dir);
	out = fopen(f->file, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	fclose(out);
}

static void test_core2_made_once_and_kept(void **state)
{
	struct fixture *f = *state;
	struct sl_mac first, second, other;
	struct sl_error error = {0};
	struct stat st;
	char command[256];

	assert_int_equal(identity_load(f->env, f->file, "", &first, &error), SL_OK);
	assert_true(sl_mac_is_identity(&first));
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	// Nothing else is left beside it.
	snprintf(command, sizeof command, "test \"$(ls -A %s/a/b)\" = identity.json", f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(identity_load(f->env, f->file, "", &second, &error), SL_OK);
	assert_true(sl_mac_equal(&first, &second));
	assert_int_equal(unlink(f->file), 0);
	assert_int_equal(identity_load(f->env, f->file, "", &other, &error), SL_OK);
	assert_false(sl_mac_equal(&first, &other));
}

static void test_core2_reads_what_a_person_wrote(void **state)
{
	struct fixture *f = *state;
	struct sl_mac mac, expected = {{0x02, 0xab, 0, 0, 0, 1}};
	struct sl_error error = {0};
	const char *text = "{ \"mac\": \"02:AB:00:00:00:01\", \"note\": \"x\" }\n";

	put_file(f, text, strlen(text));
	assert_int_equal(identity_load(f->env, f->file, "", &mac, &error), SL_OK);
	assert_true(sl_mac_equal(&mac, &expected));
}

static void test_core2_corrupt_is_an_error_and_stays(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"mac\":1}",
		"{\"mac\":\"\"}",
		"{\"mac\":\"02:00:00:00:00\"}",
		"{\"mac\":\"00:11:22:33:44:55\"}", // not locally administered
		"{\"mac\":\"03:11:22:33:44:55\"}", // multicast
		"{\"mac\":\"00:00:00:00:00:00\"}",
		"{\"mac\":\"02:00:00:00:00:01\",\"mac\":\"02:00:00:00:00:02\"}",
		"{\"mac\":\"02:00:00:00:00:01\"}garbage",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sl_error error = {0};
		struct sl_mac mac;
		char now[256] = "";
		FILE *in;
		put_file(f, bad[i], strlen(bad[i]));
		if (identity_load(f->env, f->file, "", &mac, &error) == SL_OK)
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(error.text, f->file));
		assert_non_null(strstr(error.text, "delete it"));
		in = fopen(f->file, "r");
		assert_non_null(in);
		now[fread(now, 1, sizeof now - 1, in)] = '\0';
		fclose(in);
		assert_string_equal(now, bad[i]);
	}
}

static void test_core2_huge_file(void **state)
{
	struct fixture *f = *state;
	struct sl_error error = {0};
	struct sl_mac mac;
	char *text = malloc(100000);

	assert_non_null(text);
	memset(text, ' ', 100000);
	put_file(f, text, 100000);
	free(text);
	assert_int_not_equal(identity_load(f->env, f->file, "", &mac, &error), SL_OK);
	assert_non_null(strstr(error.text, "too long"));
}

static void test_core2_override(void **state)
{
	struct fixture *f = *state;
	struct sl_mac mac, expected = {{0x06, 0, 0, 0, 0, 0x2a}};
	struct sl_error error = {0};

	assert_int_equal(identity_load(f->env, f->file, "06:00:00:00:00:2a", &mac, &error), SL_OK);
	assert_true(sl_mac_equal(&mac, &expected));
	assert_int_equal(access(f->file, F_OK), -1);
	assert_int_equal(identity_load(f->env, f->file, "00:00:00:00:00:2a", &mac, &error), SL_ERR_INVALID);
	assert_non_null(strstr(error.text, "virtual_mac"));
	assert_non_null(strstr(error.text, "locally administered"));
	assert_int_equal(identity_load(f->env, f->file, "nonsense", &mac, &error), SL_ERR_INVALID);
	assert_non_null(strstr(error.text, "nonsense"));
}

static void test_core2_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct sl_error error = {0};
	struct sl_mac mac;

	assert_int_not_equal(identity_load(f->env, "/proc/softlan/identity.json", "", &mac, &error), SL_OK);
	assert_non_null(strstr(error.text, "/proc/softlan/identity.json"));
	assert_non_null(strstr(error.text, "identity_file"));
	assert_int_not_equal(identity_load(f->env, f->dir, "", &mac, &error), SL_OK); // a directory
	assert_non_null(strstr(error.text, f->dir));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_core2_made_once_and_kept),
		TEST(test_core2_reads_what_a_person_wrote),
		TEST(test_core2_corrupt_is_an_error_and_stays),
		TEST(test_core2_huge_file),
		TEST(test_core2_override),
		TEST(test_core2_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
