// What the fuzz harnesses share. Each is one file with LLVMFuzzerTestOneInput(): libFuzzer calls it with
// inputs that it makes up (./configure --enable-fuzzers, scripts/fuzz), replay.c with those of the corpus.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A promise of the code under test: a broken one ends the process, which is a finding.
#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);              \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

// An exact copy, so that a sanitizer sees a read beyond its end. Never NULL.
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

// The same as a string, which ends at the first NUL.
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = strndup(size ? (const char *)data : "", size);

	CHECK(text != NULL);
	return text;
}

// One sentence for people: not empty, no control bytes.
static inline void fuzz_check_sentence(const char *text)
{
	CHECK(text[0] != '\0');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		CHECK(*p >= 0x20 && *p != 0x7f);
}
