/* Usage: the cells of a real state segment, a real store; killed at every write of it; other owners, other
 * incarnations, more workers; a model. */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "attach_rig.h"
#include "unit/random.h"

#include "usage/usage.h"

#define OWNERS 6
#define IDS    5

/* What outlives a kill: the truth, and how far the script came. */
struct truth {
	struct zs_meter to[OWNERS][ZS_DIRECTIONS];
	uint32_t step;
};

struct meter_world {
	struct rig r;
	struct zs_usage *u;
	struct zs_state writer, reader; /* the dataplane's, and ours */
	struct truth *truth;
	uint64_t now, wall_s;
	uint16_t generation[IDS];
	uint8_t owner[IDS];
	uint32_t workers;
};

static struct zs_state_shape shape_of(uint32_t workers)
{
	return (struct zs_state_shape){
		.flow_capacity = 64, .event_capacity = 64, .partitions = workers, .attachments = 64
	};
}

static void dataplane_open(struct meter_world *w, uint32_t workers)
{
	struct zs_state_shape shape = shape_of(workers);
	bool fresh;

	if (zs_state_open_writer(&w->writer, w->r.c.shm_dir, &shape, &fresh, &w->r.err) ||
	    zs_state_open_reader(&w->reader, w->r.c.shm_dir, &w->r.err))
		fail_msg("%s", w->r.err.text);
	w->workers = w->writer.partitions;
	w->r.c.state = &w->reader;
}

static void dataplane_close(struct meter_world *w)
{
	w->r.c.state = NULL;
	zs_state_close(&w->reader);
	zs_state_close(&w->writer);
}

static void fill(void *ctx, void *out, size_t len)
{
	memset(out, 7, len);
}

static void control_open(struct meter_world *w)
{
	rig_open(&w->r);
	if (zs_usage_new(&w->u, &w->r.c, 64, &(struct zs_random){ .fill = fill }, &w->r.err))
		fail_msg("%s", w->r.err.text);
}

static void control_close(struct meter_world *w)
{
	zs_usage_delete(w->u);
	rig_close(&w->r);
}

