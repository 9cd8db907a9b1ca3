// The order in which the client changes the system's tables on Windows, and that every failure undoes every
// change (WIN-5, WIN-6, WIN-7, WIN-10). The tables are in memory: the logic is the one that runs over IP
// Helper.
#include "protect_fixture.h"

// ---- order ----

static void test_win5_win7_win10_order_and_end(void **state)
{
	static const char made[] = "route+ 203.0.113.5/32 1001\n"
				   "set4 default_routes 0\nset4 metric 9000\nset4 mtu 1382\n"
				   "set6 default_routes 0\nset6 metric 9000\nset6 mtu 1382\n"
				   "address+ 10.6.0.50/24\n"
				   "route+ 10.7.0.0/16 1002\nroute+ fd00:7::/64 1002\n";
	static const char undone[] = "route- fd00:7::/64 1002\nroute- 10.7.0.0/16 1002\n"
				     "address- 10.6.0.50/24\n"
				     "set6 mtu 1500\nset6 metric 4294967295\nset6 default_routes 1\n"
				     "set4 mtu 1500\nset4 metric 4294967295\nset4 default_routes 1\n"
				     "route- 203.0.113.5/32 1001\n";
	struct protect *p = *state;
	struct sl_error error = {0};
	struct stat st;

	if (run(p, &error) != SL_OK)
		fail_msg("%s", error.text);
	assert_string_equal(p->fake->log, made);
	assert_int_equal(p->pin.pin, ROUTE_PIN_OWN);
	assert_string_equal(p->tap.warning, "");
	assert_non_null(strstr(p->lines, "default routes were enabled on softlan"));
	assert_int_equal(stat(p->tap_file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	p->fake->log[0] = '\0';
	end(p);
	assert_string_equal(p->fake->log, undone);
	assert_as_before(p);
}

static void test_win10_what_exists_is_left_alone(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	fake_address(p->fake, "10.6.0.50/16", TAP);
	fake_route(p->fake, "10.7.0.0/16", NULL, TAP, 5);
	fake_route(p->fake, "203.0.113.5/32", "192.0.2.7/32", ETH, 3);
	p->fake->state.interfaces[1].settings[0][OS_MTU] = 1382;
	p->before = p->fake->state;
	assert_int_equal(run(p, &error), SL_OK);
	assert_int_equal(p->pin.pin, ROUTE_PIN_EXISTING); // WIN-6
	assert_null(strstr(p->fake->log, "address+"));
	assert_null(strstr(p->fake->log, "route+ 203"));
	assert_null(strstr(p->fake->log, "set4 mtu"));
	end(p);
	assert_as_before(p);
}

static void test_win7_another_mtu_later(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	assert_int_equal(tap_overrides_set(&p->tap, 1300, &error), SL_OK);
	assert_int_equal(tap_overrides_set(&p->tap, 1400, &error), SL_OK);
	assert_int_equal(tap_overrides_address(&p->tap, &error), SL_OK);
	assert_int_equal(p->fake->state.interfaces[1].settings[0][OS_MTU], 1400);
	assert_int_equal(undo_count(p->tap_undo), 9); // not more than there are changes
	end(p);
	assert_as_before(p);
}

static void test_win7_what_reverts_is_set_again(void **state)
{
	struct protect *p = *state;
	struct fake_interface *tap = &p->fake->state.interfaces[1];
	struct sl_error error = {0};
	struct prefix address = fake_prefix("10.6.0.50/24");

	assert_int_equal(run(p, &error), SL_OK);
	tap->settings[0][OS_METRIC] = OS_METRIC_AUTOMATIC;
	tap->settings[1][OS_DEFAULT_ROUTES] = 1;
	assert_int_equal(fake_address_delete(p->fake, TAP, &address, NULL), SL_OK);
	tap_overrides_check(&p->tap);
	assert_int_equal(tap->settings[0][OS_METRIC], 9000);
	assert_int_equal(tap->settings[1][OS_DEFAULT_ROUTES], 0);
	assert_int_equal(p->fake->state.address_count, 3);
	assert_non_null(strstr(p->lines, "the TAP's metric (IPv4) had been changed"));
	assert_non_null(strstr(p->lines, "10.6.0.50/24 had been removed from the TAP, it is back"));
	end(p);
	assert_as_before(p);
}

static void test_win7_a_change_of_the_users_stays(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	p->fake->state.interfaces[1].settings[0][OS_METRIC] = 77; // and no check comes before the end
	end(p);
	assert_int_equal(p->fake->state.interfaces[1].settings[0][OS_METRIC], 77);
	p->before.interfaces[1].settings[0][OS_METRIC] = 77;
	assert_as_before(p);
}

// ---- failures ----

// Each call in turn: what fails is named, and all is as before.
static void fail_each(struct protect *p, int code)
{
	unsigned total, failed = 0, named = 0;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	total = p->fake->calls;
	end(p);
	assert_as_before(p);
	for (unsigned at = 1; at <= total; at++) {
		p->fake->calls = 0;
		p->fake->fail_at = at;
		p->fake->fail_code = code;
		p->fake->failed[0] = p->fake->log[0] = p->lines[0] = '\0';
		memset(&error, 0, sizeof error);
		int result = run(p, &error);
		p->fake->fail_at = 0;
		assert_string_not_equal(p->fake->failed, "");
		// IPv6 warns and goes on; a look that is repeated at once may succeed.
		if (result != SL_OK) {
			failed++;
			if (strchr(p->fake->failed, '6'))
				fail_msg("%s is no failure: %s", p->fake->failed, error.text);
			if (strstr(error.text, p->fake->failed) &&
			    (strstr(error.text, "softlan") || strstr(error.text, "Ethernet") ||
			     strstr(error.text, "on ?")))
				named++;
			else if (code != SL_ERR_NOT_FOUND || strcmp(p->fake->failed, "best_way") != 0)
				fail_msg("%s failed, but the error is \"%s\"", p->fake->failed, error.text);
		} else if (strchr(p->fake->failed, '6') && p->tap.warning[0] == '\0') {
			fail_msg("%s failed without a warning", p->fake->failed);
		}
		end(p);
		if (memcmp(&p->before, &p->fake->state, sizeof p->before) != 0)
			fail_msg("%s failed (call %u), and the tables are not as before:\n%s",
				 p->fake->failed, at, p->fake->log);
		assert_as_before(p);
	}
	assert_in_range(failed, 12, total - 4);
	assert_true(named + 3 >= failed);
}

static void test_win_each_call_denied(void **state)
{
	fail_each(*state, SL_ERR_PERMISSION);
}

static void test_win_each_call_not_found(void **state)
{
	fail_each(*state, SL_ERR_NOT_FOUND);
}

// Everything is undone at once, not only when the caller gives up.
static void test_win7_failure_undoes_by_itself(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	p->fake->fail_at = 4; // set4 metric
	p->fake->fail_code = SL_ERR_PERMISSION;
	assert_int_equal(tap_overrides_set(&p->tap, 1382, &error), SL_ERR_PERMISSION);
	assert_string_equal(p->fake->failed, "set4 mtu");
	assert_string_equal(
		p->fake->log,
		"set4 default_routes 0\nset4 metric 9000\nset4 metric 4294967295\nset4 default_routes 1\n");
	assert_as_before(p);
}

static void test_win7_ipv6_warns(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	p->fake->fail_ipv6 = true;
	assert_int_equal(run(p, &error), SL_OK);
	assert_non_null(strstr(p->tap.warning, "IPv6 is not as it should be"));
	assert_non_null(strstr(p->tap.warning, "set6 default_routes on softlan"));
	end(p);
	assert_as_before(p);
	p->fake->fail_ipv6 = false;
	p->fake->state.interfaces[1].absent[1] = p->before.interfaces[1].absent[1] = true;
	assert_int_equal(run(p, &error), SL_OK);
	assert_non_null(strstr(p->tap.warning, "IPv6 is switched off"));
	end(p);
	assert_as_before(p);
}

static void test_lin2_mtu_below_ipv6(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	assert_int_equal(tap_overrides_set(&p->tap, 1200, &error), SL_OK);
	assert_non_null(strstr(p->tap.warning, "below IPv6's minimum of 1280"));
	assert_int_equal(p->fake->state.interfaces[1].settings[1][OS_MTU], 1500);
	end(p);
	assert_as_before(p);
}

// ---- the pin ----

static void test_win5_local_relays(void **state)
{
	static const char *const local[] = {"127.0.0.1", "::1", "192.0.2.10", "2001:db8:1::10", "fe80::1"};
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
		assert_int_equal(pin(p, local[i], &error), SL_OK);
		assert_int_equal(p->pin.pin, ROUTE_PIN_LOCAL);
		assert_int_equal(relay_pin_check(&p->pin, &error), SL_OK);
	}
	assert_as_before(p);
}

static void test_win5_on_link_and_ipv6(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(start(p, &error), SL_OK);
	assert_int_equal(pin(p, "192.0.2.99", &error), SL_OK);
	assert_int_equal(p->pin.pin, ROUTE_PIN_OWN);
	assert_int_equal(p->pin.way.via.family, 0);
	assert_int_equal(pin(p, "2001:db8:9::5", &error), SL_OK); // in the place of the first
	assert_string_equal(
		p->fake->log,
		"route+ 192.0.2.99/32 1001\nroute- 192.0.2.99/32 1001\nroute+ 2001:db8:9::5/128 1001\n");
	end(p);
	assert_as_before(p);
}

static void test_win5_never_by_the_tap(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	// A default route of the TAP's that is better than the machine's.
	p->fake->state.interfaces[1].automatic = 5;
	fake_route(p->fake, "0.0.0.0/0", "10.6.0.1/32", TAP, 0);
	p->before = p->fake->state;
	assert_int_equal(run(p, &error), SL_OK);
	assert_int_equal(p->pin.way.luid, ETH);
	end(p);
	assert_as_before(p);
	// A host route by the TAP, better than any pin.
	fake_route(p->fake, "203.0.113.5/32", "10.6.0.1/32", TAP, 0);
	p->before = p->fake->state;
	assert_int_not_equal(run(p, &error), SL_OK);
	assert_non_null(strstr(error.text, "203.0.113.5/32 by Ethernet via 192.0.2.1"));
	assert_non_null(strstr(error.text, "203.0.113.5/32 by softlan via 10.6.0.1 metric 5"));
	assert_as_before(p);
	// No way but the TAP.
	memset(&p->fake->state.routes, 0, sizeof p->fake->state.routes);
	p->fake->state.route_count = 0;
	fake_route(p->fake, "0.0.0.0/0", "10.6.0.1/32", TAP, 0);
	p->before = p->fake->state;
	assert_int_equal(run(p, &error), SL_ERR_NOT_FOUND);
	assert_non_null(strstr(error.text, "no route to the relay at 203.0.113.5"));
	assert_as_before(p);
}

static void test_win5_check(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};
	struct os_route host;

	assert_int_equal(run(p, &error), SL_OK);
	// Somebody deletes the pin.
	host = p->pin.way;
	assert_int_equal(fake_route_delete(p->fake, &host, NULL), SL_OK);
	assert_int_equal(relay_pin_check(&p->pin, &error), SL_OK);
	assert_non_null(strstr(p->lines, "the relay's host route had been removed, it is back"));
	assert_int_equal(fake_route_at(p->fake, &host), p->fake->state.route_count - 1);
	// Another VPN takes it: both are named.
	fake_route(p->fake, "203.0.113.5/32", NULL, TAP, 0);
	p->fake->state.interfaces[1].settings[0][OS_METRIC] = 1;
	assert_int_not_equal(relay_pin_check(&p->pin, &error), SL_OK);
	assert_non_null(strstr(error.text, "pinned is 203.0.113.5/32 by Ethernet via 192.0.2.1"));
	assert_non_null(strstr(error.text, "takes 203.0.113.5/32 by softlan metric 1"));
	p->fake->state.interfaces[1].settings[0][OS_METRIC] = 9000;
	assert_int_equal(relay_pin_check(&p->pin, &error), SL_OK);
	// The pin has gone, and the machine's way is another one now.
	p->fake->state.route_count--;
	memset(&p->fake->state.routes[p->fake->state.route_count], 0, sizeof host);
	assert_int_equal(fake_route_delete(p->fake, &host, NULL), SL_OK);
	p->fake->state.routes[0].via = fake_prefix("192.0.2.2/32");
	assert_int_not_equal(relay_pin_check(&p->pin, &error), SL_OK);
	assert_non_null(strstr(error.text, "takes 0.0.0.0/0 by Ethernet via 192.0.2.2 metric 25"));
	end(p);
	p->before.routes[0].via = fake_prefix("192.0.2.2/32");
	assert_as_before(p);
}

