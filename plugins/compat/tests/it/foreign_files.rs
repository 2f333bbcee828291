//! Files that are no plugins are named as what they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use plugin_compat::{
    Code, ElfError, ElfFacts, FileKind, HostReader, Policy, judge, judge_at, judge_bytes, judge_unreadable,
};

use crate::fake_host::FakeHost;
use crate::loader_agreement::HOST;
use crate::toolchain::{BARE, Workshop};

fn kind_of(bytes: &[u8]) -> FileKind {
    ElfFacts::parse(bytes).map_or_else(|error| error.kind(), |facts| facts.kind())
}

#[test]
fn other_formats_are_named() {
    let mut tar = vec![0; 512];
    tar[..6].copy_from_slice(b"lib.so");
    tar[257..262].copy_from_slice(b"ustar");
    let cut_character = [&[b'a'; 4095][..], "ä".as_bytes()].concat();
    let cases: [(&[u8], &str); 34] = [
        (b"", "empty"),
        (b"!<arch>\nlibc.o/ 0 ", "archive"),
        (b"<bigaf>\n128", "archive"),
        (b"!<thin>\n/ 0 ", "thin-archive"),
        (b"!<arch>\ndebian-binary   1342943816", "deb"),
        (b"\xed\xab\xee\xdb\x03\0", "rpm"),
        (b"#!/bin/sh\n", "script"),
        (b"MZ\x90\0", "pe"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "mach-o"),
        (b"\xfe\xed\xfa\xce\0\0\0\x12", "mach-o"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07", "universal-mach-o"),
        (b"\xca\xfe\xba\xbe\0\0\0\x3d\0\x1d", "java-class"),
        (b"\xca\xfe\xba\xbf\0\0\0\x02", "universal-mach-o"),
        (b"\0asm\x01\0\0\0", "wasm"),
        (b"BC\xc0\xde\x35\x14", "llvm-bitcode"),
        (b"\xde\xc0\x17\x0b\0\0\0\0", "llvm-bitcode"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"\x28\xb5\x2f\xfd\x24", "zstd"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"BZh91AY", "bzip2"),
        (b"PK\x03\x04\x14\0", "zip"),
        (&tar, "tar"),
        (b"/* GNU ld script */ INPUT(libc.so.6)", "linker-script"),
        (b"/* GNU ld script", "linker-script"),
        (b"INPUT(libncurses.so.6 -ltinfo)\n", "linker-script"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git-lfs-pointer"),
        (b"\r\n<!DOCTYPE html><title>404</title>", "html"),
        (b"<HTML><BODY>", "html"),
        (b"hello\n", "text"),
        ("grüß dich\n".as_bytes(), "text"),
        (&cut_character, "text"),
        (&[0; 64], "zeros"),
        (b"\x80\x81\x82", "unknown"),
        (b"a\0b", "unknown"),
    ];
    let mut hosts_say = Vec::new();
    for (bytes, expected) in cases {
        let error = ElfFacts::parse(bytes).expect_err(expected);
        assert_eq!(error.kind().as_str(), expected, "{error}");
        let verdict = judge_unreadable(&error);
        let [reason] = &verdict.reasons[..] else { panic!("{expected}: {verdict:?}") };
        assert_eq!(reason.code, Code::ElfNotElf);
        hosts_say.push(reason.text.clone());
    }
    insta::assert_snapshot!(hosts_say[1], @"the file is a static library (ar archive), hosts load ELF shared libraries; build a cdylib in place of a staticlib, or link its objects (cc -shared -Wl,--whole-archive)");
    insta::assert_snapshot!(hosts_say[24], @"the file is a linker script (GNU ld), hosts load ELF shared libraries; take what it leads to, libncurses.so.6");
    insta::assert_snapshot!(hosts_say[25], @"the file is a Git LFS pointer, hosts load ELF shared libraries; fetch the file that it stands for (git lfs pull)");
}

#[test]
fn kinds_keep_their_strings() {
    for kind in FileKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
        assert_eq!(serde_json::to_string(kind).expect("JSON"), format!("{:?}", kind.as_str()));
    }
    let unknown = "sideways".parse::<FileKind>().unwrap_err();
    insta::assert_snapshot!(unknown, @r#""sideways" is no kind of file; the kinds are listed in plugin_compat::FileKind"#);
}

#[test]
fn what_the_machines_tools_make_is_named_and_the_machines_loader_refuses_it() {
    let workshop = Workshop::new();
    let host = workshop.compile("host", HOST, &["-rdynamic", "-ldl"]);
    let program = ElfFacts::parse(&fs::read(&host).expect("the host")).expect("an ELF file");
    let mut reader = HostReader::open("/".as_ref(), "this-machine", program).expect("this machine's facts");
    let library = ["-shared", "-fPIC", "-g"];
    let source = "int number = 7; int work(void) { return number; }";
    let start = "int main(void) { return 0; }";
    workshop.compile("library.so", source, &library);
    workshop.compile("object.o", source, &["-c", "-g"]);
    workshop.compile("pie", start, &["-fPIE", "-pie", "-g"]);
    workshop.compile("executable", start, &["-fno-pie", "-no-pie"]);
    let bare = |more: &[&'static str]| [&BARE[..], more].concat();
    workshop.compile("static-executable", "void _start(void) {}", &bare(&["-static", "-no-pie"]));
    workshop.compile("static-pie", "void _start(void) {}", &bare(&["-static-pie"]));
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(workshop.folder()).status();
        assert!(status.expect("binutils come with cc").success(), "{program} {arguments:?}");
    };
    run("ar", &["rc", "archive.a", "object.o"]);
    run("ar", &["rcT", "thin.a", "object.o"]);
    run("objcopy", &["--only-keep-debug", "library.so", "library.debug"]);
    run("objcopy", &["--only-keep-debug", "pie", "pie.debug"]);
    let bytes = fs::read(workshop.path("library.so")).expect("the library");
    workshop.write("half.so", &bytes[..bytes.len() / 2]);
    workshop.write("empty.so", "");
    workshop.write("script.so", "#!/bin/sh\n");
    workshop.write("libc.so", "/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 )\n");
    let cases = [
        ("object.o", "relocatable", "elf.type"),
        ("pie", "pie", "elf.type"),
        ("executable", "executable", "elf.type"),
        ("static-executable", "static-executable", "elf.type"),
        ("static-pie", "static-pie", "elf.type"),
        ("archive.a", "archive", "elf.not-elf"),
        ("thin.a", "thin-archive", "elf.not-elf"),
        ("library.debug", "debug-only", "elf.debug-only"),
        ("pie.debug", "debug-only", "elf.debug-only"),
        ("half.so", "truncated", "elf.truncated"),
        ("empty.so", "empty", "elf.not-elf"),
        ("script.so", "script", "elf.not-elf"),
        ("libc.so", "linker-script", "elf.not-elf"),
    ];
    for (name, kind, code) in cases {
        let file = workshop.path(name);
        assert_eq!(kind_of(&fs::read(&file).expect("what was made")).as_str(), kind, "{name}");
        assert_eq!(first_code(&mut reader, &file), code, "{name}");
        let opened = Command::new(&host).arg(&file).output().expect("the host runs");
        assert!(!opened.status.success(), "{name} loads");
    }
    assert_eq!(kind_of(&bytes), FileKind::SharedLibrary);
}

fn first_code(reader: &mut HostReader, file: &Path) -> &'static str {
    let path = file.to_str().expect("a path of letters");
    let verdict = match ElfFacts::parse(&fs::read(file).expect("a file")) {
        Ok(facts) => judge_at(&facts, path, reader.learn_at(&facts, path), &Policy::loader_only()),
        Err(error) => judge_unreadable(&error),
    };
    verdict.first().expect("a reason").code.as_str()
}

#[test]
fn what_is_no_library_is_told_so_with_its_cure() {
    let host = FakeHost::glibc("2.36");
    let library = host.workshop.library("library.so", "int value;", &[]);
    let told = |object_type: u8| {
        let mut bytes = library.clone();
        bytes[16] = object_type;
        let verdict = judge_bytes(&bytes, host.reader().facts(), &Policy::any_kind());
        let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!(codes, ["elf.type"]);
        verdict.reasons[0].text.clone()
    };
    insta::assert_snapshot!(told(1), @"the plugin is a relocatable object (.o), not linked yet, hosts load shared libraries; link it (cc -shared)");
    insta::assert_snapshot!(told(4), @"the plugin is a core dump, hosts load shared libraries; take the library itself, which is no part of it");
    insta::assert_snapshot!(told(9), @"the plugin is an object of unknown type 9, hosts load shared libraries; build a cdylib (or cc -shared)");

    let source = "int number = 7; int work(void) { return number; }";
    host.workshop.library("debug.so", source, &["-g"]);
    let split = Command::new("objcopy")
        .args(["--only-keep-debug", "debug.so", "debug.so.debug"])
        .current_dir(host.workshop.folder())
        .status();
    assert!(split.expect("binutils come with cc").success());
    let bytes = fs::read(host.workshop.path("debug.so.debug")).expect("what objcopy wrote");
    let verdict = judge_bytes(&bytes, host.reader().facts(), &Policy::any_kind());
    insta::assert_snapshot!(verdict.first().unwrap(), @"elf.debug-only: the plugin is debug information without its code (.debug), hosts load shared libraries; take the file that it was split from");
}

/// An ELF file of any class and byte order: header, program headers, dynamic table.
fn foreign_elf(
    is_64_bit: bool,
    is_big_endian: bool,
    machine: u16,
    object_type: u16,
    flags_1: u64,
) -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file[4] += u8::from(is_64_bit);
    file[5] += u8::from(is_big_endian);
    let mut put = |value: u64, width: usize| {
        let bytes = value.to_le_bytes();
        let bytes = &bytes[..width];
        if is_big_endian { file.extend(bytes.iter().rev()) } else { file.extend(bytes) }
    };
    let (word, header, entry) = if is_64_bit { (8, 64, 56) } else { (4, 52, 32) };
    put(u64::from(object_type), 2);
    put(u64::from(machine), 2);
    put(1, 4);
    [0, header, 0].into_iter().for_each(|value| put(value, word));
    put(0, 4);
    [header, entry, 1, 0, 0, 0].into_iter().for_each(|value| put(value, 2));
    // The one program header: the dynamic table, two entries right behind it.
    let (offset, size) = (header + entry, 4 * word as u64);
    put(2, 4);
    if is_64_bit {
        put(4, 4);
    }
    [offset, offset, offset, size, size].into_iter().for_each(|value| put(value, word));
    if !is_64_bit {
        put(4, 4);
    }
    put(8, word);
    [0x6fff_fffb, flags_1, 0, 0].into_iter().for_each(|value| put(value, word));
    file
}

