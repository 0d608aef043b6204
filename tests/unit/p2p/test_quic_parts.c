/* The endpoint's own parts: keys against the vectors of RFC 9001, tables and queues against naive models. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/label.h"
#include "p2p/quic/cid.h"
#include "p2p/quic/crypto.h"
#include "p2p/quic/sendbuf.h"
#include "p2p/quic/tomb.h"
#include "unit/p2p/hex.h"
#include "unit/random.h"

/* --- RFC 9001, appendix A ------------------------------------------------------------------- */

static void mask_is(const struct zs_quic_keys *keys, const char *sample_hex, const char *mask_hex)
{
	uint8_t sample[16], want[5], got[5];

	hex_read(sample, sizeof(sample), sample_hex);
	hex_read(want, sizeof(want), mask_hex);
	assert_int_equal(zs_quic_mask(got, NULL, &keys->hp, sample), 0);
	assert_memory_equal(got, want, 5);
}

static void initial_keys(void **state)
{
	struct zs_quic_keys rx, tx;
	uint8_t id[8], iv[12];
	ngtcp2_cid dcid;

	hex_read(id, sizeof(id), "8394c8f03e515708");
	ngtcp2_cid_init(&dcid, id, sizeof(id));
	assert_true(zs_quic_initial_keys(&dcid, false, &rx, &tx));
	hex_read(iv, sizeof(iv), "fa044b2f42a3fd3b46fb255c");
	assert_memory_equal(tx.iv, iv, 12);
	hex_read(iv, sizeof(iv), "0ac1493ca1905853b0bba03e");
	assert_memory_equal(rx.iv, iv, 12);
	mask_is(&tx, "d1b1c98dd7689fb8ec11d242b123dc9b", "437b9aec36"); /* A.2 */
	mask_is(&rx, "2cd0991cd25b0aac406a5816b6394100", "2ec0d8356a"); /* A.3 */
	zs_quic_keys_free(&rx);
	zs_quic_keys_free(&tx);
}

static void chacha20_packet(void **state)
{
	uint8_t secret[32], want[21], got[21], nonce[12], header[4], ku[32];
	struct zs_quic_keys keys;

	hex_read(secret, sizeof(secret), "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b");
	hex_read(want, sizeof(want), "4cfe4189655e5cd55c41f69080575d7999c25a5bfb");
	hex_read(header, sizeof(header), "4200bff4");
	hex_read(nonce, sizeof(nonce), "e0459b3474bdd0e46d417eb0");
	assert_true(zs_quic_keys_of(0x1303, secret, 32, true, &keys));
	mask_is(&keys, "5e5cd55c41f69080575d7999c25a5bfb", "aefefe7d03");
	got[4] = 1; /* PING */
	assert_int_equal(zs_quic_seal(got + 4, NULL, &keys.aead, got + 4, 1, nonce, 12, header, 4), 0);
	assert_memory_equal(got + 4, want + 4, 17);
	assert_int_equal(zs_quic_unseal(got + 4, NULL, &keys.aead, got + 4, 17, nonce, 12, header, 4), 0);
	assert_int_equal(got[4], 1);
	hex_read(want, sizeof(want), "1223504755036d556342ee9361d253421a826c9e");
	zs_hkdf_label(ku, 32, EVP_sha256(), secret, 32, "quic ku", NULL, 0);
	assert_memory_equal(ku, want, 20);
	zs_quic_keys_free(&keys);
}

