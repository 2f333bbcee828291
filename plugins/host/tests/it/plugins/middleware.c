/*
 * A middleware that answers /teapot itself, and marks every other request and its response. It logs how each of the others
 * ended: every state it gave out must come back once.
 */
#include "dynlab_plugin.h"

#include <stdlib.h>
#include <string.h>

static DynlabLogSink log_sink;

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  (void)error;
  log_sink = args->log;
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
  if (is_path(request, "/teapot")) {
    response->set_status(response->context, 418);
    return DYNLAB_STATUS_ANSWERED;
  }
  if (is_path(request, "/broken")) {
    dynlab_put(error, "it is broken");
    return DYNLAB_STATUS_FAILED;
  }
  if (!(*state = malloc(1))) return DYNLAB_STATUS_FAILED;
  DynlabAddress peer = {.family = DYNLAB_FAMILY_IPV4, .port = 80, .bytes = {198, 51, 100, 1}};
  edit->set_header(edit->context, dynlab_text("X-Seen"), dynlab_bytes("yes", 3));
  edit->add_header(edit->context, dynlab_text("x-more"), dynlab_bytes("1", 1));
  edit->remove_header(edit->context, dynlab_text("cookie"));
  edit->set_target(edit->context, dynlab_text("/inner"), dynlab_text("a=1"));
  edit->set_peer(edit->context, &peer);
  if (is_path(request, "/forbidden")) edit->set_header(edit->context, dynlab_text("connection"), dynlab_bytes("close", 5));
  return DYNLAB_STATUS_OK;
}

static DynlabStatus after(void *instance, const DynlabRequest *request, const DynlabResponseView *response,
                          const DynlabResponseEdit *edit, void *state, DynlabTextSink error) {
  (void)instance;
  (void)request;
  (void)error;
  if (!state) abort();
  free(state);
  if (log_sink.write) log_sink.write(log_sink.context, DYNLAB_LOG_INFO, dynlab_text(response ? "ended" : "aborted"));
  if (!response) return DYNLAB_STATUS_OK;
  edit->set_status(edit->context, response->status + 1);
  edit->set_header(edit->context, dynlab_text("x-a"), dynlab_bytes("new", 3));
  edit->add_header(edit->context, dynlab_text("x-b"), dynlab_bytes("2", 1));
  edit->remove_header(edit->context, dynlab_text("x-c"));
  edit->set_body(edit->context, dynlab_bytes("changed", 7));
  return DYNLAB_STATUS_OK;
}

static const DynlabMiddlewareTable table = {
    .size = sizeof(DynlabMiddlewareTable),
    .create = create,
    .destroy = destroy,
    .before = before,
    .after = after,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_MIDDLEWARE, "marker", "1.0.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_MIDDLEWARE, table);
