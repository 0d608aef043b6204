/* The index of senders against a naive model: a list of {address, port, local, id}. */
#include "unit/lib/shm_test.h"

#include "shm/senders_find.h"

#define ATTACHMENTS 1024u

struct model {
	struct zs_endpoint from;
	uint8_t local;
	bool in;
};

static void rig(struct zs_senders *s, uint32_t attachments, uint64_t *rng)
{
	uint32_t n = zs_senders_for(attachments);

	s->bucket = aligned_alloc(64, n * sizeof(*s->bucket));
	assert_non_null(s->bucket);
	s->mask = n - 1;
	s->key[0] = draw(rng);
	s->key[1] = draw(rng);
	zs_senders_clear(s);
}

static struct model some(uint64_t *rng)
{
	struct model m = { .from = { .port = (uint16_t)(1 + draw(rng) % 4) },
			   .local = (uint8_t)(draw(rng) % 2) };

	m.from.addr = zs_addr_from4((uint32_t)(draw(rng) % 200));
	if (draw(rng) % 2)
		m.from.addr.ip[0] = 0x20;
	return m;
}

static bool same(const struct model *a, const struct model *b)
{
	return a->from.port == b->from.port && a->local == b->local &&
	       zs_addr_eq(&a->from.addr, &b->from.addr);
}

/* Each attachment sends from one address at most, an address belongs to whoever came last. */
static void test_model(void **state)
{
	struct scratch *sc = *state;
	struct model *m = calloc(ATTACHMENTS, sizeof(*m));
	struct zs_senders s;

	rig(&s, ATTACHMENTS, &sc->rng);
	for (uint32_t round = 0; round < ROUNDS(100000); round++) {
		uint32_t id = (uint32_t)(draw(&sc->rng) % ATTACHMENTS), owner = ZS_SENDER_NONE;
		struct model ask = some(&sc->rng);

		if (draw(&sc->rng) % 2) {
			if (m[id].in)
				zs_senders_remove(&s, zs_senders_hash(&s, &m[id].from, m[id].local), id);
			m[id].in = draw(&sc->rng) % 4 != 0;
			for (uint32_t i = 0; m[id].in && i < ATTACHMENTS; i++)
				if (i != id && m[i].in && same(&m[i], &ask))
					m[i].in = false;
			if (m[id].in) {
				m[id] = ask;
				m[id].in = true;
				assert_true(
				    zs_senders_insert(&s, zs_senders_hash(&s, &ask.from, ask.local), id));
			}
			ask = some(&sc->rng);
		}
		for (uint32_t i = 0; i < ATTACHMENTS; i++)
			if (m[i].in && same(&m[i], &ask))
				owner = i;
		assert_int_equal(zs_senders_find(&s, zs_senders_hash(&s, &ask.from, ask.local)), owner);
	}
	free(s.bucket);
	free(m);
}

static uint32_t words_in_use(const struct zs_senders *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i <= s->mask; i++)
		for (int k = 0; k < ZS_SENDER_WORDS; k++)
			n += atomic_load(&s->bucket[i].word[k]) != 0;
	return n;
}

/* Every attachment of the capacity finds room; what does not is refused, found by nobody, and harms no other. */
static void test_full(void **state)
{
	struct scratch *sc = *state;
	struct zs_senders s;
	uint32_t refused = 0, id;

	rig(&s, ATTACHMENTS, &sc->rng);
	for (id = 0; id < ATTACHMENTS; id++) {
		struct zs_endpoint e = { zs_addr_from4(id), 1 };

		assert_true(zs_senders_insert(&s, zs_senders_hash(&s, &e, 0), id));
	}
	for (; id < 8 * ATTACHMENTS; id++) {
		struct zs_endpoint e = { zs_addr_from4(id), 1 };
		bool room = zs_senders_room(&s, zs_senders_hash(&s, &e, 0));
		bool in = zs_senders_insert(&s, zs_senders_hash(&s, &e, 0), id);

		assert_int_equal(room, in);
		refused += !in;
		assert_int_equal(zs_senders_find(&s, zs_senders_hash(&s, &e, 0)), in ? id : ZS_SENDER_NONE);
	}
	assert_int_equal(words_in_use(&s),
			 8 * ATTACHMENTS - refused); /* each that got in has a word of its own */
	assert_true(refused >= 8 * ATTACHMENTS - (s.mask + 1) * ZS_SENDER_WORDS);
	for (id = 0; id < ATTACHMENTS; id++) {
		struct zs_endpoint e = { zs_addr_from4(id), 1 };

		assert_int_equal(zs_senders_find(&s, zs_senders_hash(&s, &e, 0)), id);
		zs_senders_remove(&s, zs_senders_hash(&s, &e, 0), id + 1); /* not its own */
		assert_int_equal(zs_senders_find(&s, zs_senders_hash(&s, &e, 0)), id);
		zs_senders_remove(&s, zs_senders_hash(&s, &e, 0), id);
		assert_int_equal(zs_senders_find(&s, zs_senders_hash(&s, &e, 0)), ZS_SENDER_NONE);
	}
	free(s.bucket);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = { T(test_model), T(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