static int setup(void **state)
{
	struct meter_world *w = calloc(1, sizeof(*w));

	rig_make(&w->r);
	w->r.c.conf = rig_conf(&w->r, "");
	w->now = 1000 * ZS_NS_PER_S;
	w->wall_s = 1700000000;
	w->truth = mmap(NULL, sizeof(*w->truth), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct meter_world *w = *state;

	rig_remove(&w->r);
	munmap(w->truth, sizeof(*w->truth));
	free(w);
	return 0;
}

/* Packets of an attachment, counted by a worker for whoever has it. */
static void traffic(struct meter_world *w, uint32_t id, uint32_t worker, uint32_t dir, uint32_t bytes)
{
	struct zs_meter *truth = &w->truth->to[w->owner[id]][dir];

	zs_meter_add(&zs_state_hot(&w->writer, worker)[id].meter[dir], bytes);
	truth->bytes += bytes;
	truth->packets++;
}

static int own(struct meter_world *w, uint32_t id, uint16_t generation, uint8_t owner)
{
	struct zs_peer_id peer = peer_of(owner);
	int rc = zs_usage_own(w->u, id, generation, &peer, w->wall_s);

	if (!rc) {
		w->owner[id] = owner;
		w->generation[id] = generation;
	}
	return rc;
}

static void round_passes(struct meter_world *w)
{
	uint64_t end = w->now + ZS_USAGE_ROUND_NS;

	for (; w->now <= end; w->now += ZS_USAGE_PAUSE_NS)
		zs_usage_advance(w->u, w->now, w->wall_s);
	w->wall_s++;
}

static void assert_truth(struct meter_world *w)
{
	for (uint8_t i = 0; i < OWNERS; i++) {
		struct zs_peer_id peer = peer_of(i);
		struct zs_usage_sum sum = { 0 };

		zs_usage_of(w->u, &peer, &sum);
		for (uint32_t d = 0; d < ZS_DIRECTIONS; d++)
			if (sum.to[d].bytes != w->truth->to[i][d].bytes ||
			    sum.to[d].packets != w->truth->to[i][d].packets)
				fail_msg("owner %u way %u: %lu bytes instead of %lu", i, d,
					 (unsigned long)sum.to[d].bytes,
					 (unsigned long)w->truth->to[i][d].bytes);
	}
}

/* --- one thing at a time --- */

static void test_counts(void **state)
{
	struct meter_world *w = *state;
	struct zs_peer_id one = peer_of(1);
	struct zs_usage_sum sum;

	dataplane_open(w, 3);
	control_open(w);
	traffic(w, 1, 0, ZS_TO_EDGE, 700); /* before anybody had it: owner 0's, whom nobody knows */
	memset(w->truth, 0, sizeof(*w->truth));
	assert_int_equal(own(w, 1, 9, 1), 0);
	assert_false(zs_usage_of(w->u, &one, &sum));
	traffic(w, 1, 0, ZS_TO_EDGE, 1000);
	traffic(w, 1, 2, ZS_TO_EDGE, 200);
	traffic(w, 1, 1, ZS_FROM_EDGE, 30);
	round_passes(w);
	assert_truth(w);
	assert_true(zs_usage_of(w->u, &one, &sum));
	assert_int_equal(sum.first_s, 1700000000);
	round_passes(w); /* nothing new: nothing is counted */
	assert_truth(w);
	assert_int_equal(zs_usage_total(w->u)->to[ZS_TO_EDGE].bytes, 1200);
	traffic(w, 1, 1, ZS_FROM_EDGE, 5);
	control_close(w); /* not counted yet, and not lost */
	traffic(w, 1, 1, ZS_FROM_EDGE, 6);
	control_open(w);
	round_passes(w);
	assert_truth(w);
	control_close(w);
	dataplane_close(w);
}

/* A slot's next owner begins where the cells stand; what came before is the last one's, who may come back elsewhere. */
static void test_next_owner(void **state)
{
	struct meter_world *w = *state;

	dataplane_open(w, 2);
	control_open(w);
	assert_int_equal(own(w, 1, 9, 1), 0);
	traffic(w, 1, 0, ZS_TO_EDGE, 1000);
	assert_int_equal(own(w, 1, 10, 2), 0);
	assert_truth(w);
	traffic(w, 1, 1, ZS_TO_EDGE, 40);
	round_passes(w);
	assert_truth(w);
	assert_int_equal(own(w, 1, 10, 2), 0); /* the same: nothing begins anew */
	traffic(w, 1, 1, ZS_TO_EDGE, 2);
	assert_int_equal(own(w, 4, 1, 1), 0);
	traffic(w, 4, 0, ZS_TO_EDGE, 7);
	control_close(w);
	control_open(w);
	round_passes(w);
	assert_truth(w);
	assert_int_equal(own(w, 1, 11, 2), 0); /* the same owner with a new generation */
	traffic(w, 1, 0, ZS_FROM_EDGE, 3);
	round_passes(w);
	assert_truth(w);
	assert_int_equal(zs_usage_own(w->u, 64, 1, &(struct zs_peer_id){ 0 }, 0), -EINVAL);
	control_close(w);
	dataplane_close(w);
}

static void wipe_state(struct meter_world *w)
{
	char path[160];

	dataplane_close(w);
	snprintf(path, sizeof(path), "%s/state", w->r.c.shm_dir);
	assert_int_equal(unlink(path), 0);
}

/* A new incarnation counts from 0; more workers keep the old one's cells. */
static void test_incarnations(void **state)
{
	struct meter_world *w = *state;

	dataplane_open(w, 1);
	control_open(w);
	assert_int_equal(own(w, 1, 9, 1), 0);
	traffic(w, 1, 0, ZS_TO_EDGE, 1000);
	round_passes(w);
	wipe_state(w);
	round_passes(w); /* no state at all */
	dataplane_open(w, 1);
	traffic(w, 1, 0, ZS_TO_EDGE, 999); /* less than before, and all of it new */
	round_passes(w);
	assert_truth(w);
	traffic(w, 1, 0, ZS_TO_EDGE, 5000);
	dataplane_close(w);
	dataplane_open(w, 4); /* adopted, with room for more workers */
	traffic(w, 1, 3, ZS_TO_EDGE, 1);
	round_passes(w);
	assert_truth(w);
	control_close(w);
	wipe_state(w);
	dataplane_open(w, 1);
	traffic(w, 1, 0, ZS_TO_EDGE, 10000);
	control_open(w);
	round_passes(w);
	assert_truth(w);
	control_close(w);
	dataplane_close(w);
}

/* Words that go back are a damaged segment's. */
static void test_backwards(void **state)
{
	struct meter_world *w = *state;
	struct zs_meter *cell;

	dataplane_open(w, 1);
	control_open(w);
	assert_int_equal(own(w, 1, 9, 1), 0);
	traffic(w, 1, 0, ZS_TO_EDGE, 1000);
	round_passes(w);
	cell = &zs_state_hot(&w->writer, 0)[1].meter[ZS_TO_EDGE];
	*cell = (struct zs_meter){ 0 };
	round_passes(w);
	assert_truth(w);
	traffic(w, 1, 0, ZS_TO_EDGE, 3);
	round_passes(w);
	assert_truth(w);
	control_close(w);
	dataplane_close(w);
}

/* --- killed at every write --- */

static int writes_left = -1; /* of the child, before the one that kills it; negative: lives */
static bool kill_after;
static int failing; /* the write that fails, from 1; 0: none */
int __real_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);
int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err);