static void test_lin4_halves_of_a_default_route(void **state)
{
	struct protect *p = *state;
	struct sl_error error = {0};

	assert_int_equal(run(p, &error), SL_OK);
	p->fake->log[0] = '\0';
	fake_route(p->fake, "0.0.0.0/1", "10.6.0.1/32", TAP, 0);
	fake_route(p->fake, "128.0.0.0/1", "10.6.0.1/32", TAP, 0);
	fake_route(p->fake, "10.8.0.0/16", "10.6.0.1/32", TAP, 0);
	relay_pin_clear_tap(&p->pin, 1);
	assert_string_equal(p->fake->log, "route- 0.0.0.0/1 1002\nroute- 128.0.0.0/1 1002\n");
	assert_int_equal(p->pin.defaults_removed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_win5_win7_win10_order_and_end),
		TEST(test_win10_what_exists_is_left_alone),
		TEST(test_win7_another_mtu_later),
		TEST(test_win7_what_reverts_is_set_again),
		TEST(test_win7_a_change_of_the_users_stays),
		TEST(test_win_each_call_denied),
		TEST(test_win_each_call_not_found),
		TEST(test_win7_failure_undoes_by_itself),
		TEST(test_win7_ipv6_warns),
		TEST(test_lin2_mtu_below_ipv6),
		TEST(test_win5_local_relays),
		TEST(test_win5_on_link_and_ipv6),
		TEST(test_win5_never_by_the_tap),
		TEST(test_win5_check),
		TEST(test_lin4_halves_of_a_default_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