static void every_suite_seals_and_refuses(void **state)
{
	static const struct {
		uint16_t id;
		size_t secret;
	} suites[] = { { 0x1301, 32 }, { 0x1302, 48 }, { 0x1303, 32 } };
	uint8_t secret[48] = { 3 }, buf[64], nonce[12] = { 9 };

	for (size_t i = 0; i < 3; i++) {
		struct zs_quic_keys keys;
		assert_true(zs_quic_keys_of(suites[i].id, secret, suites[i].secret, true, &keys));
		memset(buf, 7, sizeof(buf));
		assert_int_equal(zs_quic_seal(buf, NULL, &keys.aead, buf, 48, nonce, 12, secret, 5), 0);
		assert_int_equal(zs_quic_unseal(buf, NULL, &keys.aead, buf, 64, nonce, 12, secret, 5), 0);
		for (int k = 0; k < 48; k++)
			assert_int_equal(buf[k], 7);
		assert_int_equal(zs_quic_seal(buf, NULL, &keys.aead, buf, 48, nonce, 12, secret, 5), 0);
		buf[20] ^= 1;
		assert_int_equal(zs_quic_unseal(buf, NULL, &keys.aead, buf, 64, nonce, 12, secret, 5),
				 NGTCP2_ERR_DECRYPT);
		zs_quic_keys_free(&keys);
	}
	struct zs_quic_keys none;
	assert_false(zs_quic_keys_of(0x1304, secret, 32, true, &none));
}

static void retry_tag(void **state)
{
	uint8_t packet[64], tag[16], want[16], nonce[12];
	EVP_AEAD_CTX *key = zs_quic_retry_key();
	const ngtcp2_crypto_aead_ctx ctx = { .native_handle = key };
	size_t len = hex_read(packet, sizeof(packet),
			      "088394c8f03e515708 ff000000010008f067a5502a4262b5746f6b656e");

	hex_read(want, sizeof(want), "04a265ba2eff4d829058fb3f0f2496ba");
	hex_read(nonce, sizeof(nonce), "461599d35d632bf2239825bb");
	assert_int_equal(zs_quic_seal(tag, NULL, &ctx, tag, 0, nonce, 12, packet, len), 0);
	assert_memory_equal(tag, want, 16);
	EVP_AEAD_CTX_free(key);
}

/* --- tables against naive models ------------------------------------------------------------ */

#define IDS 600

static void cids_against_an_array(void **state)
{
	struct random seed = random_new("cids");
	uint64_t key[2] = { 5, 7 };
	void *owner[IDS][2] = { 0 };
	struct zs_cids t;
	uint32_t used = 0;

	assert_int_equal(zs_cids_init(&t, key), 0);
	for (int i = 0; i < 40000; i++) {
		uint32_t n = (uint32_t)(random_u64(&seed) % IDS);
		bool token = random_u64(&seed) & 1;
		uint8_t bytes[20] = { (uint8_t)n, (uint8_t)(n >> 8) };
		size_t len = 8 + n % 13;
		const struct zs_cid_entry *e = zs_cids_find(&t, token, bytes, len);
		assert_ptr_equal(e ? e->owner : NULL, owner[n][token]);
		if (random_u64(&seed) % 3) {
			void *who = &owner[random_u64(&seed) % IDS];
			used += !owner[n][token];
			owner[n][token] = who;
			assert_int_equal(zs_cids_add(&t, token ? ZS_CID_TOKEN : ZS_CID_CONN, bytes, len, who),
					 0);
		} else {
			zs_cids_remove(&t, token, bytes, len, &used); /* not his: stays */
			used -= owner[n][token] != NULL;
			zs_cids_remove(&t, token, bytes, len, owner[n][token]);
			owner[n][token] = NULL;
		}
		assert_int_equal(t.used, used);
	}
	zs_cids_free(&t);
}

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 37 + (offset >> 8));
}