int __wrap_zs_store_commit(struct zs_store_batch *b, struct zs_error *err)
{
	bool now = writes_left == 0;
	int rc;

	if (failing && --failing == 0) {
		zs_store_abort(b);
		return -EIO;
	}
	if (writes_left >= 0)
		writes_left--;
	if (now && !kill_after)
		kill(getpid(), SIGKILL);
	rc = __real_zs_store_commit(b, err);
	if (now)
		kill(getpid(), SIGKILL);
	return rc;
}

/* Owners by step; a step that was begun is done again, so what may be killed is the last thing of it. */
static void script(struct meter_world *w)
{
	for (; w->truth->step < 24; w->truth->step++) {
		uint32_t n = w->truth->step, id = 1 + n % 3;

		w->owner[id] = (uint8_t)(1 + n / 3 % 5);
		if (n % 12 < 3 || n % 12 > 8)
			assert_int_equal(own(w, id, (uint16_t)(1 + n / 3), w->owner[id]), 0);
		else
			round_passes(w);
		if (n % 12 < 3 || n % 12 > 8) { /* whose it is now */
			traffic(w, id, n % 2, n % 2, 100 + n);
			traffic(w, id, (n + 1) % 2, ZS_TO_EDGE, 7);
		}
	}
}

/* A write of one slice fails, that of the next does not: what it stores of an owner in both is right after a kill. */
static void test_failed_write(void **state)
{
	struct meter_world *w = *state;
	struct zs_state_shape shape = shape_of(1);
	const uint32_t far = ZS_USAGE_SLICE + 1;
	struct zs_peer_id one = peer_of(1);
	struct zs_usage_sum sum;
	bool fresh;

	shape.attachments = 2 * ZS_USAGE_SLICE;
	assert_int_equal(zs_state_open_writer(&w->writer, w->r.c.shm_dir, &shape, &fresh, &w->r.err), 0);
	assert_int_equal(zs_state_open_reader(&w->reader, w->r.c.shm_dir, &w->r.err), 0);
	w->r.c.state = &w->reader;
	for (uint32_t life = 0; life < 3; life++) {
		rig_open(&w->r);
		assert_int_equal(zs_usage_new(&w->u, &w->r.c, shape.attachments,
					      &(struct zs_random){ .fill = fill }, &w->r.err),
				 0);
		if (life == 0) {
			assert_int_equal(zs_usage_own(w->u, 1, 1, &one, 5), 0);
			assert_int_equal(zs_usage_own(w->u, far, 1, &one, 5), 0);
			zs_meter_add(&zs_state_hot(&w->writer, 0)[1].meter[ZS_TO_EDGE], 100);
			zs_meter_add(&zs_state_hot(&w->writer, 0)[far].meter[ZS_TO_EDGE], 10);
			failing = 1;
		}
		zs_usage_advance(w->u, w->now, w->wall_s);
		zs_usage_advance(w->u, w->now += ZS_USAGE_PAUSE_NS, w->wall_s);
		assert_true(zs_usage_of(w->u, &one, &sum));
		assert_int_equal(sum.to[ZS_TO_EDGE].bytes, life < 2 ? 110 : 113);
		if (life == 1) { /* and a hand-over that fails changes nothing */
			zs_meter_add(&zs_state_hot(&w->writer, 0)[1].meter[ZS_TO_EDGE], 1);
			failing = 1;
			assert_int_equal(zs_usage_own(w->u, 1, 2, &(struct zs_peer_id){ 1, { 7 } }, 5), -EIO);
			zs_meter_add(&zs_state_hot(&w->writer, 0)[1].meter[ZS_TO_EDGE], 2);
			round_passes(w);
			assert_true(zs_usage_of(w->u, &one, &sum));
			assert_int_equal(sum.to[ZS_TO_EDGE].bytes, 113);
		}
		control_close(w);
	}
	dataplane_close(w);
}

