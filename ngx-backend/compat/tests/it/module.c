/* A module with one thing or another that is wrong with it. */

#include "ngx_module.h"

#ifndef NAME
#define NAME  ngx_http_fixture_module
#endif
#ifndef VERSION
#define VERSION  1022001
#endif
#ifndef SIGNATURE
#define SIGNATURE  "8,4,8,0011111111010111001111111111111111"
#endif
#ifndef HIDDEN
#define HIDDEN
#endif

HIDDEN ngx_module_t NAME = { -1, -1, 0, 0, 0, VERSION, SIGNATURE, { 0 } };

#ifdef EMPTY
ngx_module_t *ngx_modules[] = { 0, 0 };
#else
ngx_module_t *ngx_modules[] = { &NAME, 0 };
#endif
char *ngx_module_names[] = { TEXT(NAME), 0 };

#ifdef NEEDS
extern void NEEDS(void);
void (*needs)(void) = NEEDS;
#endif
