// The client's list of what is to be undone on Windows: after a crash at every call, after a power cut, and
// when the list is not softlan's (WIN-6, WIN-7, WIN-10).
#include "protect_fixture.h"

#include <sys/wait.h>

// What cannot be undone now is undone by the next start.
static void test_undo_fails_and_is_done_later(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	struct stat st;

	assert_int_equal(run(p, &error), SL_OK);
	p->fake->fail_at = p->fake->calls + 1; // the newest route's
	p->fake->fail_code = SL_ERR_PERMISSION;
	end(p);
	assert_string_equal(p->fake->failed, "route_delete");
	assert_int_equal(p->fake->state.route_count, p->before.route_count + 1);
	assert_int_equal(stat(p->tap_file, &st), 0);
	assert_non_null(strstr(p->lines, "the next start tries again: route_delete on softlan"));
	assert_int_equal(start(p, &error), SL_OK);
	assert_as_before(p);
	assert_non_null(strstr(p->lines, "1 of its 1 changes undone"));
}

static void test_nothing_is_changed_without_the_file(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	put_file(p->tap_file, "", 0); // makes the directory
	assert_int_equal(unlink(p->tap_file), 0);
	*strrchr(p->tap_file, '/') = '\0';
	assert_int_equal(rmdir(p->tap_file), 0);
	put_file(p->tap_file, "", 0); // a file is where the directory should be
	assert_int_not_equal(pin(p, "203.0.113.5", &error), SL_OK);
	assert_non_null(strstr(error.text, "cannot write down what is to be undone"));
	assert_int_not_equal(tap_overrides_set(&p->tap, 1382, &error), SL_OK);
	assert_memory_equal(&p->before, &p->fake->state, sizeof p->before);
	assert_int_equal(unlink(p->tap_file), 0);
}

// ---- crashes ----

static void test_crash_at_every_call(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	unsigned total, changed = 0;

	assert_int_equal(run(p, &error), SL_OK);
	end(p);
	total = p->fake->calls;
	for (unsigned at = 1; at <= 2 * total; at++) {
		int status;
		pid_t pid;
		p->fake->calls = 0;
		p->fake->die_at = (at + 1) / 2;
		p->fake->die_after = at % 2 == 0;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			if (run(p, &error) == SL_OK)
				end(p);
			_exit(3); // it should have ended before
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		// With die_after a call that fails does not end it; none does here.
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		changed += memcmp(&p->before, &p->fake->state, sizeof p->before) != 0;
		p->fake->die_at = 0;
		p->fake->log[0] = p->lines[0] = '\0';
		assert_int_equal(start(p, &error), SL_OK);
		if (memcmp(&p->before, &p->fake->state, sizeof p->before) != 0)
			fail_msg("died at call %u: the tables are not as before:\n%s%s", at, p->fake->log,
				 p->lines);
		assert_as_before(p);
	}
	assert_true(changed > total); // most of them left something behind
}

// After a power cut: of what is listed nothing is there any more, and the last line is half.
static void test_crash_entries_gone_and_cut_line(void **state)
{
	static const char text[] =
		"{\"softlan_undo\":1}\n"
		"{\"kind\":\"setting\",\"setting\":\"metric\",\"family\":4,\"luid\":1002,\"old\":30,\"set\":"
		"9000}\n"
		"{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1002}\n"
		"{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n"
		"{\"kind\":\"route\",\"dst\":\"203.0.113.5/32\",\"via\":\"192.0.2.1/"
		"32\",\"luid\":1001,\"metric\":0}\n"
		"{\"kind\":\"address\",\"addr";
	struct protect *p = *state;
	struct sl_error error = {0};

	put_file(p->tap_file, text, strlen(text));
	assert_int_equal(start(p, &error), SL_OK);
	assert_non_null(strstr(p->lines, "4 of its 4 changes undone"));
	assert_as_before(p);
	// The adapter has been removed in the meantime.
	put_file(p->tap_file, text, strlen(text));
	p->fake->state.interfaces[1].luid = p->before.interfaces[1].luid = 7;
	assert_int_equal(start(p, &error), SL_OK);
	assert_as_before(p);
}