static bool child(struct meter_world *w, int writes, bool after)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		writes_left = -1;
		control_open(w);
		writes_left = writes;
		kill_after = after;
		script(w);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void test_killed(void **state)
{
	struct meter_world *w = *state;
	char cmd[160];
	int kills = 0;

	writes_left = -1;
	for (int n = 0; n < 2 * 40; n++) {
		bool more;

		memset(w->truth, 0, sizeof(*w->truth));
		snprintf(cmd, sizeof(cmd), "rm -rf %s/store %s/shm/*", w->r.dir, w->r.dir);
		assert_int_equal(system(cmd), 0);
		dataplane_open(w, 2);
		more = child(w, n / 2, n % 2);
		kills += more;
		if (more) /* the next life does the rest */
			assert_false(child(w, -1, false));
		control_open(w);
		round_passes(w);
		assert_truth(w);
		control_close(w);
		dataplane_close(w);
		if (!more)
			break;
	}
	assert_in_range(kills, 20, 79);
}

/* --- bytes in all, with the attach server --- */

static void test_quota(void **state)
{
	struct world *w = *state;
	struct zs_state writer, reader;
	struct zs_state_shape shape = { .flow_capacity = 64, .event_capacity = 64, .partitions = 1 };
	struct zs_attach_limits l = { .set = 1u << ZS_ATTACH_LIMIT_bytes };
	struct zs_attach_frame f = a_hello(1);
	struct zs_peer_id peer = peer_of(1);
	struct edge e, again;
	zs_pb_Grant g;
	bool fresh;

	shape.attachments = zs_attach_capacity(w->s);
	assert_int_equal(zs_state_open_writer(&writer, w->r.c.shm_dir, &shape, &fresh, &w->r.err), 0);
	assert_int_equal(zs_state_open_reader(&reader, w->r.c.shm_dir, &w->r.err), 0);
	w->r.c.state = &reader;
	assert_int_equal(zs_usage_new(&w->r.c.usage, &w->r.c, shape.attachments,
				      &(struct zs_random){ .fill = fill }, &w->r.err),
			 0);
	l.value[ZS_ATTACH_LIMIT_bytes] = 10000;
	assert_int_equal(zs_attach_limit(w->s, &peer, &l, w->now, NULL), 0);
	g = attach(w, &e, 1, ZS_ATTACH_CONTINUITY_fresh);
	zs_meter_add(&zs_state_hot(&writer, 0)[g.attachment].meter[ZS_TO_EDGE], 9999);
	zs_meter_add(&zs_state_hot(&writer, 0)[g.attachment].meter[ZS_FROM_EDGE], 5000);
	assert_int_equal(zs_usage_settle(w->r.c.usage, w->now, w->wall_s), 0);
	assert_false(e.gone); /* each direction apart */
	zs_meter_add(&zs_state_hot(&writer, 0)[g.attachment].meter[ZS_TO_EDGE], 1);
	assert_int_equal(zs_usage_settle(w->r.c.usage, w->now, w->wall_s), 0);
	assert_int_equal(last(&e, ZS_ATTACH_NOTICE)->notice.code, ZS_ATTACH_NOTICE_quota);
	assert_true(e.gone);
	edge_close(&e);
	assert_int_equal(zs_attach_kick(w->s, g.attachment, w->now, NULL),
			 0); /* a new one is no way around */
	edge_open(w, &again, 1);
	edge_send(&again, &f);
	assert_string_equal(refused(&again, ZS_ATTACH_ERROR_quota)->scope, "bytes");
	assert_int_equal(refused(&again, ZS_ATTACH_ERROR_quota)->limit, 10000);
	l.value[ZS_ATTACH_LIMIT_bytes] = 15000;
	assert_int_equal(zs_attach_limit(w->s, &peer, &l, w->now, NULL), 0);
	edge_close(&again);
	g = attach(w, &again, 1, ZS_ATTACH_CONTINUITY_fresh);
	assert_int_equal(g.policy.bytes_left, 5000);
	edge_close(&again);
	zs_usage_delete(w->r.c.usage);
	w->r.c.usage = NULL;
	w->r.c.state = NULL;
	zs_state_close(&reader);
	zs_state_close(&writer);
}