#[test]
fn files_for_other_machines_are_named_in_any_class_and_byte_order() {
    const PIE: u64 = 0x0800_0000;
    let host = FakeHost::glibc("2.36");
    let cases = [
        (false, false, 3, 3, 0, "32-bit little-endian i386 shared-library"),
        (false, false, 40, 3, PIE, "32-bit little-endian arm static-pie"),
        (false, true, 20, 3, 0, "32-bit big-endian powerpc (machine 20) shared-library"),
        (false, true, 8, 2, 0, "32-bit big-endian mips static-executable"),
        (true, true, 22, 3, 0, "64-bit big-endian s390x shared-library"),
        (true, true, 21, 3, PIE, "64-bit big-endian powerpc64 static-pie"),
        (true, true, 43, 1, 0, "64-bit big-endian sparc64 (machine 43) relocatable"),
        (true, false, 243, 4, 0, "64-bit little-endian riscv core"),
        (true, false, 0x4242, 0xfe00, 0, "64-bit little-endian machine 16962 other-elf"),
    ];
    for (is_64_bit, is_big_endian, machine, object_type, flags_1, expected) in cases {
        let bytes = foreign_elf(is_64_bit, is_big_endian, machine, object_type, flags_1);
        let facts = ElfFacts::parse(&bytes).expect("an ELF file");
        let told =
            format!("{} {} {} {}", facts.class, facts.endianness, facts.machine, facts.kind().as_str());
        assert_eq!(told, expected);
        let verdict = judge(&facts, host.reader().facts(), &Policy::any_kind());
        let codes: Vec<&str> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert!(codes.contains(&"elf.machine"), "{codes:?}");
        assert_eq!(
            codes.contains(&"elf.type"),
            !expected.ends_with("shared-library"),
            "{expected}: {codes:?}"
        );
        // Cut anywhere, it is still told or refused, and never more than that.
        for length in 0..bytes.len() {
            kind_of(&bytes[..length]);
        }
    }
}

