/* An nginx with two modules, and a function that modules call. */

#include "ngx_module.h"

#define SIGNATURE  "8,4,8,0011111111010111001111111111111111"

ngx_module_t ngx_core_module = { -1, -1, 0, 0, 0, 1022001, SIGNATURE, { 0 } };
ngx_module_t ngx_http_module = { -1, -1, 0, 0, 0, 1022001, SIGNATURE, { 0 } };

ngx_module_t *ngx_modules[] = { &ngx_core_module, &ngx_http_module, 0 };
char *ngx_module_names[] = { "ngx_core_module", "ngx_http_module", 0 };

void ngx_palloc(void) { }

int main(void) { return 0; }
