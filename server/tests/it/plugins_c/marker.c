/* A middleware that marks requests and responses with its name, and does what the macros ask. */
#ifndef NAME
#define NAME "marker"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
#ifndef BEFORE
#define BEFORE
#endif
#ifndef AFTER
#define AFTER
#endif

#include "dynlab_plugin.h"

#include <string.h>

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)args;
  (void)error;
  *instance = NULL;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { (void)instance; }

static int is_path(const DynlabRequest *request, const char *path) {
  return request->path.len == strlen(path) && !memcmp(request->path.ptr, path, request->path.len);
}

static DynlabStatus before(void *instance, const DynlabRequest *request, const DynlabRequestEdit *edit,
                           const DynlabResponseSink *response, void **state, DynlabTextSink error) {
  (void)instance;
  (void)response;
  (void)state;
  (void)error;
  (void)is_path(request, "/");
  BEFORE
  edit->add_header(edit->context, dynlab_text("mark"), dynlab_bytes(NAME, strlen(NAME)));
  return DYNLAB_STATUS_OK;
}

static DynlabStatus after(void *instance, const DynlabRequest *request, const DynlabResponseView *response,
                          const DynlabResponseEdit *edit, void *state, DynlabTextSink error) {
  (void)instance;
  (void)request;
  (void)state;
  (void)error;
  if (!response) return DYNLAB_STATUS_OK;
  AFTER
  edit->add_header(edit->context, dynlab_text("mark"), dynlab_bytes(NAME, strlen(NAME)));
  return DYNLAB_STATUS_OK;
}

static const DynlabMiddlewareTable table = {
    .size = sizeof(DynlabMiddlewareTable),
    .create = create,
    .destroy = destroy,
    .before = before,
    .after = after,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_MIDDLEWARE, NAME, VERSION);
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_MIDDLEWARE, table);
