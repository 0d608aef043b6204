/* A child a bench: what one of them takes of memory, mounts and DPDK ends with it. Children die with this process. */
#include "suite.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/check.h"
#include "base/clock.h"
#include "report/html.h"

#define WORDS 16

enum set { SHORT, FULL };

static const struct run {
	enum set set;
	unsigned seconds;
	const char *word[WORDS];
} runs[] = {
#define ZS_RUN(set, seconds, ...) { set, seconds, { __VA_ARGS__ } },
#include "suite.def"
#undef ZS_RUN
};

static void variant_of(const struct run *r, char out[256])
{
	size_t n = 0;

	*out = 0;
	for (int i = 1; r->word[i]; i++)
		n += (size_t)snprintf(out + n, 256 - n, "%s%s", n ? " " : "",
				      r->word[i] + strspn(r->word[i], "-"));
}

/* The child: its report goes to `out`, its words to our stderr. */
static void exec_bench(const struct run *r, const char *program, int out, pid_t parent)
{
	const char *argv[WORDS + 3] = { program };
	int n = 1;

	for (int i = 0; r->word[i]; i++)
		argv[n++] = r->word[i];
	argv[n] = "--json";
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(126);
	alarm(r->seconds); /* is kept by exec */
	dup2(out, 1);
	execv(program, (char *const *)argv);
	_exit(127);
}

static json_t *absent(const struct run *r, const char *why)
{
	char variant[256];

	variant_of(r, variant);
	return json_pack("{s:s,s:s,s:s,s:s}", "schema", "zs-bench/2", "bench", r->word[0], "variant", variant,
			 "failed", why);
}

static json_t *run_one(const struct run *r, const char *program)
{
	pid_t parent = getpid(), pid;
	json_error_t e;
	json_t *report;
	int fd[2], status = 0;
	char why[128];

	if (pipe(fd) || (pid = fork()) < 0)
		return absent(r, strerror(errno));
	if (pid == 0)
		exec_bench(r, program, fd[1], parent);
	close(fd[1]);
	FILE *f = fdopen(fd[0], "r");
	report = f ? json_loadf(f, 0, &e) : NULL;
	if (f)
		fclose(f);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (report && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return report;
	json_decref(report);
	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "%s",
			 WTERMSIG(status) == SIGALRM ? "it took too long" : strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "it ended with status %d", WEXITSTATUS(status));
	return absent(r, why);
}

static void say(const struct run *r, uint64_t began_ns)
{
	char variant[256];

	variant_of(r, variant);
	fprintf(stderr, "%4.0f s  %s %s\n", (double)(zs_clock_ns() - began_ns) / 1e9, r->word[0], variant);
}

static json_t *new_set(bool full)
{
	char now[32];
	time_t t = time(NULL);
	struct tm utc;

	strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
	return json_pack("{s:s,s:s,s:s,s:[]}", "schema", "zs-bench-set/1", "set", full ? "full" : "short",
			 "time", now, "runs");
}

static int write_files(const json_t *set, const char *prefix)
{
	char json[512], html[512];

	snprintf(json, sizeof(json), "%s.json", prefix);
	snprintf(html, sizeof(html), "%s.html", prefix);
	if (json_dump_file(set, json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) || zs_html_write(set, html)) {
		fprintf(stderr, "zs-bench: cannot write %s and %s: %s\n", json, html, strerror(errno));
		return 1;
	}
	fprintf(stderr, "%s\n%s\n", json, html);
	return 0;
}

int zs_suite(bool full, const char *prefix, const char *bin_dir)
{
	uint64_t began = zs_clock_ns();
	json_t *set = new_set(full), *list = json_object_get(set, "runs");
	char program[300];
	int failed = 0;

	snprintf(program, sizeof(program), "%s/zs-bench", bin_dir);
	for (size_t i = 0; i < ZS_ARRAY_LEN(runs); i++) {
		json_t *report;

		if (runs[i].set == FULL && !full)
			continue;
		say(&runs[i], began);
		report = run_one(&runs[i], program);
		failed += json_object_get(report, "failed") != NULL;
		json_array_append_new(list, report);
	}
	failed += write_files(set, prefix);
	json_decref(set);
	return failed ? 1 : 0;
}

int zs_suite_page(const char *json_path, const char *path, zs_page_fn *write)
{
	json_error_t e;
	json_t *set = json_load_file(json_path, 0, &e);
	int rc = set ? write(set, path) : 0;

	if (!set)
		fprintf(stderr, "zs-bench: %s: %s\n", json_path, e.text);
	else if (rc)
		fprintf(stderr, "zs-bench: %s: %s\n", path,
			rc == -EINVAL ? "it has no lines <!-- figures --> and <!-- /figures -->"
				      : strerror(-rc));
	json_decref(set);
	return set && !rc ? 0 : 1;
}
