//! Pairs of real files, each with the difference that should be found.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::*;

fn clues(texts: [(Trace, &str); 2]) -> Clues {
    let builds = texts.map(|(trace, text)| {
        vec![Clue { trace, what: "the folder of the repository".to_owned(), text: text.to_owned() }]
    });
    Clues { builds, times: Some(1_763_000_000..=1_764_000_000) }
}

/// Finds the difference, and compares its place and the kind of its cause.
fn check(first: &[u8], second: &[u8], clues: &Clues, place: &[&str], cause: Option<Trace>) -> Difference {
    let found = find(first, second, clues).expect("they differ");
    assert_eq!(found.place, place, "{found}");
    assert_eq!(found.cause.as_ref().map(|cause| cause.trace), cause, "{found}");
    assert_eq!(find(first, first, clues), None);
    found
}

/// A library of the machine's gcc from `source`, which lies in `folder`; `None`, after saying why, where there is no gcc.
fn library(folder: &Path, source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    fs::create_dir_all(folder).unwrap();
    let (file, product) = (folder.join("plugin.c"), folder.join("plugin.so"));
    fs::write(&file, source).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-nostdlib", "-Wl,--build-id=sha1"]).args(flags);
    match gcc.arg(&file).arg("-o").arg(&product).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(fs::read(product).unwrap())
        }
        Err(error) => {
            println!("skipped: gcc does not start: {error}");
            None
        }
    }
}

#[test]
fn a_path_in_an_elf_file_is_found_by_section_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("another-of-other-length"));
    let source = "const char *const number = \"1234567\";\nconst char *where(void) { return __FILE__; }\n";
    let Some(first) = library(&one, source, &[]) else { return };
    let second = library(&other, source, &[]).unwrap();
    let texts = [&one, &other].map(|folder| (Trace::Folder, folder.to_str().unwrap()));
    // The number and its zero, then what both paths begin with.
    let at = 8 + texts[0].1.bytes().zip(texts[1].1.bytes()).take_while(|(one, other)| one == other).count();
    let place = ["section .rodata".to_owned(), format!("offset {at:#x}")];
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let found = check(&first, &second, &clues(texts), &place, Some(Trace::Folder));
    let cause = found.cause.clone().unwrap().to_string();
    assert!(cause.contains(texts[1].1) && cause.contains("--remap-path-prefix"), "{cause}");
    assert!(found.first.contains("/one/plugin.c") && found.second.contains("another-of"), "{found:?}");
    assert!(found.others > 0, "the build ID differs, too");

    // Nobody knows these folders, and it still looks like a path.
    let place: &[&str] = &place;
    check(&first, &second, &Clues::default(), place, Some(Trace::Folder));
}

#[test]
fn elf_files_that_differ_in_their_frame_only() {
    let folder = tempfile::tempdir().unwrap();
    let source = "int plugin(void) { return 3; }\n";
    let none = Clues::default();
    let id = |id: &str| format!("-Wl,--build-id=0x{id}");
    let Some(first) = library(folder.path(), source, &[&id("0102030405060708")]) else { return };
    let second = library(folder.path(), source, &[&id("0102030405060709")]).unwrap();
    // Behind the note's header (12 bytes), its name "GNU" and seven bytes that are the same.
    let place = ["section .note.gnu.build-id", "offset 0x17"];
    check(&first, &second, &none, &place, Some(Trace::BuildId));

    let stripped = library(folder.path(), source, &["-s", &id("0102030405060708")]).unwrap();
    let found = find(&first, &stripped, &none).unwrap();
    assert!(found.place[0].starts_with("section number "), "{found}");
    assert!(found.to_string().contains(".symtab"), "{found}");

    let mut flags = first.clone();
    // e_flags, at 48 in the header of 64-bit files.
    flags[48] ^= 1;
    check(&first, &flags, &none, &["ELF header", "offset 0x30"], None);
    let cut = &first[..first.len() - 1];
    check(&first, cut, &none, &[&format!("byte {}", cut.len())], None);
}

