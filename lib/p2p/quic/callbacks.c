/* The rest of ngtcp2's callbacks, and the table of all of them. */
#include "p2p/quic/internal.h"

static void on_rand(uint8_t *dest, size_t len, const ngtcp2_rand_ctx *ctx)
{
	const struct zs_random *random = ctx->native_handle;
	random->fill(random->ctx, dest, len);
}

static int path_challenge_data(ngtcp2_conn *ng, uint8_t *data, void *user)
{
	const struct zs_quic_conn *conn = user;
	conn->q->random.fill(conn->q->random.ctx, data, NGTCP2_PATH_CHALLENGE_DATALEN);
	return 0;
}

static int new_connection_id(ngtcp2_conn *ng, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user)
{
	struct zs_quic_conn *conn = user;

	if (len != ZS_QUIC_CID || !zs_quic_new_cid(conn->q, cid) ||
	    zs_cids_add(&conn->q->cids, ZS_CID_CONN, cid->data, cid->datalen, conn) < 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	zs_quic_reset_token(&conn->q->tokens, cid, token);
	return 0;
}

static int remove_connection_id(ngtcp2_conn *ng, const ngtcp2_cid *cid, void *user)
{
	struct zs_quic_conn *conn = user;
	zs_cids_remove(&conn->q->cids, false, cid->data, cid->datalen, conn);
	return 0;
}

/* The peer's connection IDs come with the tokens of its stateless resets, whose own IDs say nothing. */
static int dcid_status(ngtcp2_conn *ng, ngtcp2_connection_id_status_type type, uint64_t seq,
		       const ngtcp2_cid *cid, const uint8_t *token, void *user)
{
	struct zs_quic_conn *conn = user;
	struct zs_cids *cids = &conn->q->cids;

	if (!token && seq == 0 && conn->has_reset_token)
		token = conn->reset_token;
	if (!token)
		return 0;
	if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_DEACTIVATE)
		zs_cids_remove(cids, true, token, NGTCP2_STATELESS_RESET_TOKENLEN, conn);
	else if (zs_cids_add(cids, ZS_CID_TOKEN, token, NGTCP2_STATELESS_RESET_TOKENLEN, conn) < 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	return 0;
}

static int handshake_completed(ngtcp2_conn *ng, void *user)
{
	zs_conn_announce(user);
	return 0;
}

static int path_validation(ngtcp2_conn *ng, uint32_t flags, const ngtcp2_path *path, const ngtcp2_path *old,
			   ngtcp2_path_validation_result result, void *user)
{
	struct zs_quic_conn *conn = user;

	if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS && conn->q->ops.moved)
		conn->q->ops.moved(conn->q->ctx, conn);
	return 0;
}

static int more_streams(ngtcp2_conn *ng, uint64_t max, void *user)
{
	struct zs_quic_conn *conn = user;

	if (!conn->wants_streams || !conn->established)
		return 0;
	conn->wants_streams = false;
	if (conn->q->ops.streams_left)
		conn->q->ops.streams_left(conn->q->ctx, conn);
	return 0;
}

static int other_versions(ngtcp2_conn *ng, const ngtcp2_pkt_hd *hd, const uint32_t *versions, size_t count,
			  void *user)
{
	return 0; /* ngtcp2 ends the connection: NGTCP2_ERR_RECV_VERSION_NEGOTIATION */
}

static void free_aead(ngtcp2_conn *ng, ngtcp2_crypto_aead_ctx *ctx, void *user)
{
	const struct zs_quic_conn *conn = user;

	if (ctx->native_handle != conn->q->retry_key)
		EVP_AEAD_CTX_free(ctx->native_handle);
	ctx->native_handle = NULL;
}

const ngtcp2_callbacks zs_quic_callbacks = {
	.client_initial = zs_hs_client_initial,
	.recv_client_initial = zs_hs_recv_client_initial,
	.recv_crypto_data = zs_hs_recv_crypto,
	.recv_retry = zs_hs_recv_retry,
	.handshake_completed = handshake_completed,
	.recv_version_negotiation = other_versions,
	.encrypt = zs_quic_seal,
	.decrypt = zs_quic_unseal,
	.hp_mask = zs_quic_mask,
	.update_key = zs_quic_update_key,
	.delete_crypto_aead_ctx = free_aead,
	.delete_crypto_cipher_ctx = zs_quic_free_hp,
	.rand = on_rand,
	.get_path_challenge_data = path_challenge_data,
	.get_new_connection_id = new_connection_id,
	.remove_connection_id = remove_connection_id,
	.dcid_status = dcid_status,
	.path_validation = path_validation,
	.extend_max_local_streams_bidi = more_streams,
	.stream_open = zs_stream_on_open,
	.recv_stream_data = zs_stream_on_data,
	.acked_stream_data_offset = zs_stream_on_acked,
	.stream_close = zs_stream_on_close,
	.stream_reset = zs_stream_on_reset,
	.extend_max_stream_data = zs_stream_on_window,
};
