/* A resolver that knows some hosts, and learns "later.test" when it is asked for it. */
#include "dynlab_plugin.h"

#include <string.h>

static int failures;
static int learned;

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)args;
  (void)error;
  *instance = NULL;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static int is(DynlabText host, const char *name) { return host.len == strlen(name) && !memcmp(host.ptr, name, host.len); }

static DynlabStatus resolve(void *instance, DynlabText host, const DynlabUpstreamSink *upstreams, DynlabWaker waker,
                            DynlabTextSink error) {
  (void)instance;
  DynlabUpstream ip = {
      .size = sizeof ip, .weight = 2, .address = {.family = DYNLAB_FAMILY_IPV4, .port = 8080, .bytes = {10, 0, 0, 1}}};
  DynlabUpstream socket = {
      .size = sizeof socket, .weight = 1, .address = {.family = DYNLAB_FAMILY_UNIX}, .name = DYNLAB_TEXT("/run/app.sock")};
  if (is(host, "later.test") && !learned) {
    if (!waker.wake) {
      dynlab_put(error, "nobody to wake");
      return DYNLAB_STATUS_UNAVAILABLE;
    }
    learned = 1;
    waker.wake(waker.context);
    return DYNLAB_STATUS_PENDING;
  }
  if (is(host, "empty.test")) return DYNLAB_STATUS_OK;
  if (is(host, "weightless.test")) ip.weight = 0;
  else if (!is(host, "known.test") && !is(host, "later.test")) return DYNLAB_STATUS_NOT_FOUND;
  if (failures == 0) upstreams->add(upstreams->context, &ip);
  upstreams->add(upstreams->context, &socket);
  return DYNLAB_STATUS_OK;
}

static void report(void *instance, DynlabText host, const DynlabUpstream *upstream, uint32_t outcome) {
  (void)instance;
  (void)host;
  if (outcome != DYNLAB_OUTCOME_OK && upstream->address.port == 8080) failures++;
}

static const DynlabResolverTable table = {
    .size = sizeof(DynlabResolverTable),
    .create = create,
    .destroy = destroy,
    .resolve = resolve,
    .report = report,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_RESOLVER, "book", "1.0.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_RESOLVER, table);