/// An archive of ar with a long name and a short one.
fn ar(time: u64, content: &[u8]) -> Vec<u8> {
    let mut archive = ar::MAGIC.to_vec();
    let mut member = |name: &str, time: u64, content: &[u8]| {
        writeln!(archive, "{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 100_644, content.len())
            .unwrap();
        archive.extend(content);
        if content.len() % 2 == 1 {
            archive.push(b'\n');
        }
    };
    member("//", 0, b"a-name-of-more-than-15.o/\n");
    member("short.o/", 0, b"odd");
    member("/0", time, content);
    archive
}

#[test]
fn members_of_libraries() {
    let none = Clues::default();
    let member = "member a-name-of-more-than-15.o";
    let one = ar(1_763_100_000, b"x = 1\n");
    check(&one, &ar(1_763_100_007, b"x = 1\n"), &none, &[member, "time"], Some(Trace::Time));
    check(&one, &ar(1_763_100_000, b"x = 2\n"), &none, &[member, "line 1"], None);
    let damaged = &one[..one.len() - 1];
    check(&one, damaged, &none, &[&format!("byte {}", damaged.len())], None);
}

fn tar_of(members: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, owner, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(*owner);
        header.set_gid(0);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn members_of_tar_archives_however_deep() {
    let none = Clues::default();
    let one = tar_of(&[("a", 0, b"1\n"), ("b", 0, b"2\n")]);
    check(
        &one,
        &tar_of(&[("a", 0, b"1\n"), ("b", 7, b"2\n")]),
        &none,
        &["member b", "owner"],
        Some(Trace::Owner),
    );
    let other = tar_of(&[("b", 0, b"2\n"), ("a", 0, b"1\n")]);
    let found = check(&one, &other, &none, &["member number 0"], Some(Trace::Order));
    assert_eq!((found.first.as_str(), found.second.as_str()), ("\"a\"", "\"b\""));
    let fewer = tar_of(&[("a", 0, b"1\n")]);
    let found = check(&one, &fewer, &none, &["member number 1"], None);
    assert_eq!(found.second, "the end");

    // As docker has its images: names are digests of what is in them.
    let image = |content: &[u8], digit: &str| {
        let digest = digit.repeat(64);
        let manifest = format!("[{{\"Config\": \"{digest}.json\"}}]");
        let layer = tar_of(&[("etc/motd", 0, content)]);
        tar_of(&[("manifest.json", 0, manifest.as_bytes()), (&format!("{digest}/layer.tar"), 0, &layer)])
    };
    let (one, other) = (image(b"made at 10:11:12\n", "a"), image(b"made at 10:12:12\n", "b"));
    let layer = format!("member {}/layer.tar", "a".repeat(64));
    let found = check(&one, &other, &none, &[&layer, "member etc/motd", "line 1"], Some(Trace::Time));
    assert!(found.cause.unwrap().what.contains("10:11:12 and 10:12:12"));
    assert_eq!(found.others, 1);

    let gzip = |content: &[u8], time: u32, level: u32| {
        let writer = flate2::GzBuilder::new().mtime(time);
        let mut writer = writer.write(Vec::new(), flate2::Compression::new(level));
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    };
    let packed = gzip(&one, 5, 6);
    let time = ["MTIME of the gzip header"];
    check(&packed, &gzip(&one, 6, 6), &none, &time, Some(Trace::Time));
    let deep = ["unpacked", &layer, "member etc/motd", "line 1"];
    check(&packed, &gzip(&other, 5, 6), &none, &deep, Some(Trace::Time));
    let found = find(&packed, &gzip(&one, 5, 1), &none).unwrap();
    assert_eq!(found.cause.unwrap().trace, Trace::Compression);
}

#[test]
fn values_of_json_and_lines_of_text() {
    let folders = clues([(Trace::Folder, "/repo/one"), (Trace::Folder, "/tmp/other")]);
    let cases: [(&str, &str, &str, Option<Trace>); 12] = [
        (r#"{"a": [{"b": 1}]}"#, r#"{"a": [{"b": 2}]}"#, "a[0].b", None),
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, "b", None),
        (r#"[1, 2]"#, r#"[2, 1]"#, "[0]", Some(Trace::Order)),
        (r#"[1, 2]"#, r#"[1]"#, "[1]", None),
        (r#"{"file": "/repo/one/x"}"#, r#"{"file": "/tmp/other/x"}"#, "file", Some(Trace::Folder)),
        (r#"{"z": "/repo/one", "a": 1}"#, r#"{"z": "/tmp/other", "a": 2}"#, "z", Some(Trace::Folder)),
        // The same values: only the text differs.
        ("{\"a\": 1}\n", "{\"a\":  1}\n", "line 1", None),
        ("a\nb\n", "a\nc\n", "line 2", None),
        ("a\nb\n", "a\nb", "line 2", None),
        ("b\na\n", "a\nb\n", "line 1", Some(Trace::Order)),
        ("at 1763100000 s\n", "at 1763100007 s\n", "line 1", Some(Trace::Time)),
        ("at 1000000000 s\n", "at 1000000007 s\n", "line 1", None),
    ];
    for (first, second, place, cause) in cases {
        check(first.as_bytes(), second.as_bytes(), &folders, &[place], cause);
    }
    let found = find(b"[1, 2]", b"[1]", &folders).unwrap();
    assert_eq!((found.first.as_str(), found.second.as_str()), ("2", "nothing"));
}

#[test]
fn time_stamps_are_known_by_their_shape_or_by_the_time_of_the_builds() {
    let known = clues([(Trace::User, "root"), (Trace::User, "somebody")]);
    let cases: [(&[u8], &[u8], Option<Trace>); 9] = [
        (b"\x01Nov 21 2026\0", b"\x01Nov 22 2026\0", Some(Trace::Time)),
        (b"\x01Sat Nov 21 10:11:12 2026\0", b"\x01Sun Nov 22 10:11:12 2026\0", Some(Trace::Time)),
        (b"\x012026-11-21T10:11:12Z\0", b"\x012026-11-21T10:11:13Z\0", Some(Trace::Time)),
        // 1763100000 and 1763100001, then a number that is none of that time.
        (b"\x01\x60\xc5\x16\x69\0", b"\x01\x61\xc5\x16\x69\0", Some(Trace::Time)),
        (b"\x01\x69\x16\xc5\x60\0", b"\x01\x69\x16\xc5\x61\0", Some(Trace::Time)),
        (b"\x01\x00\x00\x00\x07\0", b"\x01\x00\x00\x00\x08\0", None),
        (b"\x01by root here\0", b"\x01by somebody here\0", Some(Trace::User)),
        (b"\x01chroot here\0", b"\x01chromium here\0", None),
        (b"\x01version 1.2.3\0", b"\x01version 1.2.4\0", None),
    ];
    for (first, second, cause) in cases {
        let found = find(first, second, &known).unwrap();
        assert_eq!(found.cause.map(|cause| cause.trace), cause, "{first:?} {second:?}");
    }
}

#[test]
fn files_differ_at_a_byte_or_in_length() {
    assert_eq!(first_byte(b"same", b"same"), None);
    assert_eq!(first_byte(b"same", b"sane"), Some(2));
    assert_eq!(first_byte(b"same", b"same and more"), Some(4));
    assert_eq!(first_byte(b"", b""), None);
}