static void sendbuf_against_offsets(void **state)
{
	struct random seed = random_new("sendbuf");
	struct zs_sendbuf b = { 0 };
	static uint8_t bytes[40000];

	for (int i = 0; i < 20000; i++) {
		ngtcp2_vec piece[3];
		size_t offered, n = random_u64(&seed) % (random_u64(&seed) % 8 ? 700 : sizeof(bytes));
		switch (random_u64(&seed) % 3) {
		case 0:
			if (b.written - b.acked > 200000)
				break;
			for (size_t k = 0; k < n; k++)
				bytes[k] = byte_at(b.written + k);
			assert_int_equal(zs_sendbuf_add(&b, bytes, n), n);
			break;
		case 1: {
			size_t pieces = zs_sendbuf_peek(&b, piece, 3, &offered);
			uint64_t at = b.sent;
			assert_true(offered || b.sent == b.written);
			for (size_t k = 0; k < pieces; at += piece[k++].len)
				for (size_t m = 0; m < piece[k].len; m += 61)
					assert_int_equal(piece[k].base[m], byte_at(at + m));
			zs_sendbuf_sent(&b, offered ? random_u64(&seed) % (offered + 1) : 0);
			break;
		}
		default:
			zs_sendbuf_acked(
			    &b,
			    b.acked + (b.sent > b.acked ? random_u64(&seed) % (b.sent - b.acked + 1) : 0));
		}
	}
	zs_sendbuf_acked(&b, b.sent);
	zs_sendbuf_free(&b);
}

static void tombs_keep_and_forget(void **state)
{
	uint64_t key[2] = { 1, 2 };
	struct zs_cids cids;
	struct zs_tombs t = { .cids = &cids, .max = 3, .lifetime = 100 };
	int conn[5];
	size_t len;

	assert_int_equal(zs_cids_init(&cids, key), 0);
	for (int i = 0; i < 5; i++) {
		ngtcp2_cid id[2];
		ngtcp2_cid_init(&id[0], (uint8_t[]){ 1, (uint8_t)i, 0, 0, 0, 0, 0, 0 }, 8);
		ngtcp2_cid_init(&id[1], (uint8_t[]){ 2, (uint8_t)i, 0, 0, 0, 0, 0, 0, 0, 0 }, 10);
		zs_cids_add(&cids, ZS_CID_CONN, id[0].data, 8, &conn[i]);
		zs_cids_add(&cids, ZS_CID_CONN, id[1].data, 10, &conn[i]);
		zs_tombs_add(&t, id, 2, &conn[i], "close", i == 4 ? 0 : 5, (uint64_t)i);
	}
	assert_int_equal(t.count, 3);
	assert_int_equal(cids.used, 6);
	assert_null(
	    zs_cids_find(&cids, false, (uint8_t[]){ 1, 1, 0, 0, 0, 0, 0, 0 }, 8)); /* the oldest two went */
	const struct zs_cid_entry *e = zs_cids_find(&cids, false, (uint8_t[]){ 2, 3, 0, 0, 0, 0, 0, 0, 0, 0 },
						    10);
	assert_int_equal(e->kind, ZS_CID_TOMB);
	unsigned answered = 0;
	for (int i = 1; i <= 1000; i++) {
		const uint8_t *packet = zs_tomb_knock(e->owner, &len);
		if (!packet)
			continue;
		assert_int_equal(len, 5);
		assert_memory_equal(packet, "close", 5);
		answered++;
	}
	assert_int_equal(answered, 10); /* 1, 2, 4 … 512 */
	e = zs_cids_find(&cids, false, (uint8_t[]){ 1, 4, 0, 0, 0, 0, 0, 0 }, 8);
	assert_null(zs_tomb_knock(e->owner, &len)); /* the peer closed: silence */
	assert_int_equal(zs_tombs_deadline(&t), 102);
	zs_tombs_expire(&t, 103);
	assert_int_equal(t.count, 1);
	assert_int_equal(cids.used, 2);
	zs_tombs_free(&t);
	assert_int_equal(cids.used, 0);
	zs_cids_free(&cids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_keys),
		cmocka_unit_test(chacha20_packet),
		cmocka_unit_test(every_suite_seals_and_refuses),
		cmocka_unit_test(retry_tag),
		cmocka_unit_test(cids_against_an_array),
		cmocka_unit_test(sendbuf_against_offsets),
		cmocka_unit_test(tombs_keep_and_forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
