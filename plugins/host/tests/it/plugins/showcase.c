/* Describes the host it was created in. */
#include "dynlab_plugin.h"

#include <stdio.h>

static char text[512];

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)error;
  const DynlabHostInfo *host = args->host;
  snprintf(text, sizeof text, "%.*s %.*s, %u labels, %s cores, %s memory", (int)host->arch.len, host->arch.ptr,
           (int)host->libc.len, host->libc.ptr, (unsigned)host->label_count, host->cores > 0 ? "some" : "no",
           host->memory > 0 ? "some" : "no");
  *instance = text;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static DynlabStatus describe(void *instance, DynlabTextSink description, DynlabTextSink error) {
  (void)error;
  dynlab_put(description, instance);
  return DYNLAB_STATUS_OK;
}

static const DynlabShowcaseTable table = {
    .size = sizeof(DynlabShowcaseTable),
    .create = create,
    .destroy = destroy,
    .describe = describe,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_SHOWCASE, "mirror", "0.1.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_SHOWCASE, table);
