/* The search tries what our own interface carries first, since most paths carry that; then it halves. */
#include "relay/pmtu.h"

#include <string.h>

static void settle(struct zs_pmtu *p, uint64_t now_ns)
{
	p->probing = 0;
	if (p->state == ZS_PMTU_SEARCHING && p->above - p->size > ZS_PMTU_GRAIN) {
		p->due_ns = now_ns;
		return;
	}
	if (p->state == ZS_PMTU_SEARCHING) {
		p->state = ZS_PMTU_DONE;
		p->raise_ns = now_ns + ZS_PMTU_RAISE_NS;
	}
	p->due_ns = now_ns + (p->state == ZS_PMTU_DONE ? ZS_PMTU_CONFIRM_NS : ZS_PMTU_AGAIN_NS);
}

static void base(struct zs_pmtu *p, uint64_t now_ns)
{
	p->state = p->most >= ZS_PMTU_BASE ? ZS_PMTU_BASING : ZS_PMTU_SMALL;
	p->size = ZS_PMTU_BASE;
	p->above = p->most + 1;
	p->probing = 0;
	p->due_ns = p->state == ZS_PMTU_SMALL ? UINT64_MAX : now_ns;
}

void zs_pmtu_start(struct zs_pmtu *p, uint32_t most, uint64_t now_ns)
{
	memset(p, 0, sizeof(*p));
	p->most = most;
	base(p, now_ns);
}

static void lost(struct zs_pmtu *p, uint64_t now_ns)
{
	switch ((enum zs_pmtu_state)p->state) {
	case ZS_PMTU_SEARCHING:
		p->above = p->probing;
		settle(p, now_ns);
		break;
	case ZS_PMTU_DONE: /* a black hole: what passed does no more */
		base(p, now_ns);
		break;
	case ZS_PMTU_BASING:
	case ZS_PMTU_SMALL:
		p->state = ZS_PMTU_SMALL;
		settle(p, now_ns);
		p->probing = ZS_PMTU_BASE; /* its ECHO still counts */
		break;
	}
}

static uint32_t choose(struct zs_pmtu *p, uint64_t now_ns)
{
	switch ((enum zs_pmtu_state)p->state) {
	case ZS_PMTU_DONE:
		if (now_ns < p->raise_ns)
			return p->size;
		p->above = p->most + 1;
		p->state = ZS_PMTU_SEARCHING;
		if (p->size == p->most) {
			settle(p, now_ns);
			return 0;
		}
		return p->most;
	case ZS_PMTU_SEARCHING:
		return p->above == p->most + 1 ? p->most : p->size + (p->above - p->size) / 2;
	default:
		return ZS_PMTU_BASE;
	}
}

uint32_t zs_pmtu_due(struct zs_pmtu *p, uint64_t now_ns, const struct zs_random *random)
{
	if (now_ns < p->due_ns)
		return 0;
	if (p->probing && p->state != ZS_PMTU_SMALL && p->tries >= ZS_PMTU_TRIES)
		lost(p, now_ns);
	if (now_ns < p->due_ns)
		return 0;
	if (!p->probing || p->state == ZS_PMTU_SMALL) {
		if (p->state == ZS_PMTU_SMALL)
			p->state = ZS_PMTU_BASING;
		p->tries = 0;
		p->probing = choose(p, now_ns);
		if (!p->probing)
			return 0;
		random->fill(random->ctx, p->nonce, sizeof(p->nonce));
	}
	p->tries++;
	p->due_ns = now_ns + ZS_PMTU_TIMEOUT_NS;
	return p->probing;
}

bool zs_pmtu_echo(struct zs_pmtu *p, const uint8_t nonce[ZS_TUNNEL_PROBE], uint64_t now_ns)
{
	if (!p->probing || memcmp(nonce, p->nonce, sizeof(p->nonce)) != 0)
		return false;
	if (p->state == ZS_PMTU_BASING || p->state == ZS_PMTU_SMALL)
		p->state = ZS_PMTU_SEARCHING;
	p->size = p->probing;
	settle(p, now_ns);
	return true;
}

void zs_pmtu_refused(struct zs_pmtu *p, uint32_t size, uint64_t now_ns)
{
	if (p->probing && p->probing == size)
		lost(p, now_ns);
	else if (!p->probing && p->size >= size)
		base(p, now_ns);
}
