#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/mtu.h"

// PROTO-6: the figures of the protocol's description.
static void mtu_known_values(void **state)
{
	(void)state;
	assert_int_equal(sl_mtu_from_budget(SL_BUDGET_DEFAULT), 1382);
	assert_int_equal(sl_budget_from_mtu(1382), 1400);
	assert_int_equal(sl_frame_from_mtu(1382), 1396);
	assert_int_equal(sl_frame_from_mtu(1500), 1514);
	assert_int_equal(SL_BUDGET_MIN, 1298);
}

// PROTO-6: less than the minimum is not worth running, more than 1500 is never offered.
static void mtu_bounds(void **state)
{
	(void)state;
	assert_int_equal(sl_mtu_from_budget(0), 0);
	assert_int_equal(sl_mtu_from_budget(17), 0);
	assert_int_equal(sl_mtu_from_budget(1297), 0);
	assert_int_equal(sl_mtu_from_budget(1298), 1280);
	assert_int_equal(sl_mtu_from_budget(1517), 1499);
	assert_int_equal(sl_mtu_from_budget(1518), 1500);
	assert_int_equal(sl_mtu_from_budget(1519), 1500);
	assert_int_equal(sl_mtu_from_budget(SL_BUDGET_MAX), 1500);
	assert_int_equal(sl_mtu_from_budget((size_t)-1), 1500);
}

// PROTO-6: both ways.
static void mtu_round_trip(void **state)
{
	(void)state;
	for (size_t mtu = SL_MTU_MIN; mtu <= SL_MTU_MAX; mtu++)
		assert_int_equal(sl_mtu_from_budget(sl_budget_from_mtu(mtu)), mtu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mtu_known_values),
		cmocka_unit_test(mtu_bounds),
		cmocka_unit_test(mtu_round_trip),
	};
	return cmocka_run_group_tests_name("mtu", tests, NULL, NULL);
}