#[test]
fn damaged_files_have_a_kind() {
    let truncated = ElfError::Truncated { part: "the ELF header", needs: 20, has: 4 };
    assert_eq!((truncated.kind(), kind_of(b"\x7fELF")), (FileKind::Truncated, FileKind::Truncated));
    let mut library = FakeHost::glibc("2.36").workshop.library("library.so", "int value;", &[]);
    // e_phentsize
    library[54] = 1;
    assert_eq!(kind_of(&library), FileKind::Malformed);
}

#[test]
fn links_lead_nowhere_outside_the_root() {
    // The loader's link is absolute and the folder it names exists only inside the root.
    let host = FakeHost::glibc("2.31");
    let facts = host.reader().into_facts();
    let libc = facts.libc.expect("a C library");
    assert_eq!(libc.version.map(|version| version.to_string()).as_deref(), Some("2.31"));
    assert!(facts.libraries.contains_key(&libc.path));
}

/// Made by `tests/files/make.sh`.
#[test]
fn files_of_other_toolchains_are_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let cases = [
        ("x86.so", "32-bit little-endian i386 shared-library"),
        ("arm.so", "32-bit little-endian arm shared-library"),
        ("armeb.so", "32-bit big-endian arm shared-library"),
        ("powerpc.so", "32-bit big-endian powerpc (machine 20) shared-library"),
        ("powerpc64.so", "64-bit big-endian powerpc64 shared-library"),
        ("powerpc64le.so", "64-bit little-endian powerpc64 shared-library"),
        ("s390x.so", "64-bit big-endian s390x shared-library"),
        ("mips.so", "32-bit big-endian mips shared-library"),
        ("riscv64.so", "64-bit little-endian riscv shared-library"),
        ("loongarch64.so", "64-bit little-endian loongarch shared-library"),
        ("sparc64.o", "64-bit big-endian sparc64 (machine 43) relocatable"),
        ("windows.dll", "pe"),
        ("macos.o", "mach-o"),
        ("module.wasm", "wasm"),
        ("intermediate.bc", "llvm-bitcode"),
    ];
    let host = FakeHost::glibc("2.36");
    for (name, expected) in cases {
        let bytes = fs::read(folder.join(name)).expect("a file of the repository");
        let told = match ElfFacts::parse(&bytes) {
            Ok(facts) => {
                format!("{} {} {} {}", facts.class, facts.endianness, facts.machine, facts.kind().as_str())
            }
            Err(error) => error.kind().as_str().to_owned(),
        };
        assert_eq!(told, expected, "{name}");
        assert!(!judge_bytes(&bytes, host.reader().facts(), &Policy::loader_only()).loadable, "{name}");
    }
    let there = fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(there, cases.len() + 1, "files beside make.sh that nobody looks at");
}
