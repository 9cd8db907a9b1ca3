// Runs a harness over its corpus, once for each file, where there is no libFuzzer: fuzz_NAME DIRECTORY…, or
// without arguments over tests/fuzz/corpus/NAME. Prints TAP, and before each file its path: the last one is
// the one that ended the process.
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0;
	struct stat st;
	int rc = -1;

	if (!file || fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode))
		goto out;
	size = (size_t)st.st_size;
	data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, file) != size)
		goto out;
	printf("# %s\n", path);
	fflush(stdout);
	rc = LLVMFuzzerTestOneInput(data, size);
out:
	if (rc != 0)
		printf("# %s: not read, or not taken\n", path);
	free(data);
	if (file)
		fclose(file);
	return rc;
}

static int wanted(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

// The number of files that were run; -1: one of them could not be.
static int replay_directory(const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, wanted, alphasort), done = 0;

	if (count < 0) {
		printf("# there is no directory %s\n", directory);
		return -1;
	}
	for (int i = 0; i < count; i++) {
		char *path = NULL;

		if (done >= 0 && asprintf(&path, "%s/%s", directory, entries[i]->d_name) > 0)
			done = replay_file(path) == 0 ? done + 1 : -1;
		free(path);
		free(entries[i]);
	}
	free(entries);
	return done;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	const char *source = getenv("SOFTLAN_SOURCE");
	char own[4096];
	int total = 0;

	name += strncmp(name, "fuzz_", 5) == 0 ? 5 : 0;
	snprintf(own, sizeof(own), "%s/tests/fuzz/corpus/%s", source ? source : ".", name);
	puts("1..1");
	for (int i = 1; i < argc || i == 1; i++) {
		int done = replay_directory(argc > 1 ? argv[i] : own);

		total = done > 0 && total >= 0 ? total + done : -1;
	}
	printf("%s 1 - %s: %d inputs\n", total > 0 ? "ok" : "not ok", name, total > 0 ? total : 0);
	return total > 0 ? 0 : 1;
}
