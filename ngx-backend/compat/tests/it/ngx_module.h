/* The beginning of nginx's src/core/ngx_module.h, as far as it is compiled into every module. */

typedef struct {
    unsigned long  ctx_index, index;
    char          *name;
    unsigned long  spare0, spare1, version;
    const char    *signature;
    void          *rest[18];
} ngx_module_t;

#define TEXT_OF(name)  #name
#define TEXT(name)     TEXT_OF(name)
