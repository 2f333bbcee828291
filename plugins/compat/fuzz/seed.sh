#!/bin/sh
# Makes files to begin with in the folder that is named: the repository's C plugins and small libraries that have all that is read, each as small as
# a linker makes them. With the machine's own cc; what is kept in corpus/ came of such files by fuzzing and minimising.
set -eu
folder=$1
repository=$(cd "$(dirname "$0")/../../.." && pwd)
mkdir -p "$folder"
cd "$folder"
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# link OUTPUT ARGUMENT…: without pages of zeros between segments, without what no loader reads.
link() {
    output=$1
    shift
    cc -nostdlib -fPIC -Os -fno-stack-protector -fno-asynchronous-unwind-tables -Wl,--build-id=none \
        -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-z,max-page-size=64 -Wl,-z,common-page-size=64 \
        -Wl,-z,noexecstack -s -o "$output" "$@"
}
library() { output=$1; shift; link "$output" -shared "$@"; }
source() { cat >"$scratch/$1.c"; }

source libc <<'C'
const char banner[] = "GNU C Library (stub) stable release version 2.36.\n";
void old(void) {} void newer(void) {} void *malloc(unsigned long size) { (void)size; return 0; } void free(void *p) { (void)p; }
C
echo 'GLIBC_2.2.5 { global: old; malloc; free; banner; }; GLIBC_2.36 { global: newer; } GLIBC_2.2.5; GLIBC_PRIVATE { local: *; };' >"$scratch/libc.map"
library libc.so.6 "$scratch/libc.c" -Wl,-soname,libc.so.6 "-Wl,--version-script=$scratch/libc.map"

source all <<'C'
void old(void); void newer(void); extern int nobody[]; __attribute__((weak)) void maybe(void);
__thread int own = 1; extern __thread int elsewhere;
int *const data[] = { nobody, nobody + 1 };
void (*const pointers[])(void) = { old, maybe, newer };
static int one(void) { return 1; }
static void *pick(void) { return one; }
int chosen(void) __attribute__((ifunc("pick")));
int work(void) { old(); newer(); return own++ + elsewhere + chosen(); }
C
echo 'ALL_1 { global: work; }; ALL_2 { global: *; } ALL_1;' >"$scratch/all.map"
library all.so "$scratch/all.c" libc.so.6 -ftls-model=initial-exec -Wl,-soname,liball.so -Wl,--hash-style=both \
    '-Wl,-rpath,/opt/own:$ORIGIN/../$LIB' "-Wl,--version-script=$scratch/all.map"
library old-hash.so "$scratch/all.c" -Wl,--hash-style=sysv -Wl,--disable-new-dtags '-Wl,-rpath,${ORIGIN}' -Wl,-z,now
library filter.so "$scratch/libc.c" -Wl,--filter=liball.so -Wl,-z,nodefaultlib -Wl,-z,nodlopen -Wl,-z,execstack

source program <<'C'
void old(void); void exported(void) {} void _start(void) { old(); }
C
link pie "$scratch/program.c" libc.so.6 -pie -rdynamic -Wl,-dynamic-linker,/lib64/ld-linux-x86-64.so.2
link executable "$scratch/program.c" libc.so.6 -no-pie -fno-pie -Wl,-dynamic-linker,/lib/ld-musl-x86_64.so.1
echo 'void _start(void) {}' >"$scratch/static.c"
link static "$scratch/static.c" -static -no-pie -fno-pie
link static-pie "$scratch/static.c" -static-pie
cc -c -Os -o object.o "$scratch/program.c"
ar rc archive.a object.o
cc -shared -nostdlib -g "-ffile-prefix-map=$PWD=." "-ffile-prefix-map=$scratch=." -gno-record-gcc-switches -Wl,-z,noseparate-code -o "$scratch/debug.so" "$scratch/libc.c" -fPIC
objcopy --only-keep-debug "$scratch/debug.so" library.debug
printf '#!/bin/sh\n' >script
printf '/* GNU ld script */\nGROUP ( /lib/libc.so.6 AS_NEEDED ( -lgcc_s ) )\n' >libc.so

for file in "$repository"/plugins/fixtures/*.c "$repository"/plugins/handlers/hello-c/plugin.c; do
    name=$(basename "$(dirname "$file")")-$(basename "$file" .c)
    # Some are for one compiler or processor only.
    library "$name.so" -I"$repository/plugins/abi/include" "$file" 2>/dev/null || rm -f "$name.so"
done
cp "$repository"/plugins/compat/tests/files/* .
rm make.sh