static void test_hostile_files(void **state)
{
#define HEAD "{\"softlan_undo\":1}\n"
	static const char *const bad[] = {
		"hello",
		"\n",
		"{}\n",
		"{\"softlan_undo\":2}\n",
		HEAD "\n",
		HEAD "[]\n",
		HEAD "{\"kind\":\"route\"}\n",
		HEAD "{\"kind\":\"format\",\"luid\":1002}\n",
		// The machine's own default route, and its halves.
		HEAD "{\"kind\":\"route\",\"dst\":\"0.0.0.0/0\",\"via\":\"192.0.2.1/"
		     "32\",\"luid\":1001,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"0.0.0.0/0\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"128.0.0.0/1\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n",
		HEAD
		"{\"kind\":\"route\",\"dst\":\"192.0.2.0/24\",\"via\":\"\",\"luid\":1001,\"metric\":256}\n",
		HEAD
		"{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"\",\"luid\":1002,\"metric\":-1}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"fe80::1/"
		     "128\",\"luid\":1002,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"10.7.0.1/16\",\"via\":\"\",\"luid\":1002,\"metric\":0}\n",
		HEAD "{\"kind\":\"route\",\"dst\":\"10.7.0.0/"
		     "16\",\"via\":\"\",\"luid\":1002,\"metric\":0,\"x\":1}\n",
		// Another interface's.
		HEAD "{\"kind\":\"address\",\"address\":\"192.0.2.10/24\",\"luid\":1001}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"metric\",\"family\":4,\"luid\":1001,\"old\":1,"
		     "\"set\":4294967295}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"mtu\",\"family\":5,\"luid\":1002,\"old\":1,\"set\":"
		     "1500}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"mtu\",\"family\":4,\"luid\":1002,\"old\":1,\"set\":"
		     "4294967296}\n",
		HEAD "{\"kind\":\"setting\",\"setting\":\"color\",\"family\":4,\"luid\":1002,\"old\":1,"
		     "\"set\":1}\n",
		HEAD "{\"kind\":\"address\",\"address\":\"10.6.0.50/33\",\"luid\":1002}\n",
		HEAD "{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1e3}\n",
		HEAD "{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1002,\"luid\":1002}\n",
	};
	struct protect *p = *state;
	struct stat st;

	fake_address(p->fake, "10.6.0.50/24", TAP);
	fake_route(p->fake, "10.7.0.0/16", NULL, TAP, 0);
	p->before = p->fake->state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct sl_error error = {0};
		char aside[128];
		put_file(p->tap_file, bad[i], strlen(bad[i]));
		p->lines[0] = '\0';
		assert_int_equal(start(p, &error), SL_OK);
		if (!strstr(p->lines, "is no list of what is to be undone"))
			fail_msg("followed: %s", bad[i]);
		snprintf(aside, sizeof aside, "%s.bad", p->tap_file);
		assert_int_equal(stat(aside, &st), 0);
		assert_as_before(p);
	}
}

static void test_hostile_size_and_noise(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	char *text = malloc(100000);
	size_t len = 0;
	unsigned seed = 1;

	assert_non_null(text);
	len = (size_t)sprintf(text, HEAD);
	while (len < 60000)
		len += (size_t)sprintf(text + len,
				       "{\"kind\":\"address\",\"address\":\"10.6.0.50/24\",\"luid\":1002}\n");
	put_file(p->tap_file, text, len);
	assert_int_equal(start(p, &error), SL_OK);
	assert_non_null(strstr(p->lines, "too many entries"));
	memset(text, ' ', 100000);
	put_file(p->tap_file, text, 100000);
	p->lines[0] = '\0';
	assert_int_equal(start(p, &error), SL_OK);
	assert_non_null(strstr(p->lines, "too long"));
	for (unsigned round = 0; round < 2000; round++) { // one good file with a few bytes changed
		len = (size_t)sprintf(text, HEAD
				      "{\"kind\":\"route\",\"dst\":\"10.7.0.0/16\",\"via\":\"\",\"luid\":"
				      "1002,\"metric\":0}\n{\"kind\":\"setting\",\"setting\":\"mtu\","
				      "\"family\":4,\"luid\":1002,\"old\":1400,\"set\":1382}\n");
		for (int n = rand_r(&seed) % 4; n > 0; n--)
			text[(unsigned)rand_r(&seed) % len] = (char)rand_r(&seed);
		put_file(p->tap_file, text, (unsigned)rand_r(&seed) % (len + 1));
		p->lines[0] = '\0';
		assert_int_equal(start(p, &error), SL_OK);
		assert_as_before(p);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_undo_fails_and_is_done_later),
		TEST(test_nothing_is_changed_without_the_file),
		TEST(test_crash_at_every_call),
		TEST(test_crash_entries_gone_and_cut_line),
		TEST(test_hostile_files),
		TEST(test_hostile_size_and_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