/* What two attachments of a tenant used is the tenant's, over a restart of the control plane too. */
static void test_tenant(void **state)
{
	struct world *w = *state;
	struct zs_attach_rule rule = { .tenant = "lab" };
	struct zs_attach_frame f = a_hello(1);
	struct zs_state writer, reader;
	struct zs_state_shape shape = { .flow_capacity = 64, .event_capacity = 64, .partitions = 1 };
	struct zs_random random = { .fill = fill };
	struct edge e[2];
	zs_pb_Grant g[2];
	bool fresh;

	shape.attachments = zs_attach_capacity(w->s);
	assert_int_equal(zs_state_open_writer(&writer, w->r.c.shm_dir, &shape, &fresh, &w->r.err), 0);
	assert_int_equal(zs_state_open_reader(&reader, w->r.c.shm_dir, &w->r.err), 0);
	w->r.c.state = &reader;
	world_conf(w, "{mode: open, tenants: [{name: lab, total_mb: 1}, {name: other}]}");
	for (int life = 0; life < 2; life++) {
		assert_int_equal(zs_usage_new(&w->r.c.usage, &w->r.c, shape.attachments, &random, &w->r.err),
				 0);
		for (uint8_t i = 0; i < 2; i++) {
			rule.peer = peer_of(i);
			assert_int_equal(zs_attach_rule_set(w->s, &rule, w->now, NULL), 0);
			g[i] = attach(w, &e[i], i,
				      life ? ZS_ATTACH_CONTINUITY_known : ZS_ATTACH_CONTINUITY_fresh);
			zs_meter_add(&zs_state_hot(&writer, 0)[g[i].attachment].meter[ZS_TO_EDGE], 300000);
		}
		assert_int_equal(zs_usage_settle(w->r.c.usage, w->now, w->wall_s), 0);
		assert_int_equal(e[0].gone, life == 1); /* 600,000, then 1,200,000 of 1,048,576 */
		assert_int_equal(e[1].gone, life == 1);
		edge_close(&e[0]);
		edge_close(&e[1]);
		if (life == 0) {
			zs_usage_delete(w->r.c.usage);
			w->r.c.usage = NULL;
			world_restart(w);
			w->r.c.state = &reader;
		}
	}
	edge_open(w, &e[0], 0);
	edge_send(&e[0], &f);
	assert_string_equal(refused(&e[0], ZS_ATTACH_ERROR_quota)->scope, "tenant");
	edge_close(&e[0]);
	zs_usage_delete(w->r.c.usage);
	w->r.c.usage = NULL;
	w->r.c.state = NULL;
	zs_state_close(&reader);
	zs_state_close(&writer);
}

/* --- a model --- */

static void test_model(void **state)
{
	struct meter_world *w = *state;
	struct random r = random_new("usage");
	uint16_t generation = 1;

	dataplane_open(w, 1);
	control_open(w);
	for (uint32_t id = 0; id < IDS; id++)
		assert_int_equal(own(w, id, generation++, (uint8_t)id), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t id = random_below(&r, IDS), dice = random_below(&r, 1000);

		if (dice < 800) {
			traffic(w, id, random_below(&r, w->workers), random_below(&r, 2),
				random_below(&r, 1500));
		} else if (dice < 900) {
			w->now += random_below(&r, 400) * ZS_NS_PER_MS;
			zs_usage_advance(w->u, w->now, w->wall_s);
		} else if (dice < 970) { /* owners that are free; one has one attachment */
			assert_int_equal(
			    own(w, id, generation++, dice & 1 ? (uint8_t)id : (uint8_t)(OWNERS - 1)), 0);
			for (uint32_t k = 0; k < IDS; k++)
				if (k != id && w->owner[k] == OWNERS - 1 && w->owner[id] == OWNERS - 1)
					assert_int_equal(own(w, k, generation++, (uint8_t)k), 0);
		} else if (dice < 980) {
			control_close(w);
			control_open(w);
		} else if (dice < 990) {
			dataplane_close(w);
			dataplane_open(w, w->workers < 4 ? w->workers + 1 : 4);
		} else if (dice < 995) { /* nothing uncounted may be in it */
			assert_int_equal(zs_usage_settle(w->u, w->now, w->wall_s), 0);
			wipe_state(w);
			dataplane_open(w, 1 + random_below(&r, 4));
		} else {
			round_passes(w);
			assert_truth(w);
		}
	}
	assert_int_equal(zs_usage_settle(w->u, w->now, w->wall_s), 0);
	assert_truth(w);
	control_close(w);
	dataplane_close(w);
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_counts),
		ROW(test_next_owner),
		ROW(test_incarnations),
		ROW(test_backwards),
		ROW(test_killed),
		ROW(test_failed_write),
		cmocka_unit_test_setup_teardown(test_quota, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_tenant, world_setup, world_teardown),
		ROW(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
