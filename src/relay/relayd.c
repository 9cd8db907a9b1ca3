#include "relay/relayd.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "relay/expiry.h"

#define STATUS_INTERVAL_NS SL_NS_PER_S
#define EXPIRY_INTERVAL_NS (12 * 60 * 60 * SL_NS_PER_S)

static struct sl_tls *load_certificate(const struct relay_config *config, struct sl_error *error)
{
	if (config->dev_certificate_out[0])
		return sl_tls_server_dev(config->state_directory, config->dev_certificate_name,
					 config->dev_certificate_out, error);
	return sl_tls_server_new(config->certificate, config->private_key, error);
}

static void validate(const void *config, const char *file, struct sl_option_errors *errors)
{
	const struct relay_config *c = config;
	struct sl_error error = {.text = ""};
	struct sl_tls *tls;

	relay_config_validate(config, file, errors);
	if (errors->count > 0 || c->dev_certificate_out[0])
		return; // a self-signed one is made at start: checking writes nothing
	tls = sl_tls_server_new(c->certificate, c->private_key, &error);
	if (!tls)
		sl_option_errors_add(errors, file, 0, "certificate",
				     "%s (or set dev_certificate_out, for a self-signed one)", error.text);
	sl_tls_free(tls);
}

static const char *certificate_expiry(const struct relayd *relayd, char out[static RELAY_EXPIRY_TEXT])
{
	struct sl_env *env = relayd->runtime->env;
	struct sl_tls_info certificate;

	sl_tls_info(relayd->tls, &certificate);
	return relay_expiry_sentence(&certificate, env->ops->wall_ns(env), out);
}

static void write_status(struct relayd *relayd)
{
	struct sl_relay_info info;
	char listen[SL_ADDR_TEXT], expiry[RELAY_EXPIRY_TEXT];

	sl_relay_info(relayd->relay, &info);
	sl_notify_status(relayd->runtime->notify, "Serving on %s, %zu room%s, %zu peer%s. %s",
			 sl_addr_format(&info.listen, listen), info.rooms, info.rooms == 1 ? "" : "s",
			 info.peers, info.peers == 1 ? "" : "s", certificate_expiry(relayd, expiry));
	relayd->status_ns = relayd->runtime->env->now_ns;
	relayd->status_due = false;
}

static void on_status_timer(void *arg)
{
	write_status(arg);
}

// At most one line a second, and the last state always gets written.
static void on_change(void *arg)
{
	struct relayd *relayd = arg;
	struct sl_env *env = relayd->runtime->env;

	if (relayd->status_due)
		return;
	relayd->status_due = true;
	env->ops->timer_set(relayd->status_timer, relayd->status_ns + STATUS_INTERVAL_NS);
}

static void on_expiry_timer(void *arg)
{
	struct relayd *relayd = arg;
	struct sl_env *env = relayd->runtime->env;
	char sentence[RELAY_EXPIRY_TEXT];

	if (certificate_expiry(relayd, sentence)[0])
		sl_warn(env->log, "relay", "%s", sentence);
	on_change(relayd); // the status line says it, too, or no longer
	env->ops->timer_set(relayd->expiry_timer, env->now_ns + EXPIRY_INTERVAL_NS);
}

static void relayd_free(void *state)
{
	struct relayd *relayd = state;

	if (!relayd)
		return;
	sl_relay_free(relayd->relay);
	sl_tls_free(relayd->tls);
	relayd->runtime->env->ops->timer_free(relayd->status_timer);
	relayd->runtime->env->ops->timer_free(relayd->expiry_timer);
	free(relayd);
}

static void log_certificate(const struct relayd *relayd, const char *what)
{
	struct sl_tls_info tls;

	sl_tls_info(relayd->tls, &tls);
	sl_info(relayd->runtime->log, "relay", "%s, subject %s sha256 %s%s", what, tls.subject, tls.sha256,
		tls.development ? " (self-signed)" : "");
}

