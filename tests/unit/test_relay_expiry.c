// The certificate's end is told in time (RELAY-14).
#include "relay/expiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/time.h"

#define DAY 86400
#define NOW 1900000000

static const char *sentence(struct sl_tls_info info, char out[static RELAY_EXPIRY_TEXT])
{
	return relay_expiry_sentence(&info, NOW * SL_NS_PER_S, out);
}

static void relay14_the_last_two_weeks_are_told(void **state)
{
	char out[RELAY_EXPIRY_TEXT];
	struct sl_tls_info info = {.not_before = NOW - DAY};

	(void)state;
	info.not_after = NOW + 14 * DAY;
	assert_string_equal(sentence(info, out), "");
	assert_int_equal(relay_expiry_days(&info, NOW * SL_NS_PER_S), 14);
	info.not_after--;
	assert_string_equal(sentence(info, out),
			    "The certificate expires in 13 days: renew it, then reload.");
	info.not_after = NOW + DAY;
	assert_string_equal(sentence(info, out), "The certificate expires in 1 day: renew it, then reload.");
	info.not_after = NOW;
	assert_string_equal(sentence(info, out), "The certificate expires in 0 days: renew it, then reload.");
	info.development = true;
	assert_non_null(strstr(sentence(info, out), "state_directory"));
}

static void relay14_after_the_end_and_before_the_beginning(void **state)
{
	char out[RELAY_EXPIRY_TEXT];
	struct sl_tls_info info = {.not_before = NOW - 99 * DAY, .not_after = NOW - 1};

	(void)state;
	assert_string_equal(sentence(info, out), "The certificate expired 1 day ago: renew it, then reload.");
	assert_int_equal(relay_expiry_days(&info, NOW * SL_NS_PER_S), -1);
	info.not_after = NOW - 2 * DAY;
	assert_string_equal(sentence(info, out),
			    "The certificate expired 2 days ago: renew it, then reload.");
	info.not_before = NOW + 1;
	info.not_after = NOW + 99 * DAY;
	assert_string_equal(sentence(info, out),
			    "The certificate is not valid yet: check this machine's clock.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relay14_the_last_two_weeks_are_told),
		cmocka_unit_test(relay14_after_the_end_and_before_the_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
