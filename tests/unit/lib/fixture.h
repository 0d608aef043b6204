/* Segments of other builds, written byte by byte: no struct of the library, so a fixture stays
 * what it was when the library changes. */
#ifndef ZS_TESTS_FIXTURE_H
#define ZS_TESTS_FIXTURE_H

#include "unit/lib/shm_test.h"

struct fixture_row { /* of the field table; '@': a region */
	const char *name;
	uint64_t offset, size;
};

static inline void put(uint8_t *file, size_t at, const void *value, size_t size)
{
	memcpy(file + at, value, size);
}

static inline void put16(uint8_t *file, size_t at, uint16_t value)
{
	put(file, at, &value, 2);
}

static inline void put32(uint8_t *file, size_t at, uint32_t value)
{
	put(file, at, &value, 4);
}

static inline void put64(uint8_t *file, size_t at, uint64_t value)
{
	put(file, at, &value, 8);
}

/* ::ffff:198.51.100.N */
static inline void put_addr(uint8_t *file, size_t at, uint8_t n)
{
	static const uint8_t a[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 0 };

	put(file, at, a, 16);
	file[at + 15] = n;
}

static inline uint64_t fixture_fnv(uint64_t h, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
	return h;
}

/* The layout's hash, as the first release made it. */
static inline uint64_t fixture_hash(const char *kind, uint32_t version, const struct fixture_row *row,
				    size_t rows)
{
	uint64_t h = fixture_fnv(0xcbf29ce484222325u, kind, strlen(kind));

	h = fixture_fnv(h, &version, 4);
	for (size_t i = 0; i < rows; i++) {
		if (row[i].name[0] == '@')
			continue;
		h = fixture_fnv(h, row[i].name, strlen(row[i].name));
		h = fixture_fnv(h, &row[i].offset, 8);
		h = fixture_fnv(h, &row[i].size, 8);
	}
	return h;
}

static inline void fixture_header(uint8_t *file, const char *kind, uint32_t version, uint64_t size,
				  const struct fixture_row *row, size_t rows)
{
	put64(file, 0, 0x0031474553535au); /* magic */
	put(file, 8, kind, strlen(kind));
	put32(file, 24, version);
	put32(file, 28, (uint32_t)rows);
	put64(file, 32, fixture_hash(kind, version, row, rows));
	put64(file, 40, size);
	put64(file, 48, 0xfeedu); /* incarnation */
	put64(file, 56, 7);	  /* generation */
	for (size_t i = 0; i < rows; i++) {
		put(file, 88 + i * 48, row[i].name, strlen(row[i].name));
		put64(file, 88 + i * 48 + 32, row[i].offset);
		put64(file, 88 + i * 48 + 40, row[i].size);
	}
}

static inline void fixture_write(const char *dir, const char *kind, const uint8_t *file, size_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, kind);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0640);
	assert_true(fd >= 0 && write(fd, file, size) == (ssize_t)size);
	close(fd);
}

#endif
