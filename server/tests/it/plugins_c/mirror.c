/* A handler at /mirror that answers its settings, its mount, and the marks that middlewares left. */
#include "dynlab_plugin.h"

#include <stdlib.h>
#include <string.h>

#ifndef WORK
#define WORK
#endif

struct settings {
  size_t len;
  char text[256];
};

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  struct settings *settings = calloc(1, sizeof *settings);
  if (!settings) return DYNLAB_STATUS_FAILED;
  if (args->config.len > sizeof settings->text) {
    dynlab_put(error, "the settings are too long");
    return DYNLAB_STATUS_INVALID_ARGUMENT;
  }
  settings->len = args->config.len;
  memcpy(settings->text, args->config.ptr, args->config.len);
  *instance = settings;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { free(instance); }

static void write_text(const DynlabResponseSink *response, const void *text, size_t len) {
  response->write_body(response->context, dynlab_bytes(text, len));
}

static DynlabStatus handle(void *instance, const DynlabRequest *request, const DynlabResponseSink *response,
                           DynlabTextSink error) {
  const struct settings *settings = instance;
  (void)error;
  WORK
  write_text(response, settings->text, settings->len);
  write_text(response, " ", 1);
  write_text(response, request->mount.ptr, request->mount.len);
  for (size_t i = 0; i < request->header_count; i++) {
    const DynlabHeader *header = &request->headers[i];
    if (header->name.len == 4 && !memcmp(header->name.ptr, "mark", 4)) {
      write_text(response, " ", 1);
      write_text(response, header->value.ptr, header->value.len);
    }
  }
  return DYNLAB_STATUS_OK;
}

static const DynlabText methods[] = {DYNLAB_TEXT("GET")};

static const DynlabHandlerTable table = {
    .size = sizeof(DynlabHandlerTable),
    .create = create,
    .destroy = destroy,
    .route = DYNLAB_TEXT("/mirror"),
    .methods = methods,
    .method_count = 1,
    .handle = handle,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_HANDLER, "mirror", "1.0.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_HANDLER, table);