static void log_start(const struct relayd *relayd)
{
	struct sl_relay_info info;
	char listen[SL_ADDR_TEXT];

	sl_relay_info(relayd->relay, &info);
	sl_info(relayd->runtime->log, "relay", "serving, listen %s mtu %zu",
		sl_addr_format(&info.listen, listen), info.mtu);
	log_certificate(relayd, "certificate");
}

static int start(struct sl_runtime *runtime, void **state, struct sl_error *error)
{
	const struct relay_config *config = runtime->config;
	struct relayd *relayd = calloc(1, sizeof(*relayd));
	int rc;

	*state = NULL;
	if (!relayd)
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	relayd->runtime = runtime;
	relayd->status_timer = runtime->env->ops->timer_new(runtime->env, on_status_timer, relayd);
	relayd->expiry_timer = runtime->env->ops->timer_new(runtime->env, on_expiry_timer, relayd);
	if (!relayd->status_timer || !relayd->expiry_timer) {
		rc = sl_fail(error, SL_ERR_NOMEM, "out of memory");
		goto out;
	}
	relayd->tls = load_certificate(config, error);
	if (!relayd->tls) {
		// A file that the configuration names and that can't be used: exit code 2.
		rc = config->dev_certificate_out[0] ? SL_ERR_SYSTEM : SL_ERR_INVALID;
		goto out;
	}
	rc = sl_relay_new(runtime->env, config, relayd->tls, &relayd->relay, error);
	if (rc != SL_OK)
		goto out;
	sl_relay_on_change(relayd->relay, on_change, relayd);
	log_start(relayd);
	sl_notify_ready(runtime->notify);
	write_status(relayd);
	on_expiry_timer(relayd);
	*state = relayd;
	return SL_OK;
out:
	relayd_free(relayd);
	return rc;
}

static void on_stopped(void *arg)
{
	struct relayd *relayd = arg;

	sl_runtime_exit(relayd->runtime, SL_EXIT_OK, NULL);
}

static void stop(void *state)
{
	struct relayd *relayd = state;

	sl_relay_stop(relayd->relay, on_stopped, relayd);
}

static bool same_certificate(const struct sl_tls *one, const struct sl_tls *other)
{
	struct sl_tls_info a, b;

	sl_tls_info(one, &a);
	sl_tls_info(other, &b);
	return strcmp(a.sha256, b.sha256) == 0;
}

static int reload(void *state, const void *config, struct sl_error *error)
{
	struct relayd *relayd = state;
	struct sl_tls *tls = load_certificate(config, error), *old = relayd->tls;

	if (!tls)
		return SL_ERR_INVALID;
	if (sl_relay_reload(relayd->relay, config, tls) != SL_OK) {
		sl_tls_free(tls);
		return sl_fail(error, SL_ERR_NOMEM, "out of memory");
	}
	relayd->tls = tls;
	if (!same_certificate(old, tls)) {
		log_certificate(relayd, "new certificate for newcomers");
		on_expiry_timer(relayd);
	}
	sl_tls_free(old);
	return SL_OK;
}

const struct sl_daemon relay_daemon = {
	.name = "softlan-relay",
	.scope = "relay",
	.summary = "joins the gateways and clients of softlan rooms over QUIC",
	.options = relay_options,
	.versions = sl_quic_library_versions,
	.config_size = sizeof(struct relay_config),
	.log_level_offset = offsetof(struct relay_config, log_level),
	.log_frames_offset = offsetof(struct relay_config, log_frames),
	.control_socket_offset = offsetof(struct relay_config, control_socket),
	.control_group_offset = offsetof(struct relay_config, control_group),
	.user_offset = offsetof(struct relay_config, user),
	.capabilities = SL_CAPABILITY(CAP_NET_BIND_SERVICE),
	.validate = validate,
	.start = start,
	.stop = stop,
	.reload = reload,
	.free = relayd_free,
	.verbs = relay_verbs,
};
