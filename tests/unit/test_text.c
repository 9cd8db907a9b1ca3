// Texts that grow as they are written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static void grows(void **state)
{
	struct sl_text text = {0};
	char part[64], *whole;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		sl_text_add(&text, "%d,%s;", i, "x");
		len += (size_t)snprintf(part, sizeof(part), "%d,%s;", i, "x");
		assert_int_equal(text.len, len);
		assert_int_equal(strlen(text.data), len);
	}
	sl_text_put(&text, "\0raw", 4); // bytes as they are
	assert_int_equal(text.len, len + 4);
	assert_memory_equal(text.data + len, "\0raw", 5);
	whole = sl_text_take(&text);
	assert_non_null(whole);
	assert_memory_equal(whole, "0,x;1,x;2,x;", 12);
	assert_null(text.data);
	free(whole);
}

// Each length around a size at which it grows.
static void lengths(void **state)
{
	char bytes[1024];

	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	for (size_t first = 0; first <= 520; first++) {
		for (size_t more = 0; more < 3; more++) {
			struct sl_text text = {0};
			sl_text_put(&text, bytes, first);
			sl_text_add(&text, "%.*s", (int)more, bytes);
			assert_int_equal(text.len, first + more);
			assert_true(text.len < text.size);
			assert_int_equal(text.data[text.len], '\0');
			assert_int_equal(strlen(text.data), first + more);
			sl_text_free(&text);
		}
	}
}

static void empty(void **state)
{
	struct sl_text text = {0};
	char *whole = sl_text_take(&text);

	(void)state;
	assert_string_equal(whole, "");
	free(whole);
}

// More than there is: what follows is left out, and nobody gets half a text.
static void no_memory(void **state)
{
	struct sl_text text = {0};

	(void)state;
	sl_text_add(&text, "begun");
	text.failed = true;
	sl_text_add(&text, " and not gone on");
	assert_int_equal(text.len, 5);
	assert_null(sl_text_take(&text));
	assert_null(text.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows),
		cmocka_unit_test(lengths),
		cmocka_unit_test(empty),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
