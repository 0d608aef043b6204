#include "contacts.h"

#include <stdatomic.h>
#include "base/clock.h"
#include "base/hash.h"
#include "punt.h"

#define SECOND_BITS 16
#define SECOND_MASK ((1u << SECOND_BITS) - 1) /* wraps in 18 hours, which brings an old one back for 300 s */

static uint64_t load_mac(const uint8_t *mac)
{
	uint64_t v = 0;

	for (int i = 0; i < 6; i++)
		v = v << 8 | mac[i];
	return v << SECOND_BITS;
}

static uint32_t first_way(const struct zs_contacts *c, uint64_t mac)
{
	return (uint32_t)zs_hash_fold(mac ^ c->key, ZS_HASH_A) & (ZS_CONTACTS - ZS_CONTACT_WAYS);
}

static bool is_old(uint64_t word, uint32_t second)
{
	return ((second - (uint32_t)word) & SECOND_MASK) > ZS_CONTACT_OLD_S;
}

void zs_contacts_note(struct zs_contacts *c, const uint8_t *frame, uint32_t len, uint64_t now_ns)
{
	uint32_t second = (uint32_t)(now_ns / ZS_NS_PER_S) & SECOND_MASK, at, place = ZS_CONTACTS;
	uint64_t mac = load_mac(frame);

	if (frame[0] & 1 || zs_punt_resolves(frame, len))
		return;
	at = first_way(c, mac);
	for (uint32_t i = at; i < at + ZS_CONTACT_WAYS; i++) {
		uint64_t word = atomic_load_explicit(&c->word[i], memory_order_relaxed);

		if (word == (mac | second))
			return;
		if (word >> SECOND_BITS == mac >> SECOND_BITS) {
			place = i;
			break;
		}
		if (place == ZS_CONTACTS && (!word || is_old(word, second)))
			place = i;
	}
	if (place < ZS_CONTACTS)
		atomic_store_explicit(&c->word[place], mac | second, memory_order_relaxed);
}

bool zs_contacts_know(const struct zs_contacts *c, const uint8_t mac[6], uint64_t now_ns)
{
	uint32_t second = (uint32_t)(now_ns / ZS_NS_PER_S) & SECOND_MASK;
	uint64_t want = load_mac(mac);
	uint32_t at = first_way(c, want);

	for (uint32_t i = at; i < at + ZS_CONTACT_WAYS; i++) {
		uint64_t word = atomic_load_explicit(&c->word[i], memory_order_relaxed);

		if (word && word >> SECOND_BITS == want >> SECOND_BITS)
			return !is_old(word, second);
	}
	return false;
}
