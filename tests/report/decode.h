/* decode.h - event files read without the library: records with their checksums, and fields of protocol buffers. */
#ifndef TESTS_REPORT_DECODE_H
#define TESTS_REPORT_DECODE_H

#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

typedef struct message {
	const uint8_t *data; /* NULL: there is none */
	size_t n;
} message;

/* CRC-32C a bit at a time, masked as the format wants it. */
static uint32_t masked_sum(const uint8_t *data, size_t n)
{
	uint32_t crc = ~0u;
	for (size_t i = 0; i < n; i++) {
		crc ^= data[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	crc = ~crc;
	return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static uint64_t little(const uint8_t *data, int n)
{
	uint64_t v = 0;
	for (int i = 0; i < n; i++)
		v |= (uint64_t)data[i] << 8 * i;
	return v;
}

/* Record at *at, which goes behind it; nothing where the file ends, be it in a record. A wrong checksum is a failure.
 */
static message next_record(const uint8_t *file, size_t n, size_t *at)
{
	if (n - *at < 12)
		return (message){ NULL, 0 };
	const uint8_t *head = file + *at;
	uint64_t length = little(head, 8);
	assert_int_equal(little(head + 8, 4), masked_sum(head, 8));
	if (n - *at - 12 < length + 4)
		return (message){ NULL, 0 };
	message m = { head + 12, (size_t)length };
	assert_int_equal(little(m.data + m.n, 4), masked_sum(m.data, m.n));
	*at += m.n + 16;
	return m;
}

static uint64_t varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t v = 0;
	for (int shift = 0; *at < end; shift += 7) {
		v |= (uint64_t)(**at & 0x7f) << shift;
		if (*(*at)++ < 0x80)
			return v;
	}
	fail_msg("a number is cut off");
	return 0;
}

/* Field `number` for the time `nth` (from 0): what is in it, or the bytes of its number. */
static message field(message m, uint64_t number, int nth)
{
	const uint8_t *at = m.data, *end = m.data + m.n;
	while (m.data != NULL && at < end) {
		uint64_t key = varint(&at, end), n = 0;
		const uint8_t *from = at;
		switch (key & 7) {
		case 0:
			(void)varint(&at, end);
			n = (uint64_t)(at - from);
			break;
		case 2:
			n = varint(&at, end);
			from = at;
			break;
		case 1:
		case 5:
			n = (key & 7) == 1 ? 8 : 4;
			break;
		default:
			fail_msg("field %d of an unknown type", (int)(key >> 3));
		}
		assert_true(n <= (uint64_t)(end - from));
		at = from + n;
		if (key >> 3 == number && nth-- == 0)
			return (message){ from, (size_t)n };
	}
	return (message){ NULL, 0 };
}

static int64_t integer(message m)
{
	const uint8_t *at = m.data;
	return m.data == NULL ? 0 : (int64_t)varint(&at, m.data + m.n);
}

static double real(message m)
{
	double d = 0.0;
	if (m.data != NULL)
		memcpy(&d, m.data, sizeof d);
	return d;
}

static int is_text(message m, const char *text)
{
	return m.data != NULL && m.n == strlen(text) && memcmp(m.data, text, m.n) == 0;
}

static uint8_t *read_bytes(const char *path, size_t *n)
{
	static uint8_t none;
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	*n = (size_t)ftell(f);
	rewind(f);
	uint8_t *data = *n > 0 ? malloc(*n) : &none;
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *n, f), *n);
	(void)fclose(f);
	return data;
}

/* Names of a directory's files, sorted; the paths are to be freed. */
static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list_files(const char *directory, char **paths, int room)
{
	int n = 0;
	DIR *d = opendir(directory);
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.') {
			assert_true(n < room);
			size_t bytes = strlen(directory) + strlen(e->d_name) + 2;
			paths[n] = malloc(bytes);
			assert_non_null(paths[n]);
			snprintf(paths[n++], bytes, "%s/%s", directory, e->d_name);
		}
	if (d != NULL)
		closedir(d);
	qsort(paths, (size_t)n, sizeof *paths, compare_paths);
	return n;
}

static void remove_directory(const char *directory)
{
	char *paths[64];
	int n = list_files(directory, paths, 64);
	for (int i = 0; i < n; i++) {
		(void)remove(paths[i]);
		free(paths[i]);
	}
	(void)rmdir(directory);
}

#endif
