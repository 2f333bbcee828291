#!/bin/sh
# Makes the files beside it, which no tool of a usual machine makes: libraries for other processors, and what compilers for other systems write.
# In the pinned toolchain image, so that every machine makes the same:
#
#     cargo xtask exec --image toolchain --mount "$PWD/plugins/compat/tests/files:/files:rw" -- /bin/sh /files/make.sh
set -eu
scratch=/tmp/scratch
export ZIG_GLOBAL_CACHE_DIR=$scratch/cache ZIG_LOCAL_CACHE_DIR=$scratch/cache
mkdir -p $scratch
cd $scratch
zig=/opt/zig/zig
echo 'int number = 7; int work(int more) { return number + more; }' >source.c

compile() {
    target=$1 output=$2
    shift 2
    $zig cc -target "$target" -c -Os -g0 -ffreestanding -fno-sanitize=undefined -fno-stack-protector \
        -fno-unwind-tables -fno-asynchronous-unwind-tables "$@" -o "$output" source.c
}

for machine in x86 arm armeb powerpc powerpc64 powerpc64le s390x mips riscv64 loongarch64; do
    compile $machine-freestanding $machine.o -fPIC
    $zig ld.lld -shared --build-id=none --hash-style=sysv -z max-page-size=4096 -z nognustack \
        -o /files/$machine.so $machine.o
done
compile sparc64-freestanding /files/sparc64.o -fPIC
compile x86_64-windows windows.obj
$zig lld-link -dll -noentry -export:work -brepro -out:windows.dll windows.obj
cp windows.dll /files/
$zig clang --target=arm64-apple-macos11 -c -Os -ffreestanding -o /files/macos.o source.c
compile wasm32-freestanding /files/module.wasm
compile x86_64-linux /files/intermediate.bc -emit-llvm
chmod 644 /files/*
