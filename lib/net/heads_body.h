/* Of heads.c alone, included once for each width: HEADS_NAME is the function, HEADS_TARGET the instructions it may use. The
 * compiler makes of a column what the target has: one vector of 512 bits, two of 256, four of 128.
 *
 * Words of a frame as they lie in memory, little-endian:
 *
 *   0  destination, 2 bytes of the source        3  IPv4 checksum, source, 2 bytes of the destination
 *   1  source, EtherType, version, TOS           4  2 bytes of the destination, both ports, UDP's length
 *   2  length, ID, fragment, TTL, protocol
 *
 * A check is a column of words of which bit 63 says no: so many differences are one column in the end. */
HEADS_TARGET static void HEADS_NAME(struct zs_heads *h, const struct zs_plain_like *l)
{
	column w[WORDS], bad = { 0 }, sum, total, swapped, udp, top, len, wrong;

	UNROLL for (int k = 0; k < WORDS; k++)
	{
		w[k] = (column){ word(h, 0, k), word(h, 1, k), word(h, 2, k), word(h, 3, k),
				 word(h, 4, k), word(h, 5, k), word(h, 6, k), word(h, 7, k) };
		bad |= (w[k] ^ zs_plain_word(l->bytes + 8 * k)) &
		       zs_plain_word(zs_plain_like_mask.bytes + 8 * k);
	}
	/* The header's 16-bit words, by twos. */
	sum = (w[1] >> 48) + (w[2] & LOW32) + (w[2] >> 32) + (w[3] & LOW32) + (w[3] >> 32) + (w[4] & LOW16);
	for (int i = 0; i < 3; i++)
		sum = (sum & LOW16) + (sum >> 16);
	bad |= sum ^ LOW16;
	/* Host order. */
	swapped = (w[4] >> 8 & ODD) | (w[4] & ODD) << 8;
	total = (w[2] >> 8 & 0xff) | (w[2] & 0xff) << 8;
	udp = swapped >> 48;
	bad |= (total - ZS_IP4_MIN) ^ udp;
	/* One by one, as they were written lately. */
	len = (column){
		h->len[0], h->len[1], h->len[2], h->len[3], h->len[4], h->len[5], h->len[6], h->len[7]
	};
	top = w[3] >> 16 & 0xff;
	wrong = (udp - ZS_UDP_LEN) | (len - ZS_ETH_LEN - total) | ((w[2] >> 48 & 0xff) - 2);
	wrong |= ((swapped >> 16 & LOW16) - 1) | ((swapped >> 32 & LOW16) - 1);
	/* As zs_plain_source4. */
	wrong |= (top - 1) | (223 - top) | ((top ^ 127) - 1) | (((w[3] >> 16 & LOW16) ^ 0xfea9) - 1);
	bad |= wrong >> 63;
	sum = (w[3] << 16 & ~LOW32) | 0xffff0000;
	memcpy(h->bad, &bad, sizeof(bad));
	memcpy(h->src, &sum, sizeof(sum));
	memcpy(h->ports, &swapped, sizeof(swapped));
}
