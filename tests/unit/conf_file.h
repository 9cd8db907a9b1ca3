// One configuration file of its own for a test program: group set-up and end of cmocka.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/softlan-test-conf-XXXXXX";

static inline int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static inline int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}
