/* A handler in C: greets at /hello-c. All that a plugin needs is in the header of the contract. */
#include "dynlab_plugin.h"

#include <stdlib.h>
#include <string.h>

/* An instance is the greeting to answer with; the operator's settings replace the default. */
typedef struct {
  size_t len;
  uint8_t greeting[];
} Hello;

static DynlabStatus create(const DynlabCreateArgs *args, void **instance, DynlabTextSink error) {
  static const char greeting[] = "Hello from C\n";
  DynlabBytes text = args->config.len > 0 ? args->config : dynlab_bytes(greeting, sizeof(greeting) - 1);
  Hello *hello = malloc(sizeof(Hello) + text.len);
  if (!hello) {
    dynlab_put(error, "out of memory");
    return DYNLAB_STATUS_FAILED;
  }
  hello->len = text.len;
  memcpy(hello->greeting, text.ptr, text.len);
  *instance = hello;
  return DYNLAB_STATUS_OK;
}

static void destroy(void *instance) { free(instance); }

static DynlabStatus handle(void *instance, const DynlabRequest *request, const DynlabResponseSink *response,
                           DynlabTextSink error) {
  const Hello *hello = instance;
  (void)request;
  (void)error;
  static const char type[] = "text/plain; charset=utf-8";
  DynlabStatus status =
      response->add_header(response->context, dynlab_text("content-type"), dynlab_bytes(type, sizeof(type) - 1));
  if (status < 0) return status;
  return response->write_body(response->context, dynlab_bytes(hello->greeting, hello->len));
}

static DynlabStatus health(void *instance, DynlabTextSink report) {
  (void)instance;
  (void)report;
  return DYNLAB_STATUS_OK;
}

static const DynlabText methods[] = {DYNLAB_TEXT("GET")};

static const DynlabHandlerTable table = {
    .size = sizeof(DynlabHandlerTable),
    .create = create,
    .destroy = destroy,
    .route = DYNLAB_TEXT("/hello-c"),
    .methods = methods,
    .method_count = sizeof(methods) / sizeof(methods[0]),
    .handle = handle,
    .health = health,
};

DYNLAB_PLUGIN_NOTE(DYNLAB_KIND_HANDLER, "hello-c", "1.0.0");
DYNLAB_PLUGIN_EXPORT(DYNLAB_KIND_HANDLER, table);
