/* The layout half of a segment: field tables, their hash, regions. Everything here works on
 * memory that may be garbage: names are bounded, numbers are checked against the mapping.
 *
 * Members (hashed): both sides must agree on them to the byte. Regions ('@', not hashed):
 * their sizes are the shape's, and a reader takes them from the file. */
#include "shm/segment.h"

#include <string.h>
#include "base/check.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)
#define PAGE	  4096u

size_t zs_segment_align(void)
{
	return PAGE;
}

static uint64_t fnv(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * FNV_PRIME;
	return h;
}

uint64_t zs_segment_abi_hash(const char *kind, uint32_t version, const struct zs_segment_field *field,
			     uint32_t count)
{
	uint64_t h = fnv(FNV_BASIS, kind, strnlen(kind, 16));

	h = fnv(h, &version, sizeof(version));
	for (uint32_t i = 0; i < count; i++) {
		if (field[i].name[0] == '@')
			continue;
		h = fnv(h, field[i].name, strnlen(field[i].name, ZS_SEGMENT_FIELD_NAME));
		h = fnv(h, &field[i].offset, sizeof(field[i].offset));
		h = fnv(h, &field[i].size, sizeof(field[i].size));
	}
	return h;
}

uint32_t zs_segment_put_region(struct zs_segment_field *field, uint32_t count, const char *name,
			       uint64_t size)
{
	struct zs_segment_field *f = &field[count];
	uint64_t at = ZS_SEGMENT_HEADER;

	ZS_CHECK(count < ZS_SEGMENT_FIELDS && name[0] == '@' && strlen(name) < ZS_SEGMENT_FIELD_NAME,
		 "bad region row");
	if (count && field[count - 1].name[0] == '@')
		at = ZS_ALIGN_UP(field[count - 1].offset + field[count - 1].size, PAGE);
	memset(f, 0, sizeof(*f));
	memcpy(f->name, name, strlen(name));
	f->offset = at;
	f->size = size;
	return count + 1;
}

size_t zs_segment_footprint(const struct zs_segment_kind *kind, const void *shape)
{
	struct zs_segment_field field[ZS_SEGMENT_FIELDS];
	uint32_t n = kind->fields(field, shape);
	uint64_t end = ZS_SEGMENT_HEADER;

	for (uint32_t i = 0; i < n; i++)
		if (field[i].name[0] == '@' && field[i].offset + field[i].size > end)
			end = field[i].offset + field[i].size;
	return ZS_ALIGN_UP(end, PAGE);
}

static bool same_name(const struct zs_segment_field *a, const struct zs_segment_field *b)
{
	return strncmp(a->name, b->name, ZS_SEGMENT_FIELD_NAME) == 0;
}

static uint32_t next_member(const struct zs_segment_field *f, uint32_t count, uint32_t i)
{
	while (i < count && f[i].name[0] == '@')
		i++;
	return i;
}

static bool differs(const struct zs_segment_field *f, char name[ZS_SEGMENT_FIELD_NAME])
{
	memcpy(name, f->name, ZS_SEGMENT_FIELD_NAME);
	name[ZS_SEGMENT_FIELD_NAME - 1] = '\0';
	for (char *p = name; *p; p++) /* it goes to a terminal */
		if (*p < ' ' || *p > '~')
			*p = '?';
	return false;
}

bool zs_segment_same_members(const struct zs_segment_header *header, const struct zs_segment_field *want,
			     uint32_t count, char name[ZS_SEGMENT_FIELD_NAME])
{
	uint32_t have = header->field_count <= ZS_SEGMENT_FIELDS ? header->field_count : ZS_SEGMENT_FIELDS;
	uint32_t i = 0, k = 0;

	for (;; i++, k++) {
		i = next_member(want, count, i);
		k = next_member(header->field, have, k);
		if (i == count && k == have)
			return true;
		if (i == count)
			return differs(&header->field[k], name);
		if (k == have || !same_name(&want[i], &header->field[k]) ||
		    want[i].offset != header->field[k].offset || want[i].size != header->field[k].size)
			return differs(&want[i], name);
	}
}

void *zs_segment_region_in(const void *base, size_t limit, const char *name, size_t *size)
{
	const struct zs_segment_header *h = base;
	uint32_t n = __atomic_load_n(&h->field_count, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < n && i < ZS_SEGMENT_FIELDS; i++) {
		struct zs_segment_field f = h->field[i]; /* checked and used on a copy */
		if (strncmp(f.name, name, ZS_SEGMENT_FIELD_NAME) != 0)
			continue;
		if (f.offset < ZS_SEGMENT_HEADER || f.offset % PAGE || f.offset > limit ||
		    f.size > limit - f.offset)
			return NULL;
		if (size)
			*size = f.size;
		return (uint8_t *)(uintptr_t)base + f.offset;
	}
	return NULL;
}

void *zs_segment_region(const struct zs_segment *seg, const char *name, size_t *size)
{
	return zs_segment_region_in(seg->base, seg->size, name, size);
}
