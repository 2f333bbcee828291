//! Files that are not what they should be: no crash, the last good table stays, and it is told.

use super::{entry, find, pattern, publish_base, publish_changes, publisher, reader, until, upstreams};
use backend_map::table::{Builder, OpenError, Purpose, Table};
use backend_map::{Event, Host};
use proptest::prelude::*;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn table(hosts: usize) -> Vec<u8> {
    let purpose = Purpose { id: 1, base: 0, generation: 1, seed: 7 };
    let mut builder = Builder::new(Cursor::new(Vec::new()), purpose);
    for number in 0..hosts {
        let list = upstreams(&[("192.0.2.1:80", 1), ("unix:/run/app.sock", 2)]);
        builder.add(&pattern(&format!("h{number}.example")), Some(&list)).unwrap();
    }
    builder.finish().unwrap().0.into_inner()
}

/// Everything that can be asked of a table.
fn use_all(bytes: &[u8], hosts: usize) -> Result<usize, OpenError> {
    let table = Table::open(bytes)?;
    let mut found = 0;
    for number in 0..hosts + 3 {
        if let Ok(Some(record)) = table.find(format!("h{number}.example").as_bytes()) {
            assert_eq!(record.upstreams().unwrap().count(), 2, "upstreams that nobody wrote");
            found += 1;
        }
    }
    let _ = table.find(b"");
    table.verify()?;
    Ok(found)
}

#[test]
fn each_fault_of_a_file_has_its_reason() {
    let good = table(10);
    assert_eq!(use_all(&good, 10), Ok(10));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        use_all(&bytes, 10)
    };
    assert_eq!(use_all(b"", 0), Err(OpenError::Short(0)));
    assert_eq!(use_all(&good[..191], 0), Err(OpenError::Short(191)));
    let (found, said) = (good.len() as u64 - 1, good.len() as u64);
    assert_eq!(use_all(&good[..good.len() - 1], 0), Err(OpenError::Length { found, said }));
    assert_eq!(changed(0, b'X'), Err(OpenError::Magic));
    assert_eq!(changed(8, 1), Err(OpenError::ByteOrder));
    assert_eq!(changed(12, 3), Err(OpenError::Version(3)));
    assert_eq!(changed(16, 9), Err(OpenError::HeaderChecksum));
    assert_eq!(changed(good.len() - 1, !good[good.len() - 1]), Err(OpenError::BodyChecksum));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Any bytes, changed anywhere or cut: never a panic, never upstreams that were not written, and never taken for whole.
    #[test]
    fn changed_bytes_are_noticed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..20),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = table(40);
        let good = bytes.clone();
        for (at, by) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        prop_assert_eq!(use_all(&bytes, 40).is_ok(), bytes == good);
    }

    #[test]
    fn bytes_that_are_no_table_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(use_all(&bytes, 1).is_err());
    }
}

/// Puts `bytes` where `path` is, as a publisher would.
fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn a_bad_publication_is_refused_and_the_last_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    publish_base(&mut publisher, &[entry("a", "192.0.2.1:1")]);
    let (reader, events) = reader(folder.path());
    let delta = folder.path().join("delta");
    for (number, name) in ["truncated", "empty", "garbled", "other version", "missing"].iter().enumerate() {
        publish_changes(&mut publisher, &[("a", Some(&format!("192.0.2.1:{}", number + 2)))]);
        let good = fs::read(&delta).unwrap();
        let before = find(&reader, "a").unwrap();
        let mut bad = good.clone();
        match *name {
            "truncated" => bad.truncate(100),
            "empty" => bad.clear(),
            "garbled" => *bad.last_mut().unwrap() ^= 1,
            "other version" => bad[12] = 99,
            _ => {}
        }
        // The next publication is spoilt, as far as readers see.
        publish_changes(&mut publisher, &[("a", Some("192.0.2.99:1"))]);
        if *name == "missing" {
            fs::remove_file(&delta).unwrap();
        } else {
            replace(&delta, &bad);
        }
        assert_eq!(find(&reader, "a"), Some(before), "{name}");
        let reason = reader.health().unwrap_err();
        assert!(reason.contains("/delta"), "{name}: {reason}");
        let told = Event::Refused { reason, kept: reader.generation() };
        assert_eq!(events.lock().unwrap().last(), Some(&told), "{name}");
        let count = events.lock().unwrap().len();
        for _ in 0..100 {
            find(&reader, "a");
        }
        assert_eq!(events.lock().unwrap().len(), count, "{name}: told once");
        publish_changes(&mut publisher, &[("a", Some("192.0.2.50:1"))]);
        assert_eq!(find(&reader, "a").as_deref(), Some("192.0.2.50:1"), "{name}: good again");
        reader.health().unwrap();
    }
}

fn base_of(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().flatten().map(|file| file.path());
    files.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("base-")).unwrap()
}

#[test]
fn a_bad_base_or_control_page_is_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    publish_base(&mut publisher, &[entry("a", "192.0.2.1:1")]);
    let good = fs::read(base_of(folder.path())).unwrap();
    let mut bad = good.clone();
    bad[200] ^= 1;
    replace(&base_of(folder.path()), &bad);
    let (fresh, _) = reader(folder.path());
    let host = Host::parse(b"a").unwrap();
    let reason = fresh.find(&host, |_| ()).unwrap_err().to_string();
    assert!(reason.ends_with("it is garbled behind its header"), "{reason}");
    replace(&base_of(folder.path()), &good);
    until("the good base", || fresh.find(&host, |found| found.is_some()) == Ok(true));

    let control = folder.path().join("control");
    let page = fs::read(&control).unwrap();
    for (bad, part) in [(&page[..10], "shorter than 4096"), (&[b'x'; 4096][..], "does not begin")] {
        replace(&control, bad);
        let (fresh, _) = reader(folder.path());
        let reason = fresh.find(&host, |_| ()).unwrap_err().to_string();
        assert!(reason.contains(part), "{reason}");
    }
    assert!(find(&fresh, "a").is_some(), "a reader from before is not disturbed");
}

/// A large base is not read whole when it is opened; what is garbled in it is noticed where it is read.
#[test]
fn damage_in_a_large_base_fails_the_lookups_that_meet_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    let hosts = 120_000;
    let entries: Vec<_> =
        (0..hosts).map(|n| entry(&format!("h{n}.{}.example", "x".repeat(40)), "192.0.2.1:1")).collect();
    publish_base(&mut publisher, &entries);
    let base = base_of(folder.path());
    let mut bytes = fs::read(&base).unwrap();
    assert!(bytes.len() > 9 << 20, "{}", bytes.len());
    for at in (1_000..bytes.len()).step_by(bytes.len() / 50) {
        bytes[at] ^= 0x10;
    }
    replace(&base, &bytes);
    let (reader, _) = reader(folder.path());
    let (mut good, mut damaged) = (0, 0);
    for entry in &entries {
        let host = Host::parse(entry.pattern.to_string().as_bytes()).unwrap();
        match reader.find(&host, |found| found.map(|mut found| found.next().unwrap().to_upstream())) {
            Ok(found) => {
                assert_eq!(found.as_ref(), entry.upstreams.first());
                good += 1;
            }
            Err(error) => {
                assert!(error.to_string().starts_with("the table is garbled at byte"), "{error}");
                damaged += 1;
            }
        }
    }
    assert!(good > hosts - 1_000 && damaged >= 25, "{good} good, {damaged} damaged");
}

/// In place, which no publisher does, under readers that have it mapped.
#[test]
fn whoever_shortens_a_published_file_ends_no_reader() {
    let shorten = |path: &Path, length: u64| {
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap()
    };
    for (hosts, is_copied) in [(100, true), (40_000, false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut publisher = publisher(folder.path());
        let entries: Vec<_> = (0..hosts).map(|n| entry(&format!("h{n}.example"), "192.0.2.1:1")).collect();
        publish_base(&mut publisher, &entries);
        let (reader, _) = reader(folder.path());
        assert_eq!(find(&reader, "h7.example").as_deref(), Some("192.0.2.1:1"));
        let base = base_of(folder.path());
        assert_eq!(fs::metadata(&base).unwrap().len() <= 1 << 20, is_copied);
        for (path, length) in [(&base, 4096), (&base, 0), (&folder.path().join("delta"), 0)] {
            shorten(path, length);
            let (mut good, mut damaged) = (0, 0);
            for entry in &entries {
                let host = Host::parse(entry.pattern.to_string().as_bytes()).unwrap();
                match reader.find(&host, |found| found.is_some()) {
                    Ok(true) => good += 1,
                    Ok(false) => panic!("{host:?} is said not to be known"),
                    Err(error) => {
                        assert!(error.to_string().starts_with("the table is garbled at byte"), "{error}");
                        damaged += 1;
                    }
                }
            }
            assert_eq!(damaged == 0, is_copied, "{good} good, {damaged} damaged");
        }
        // Now it looks for what is new, and finds nothing that it could use.
        shorten(&folder.path().join("control"), 0);
        until("the refusal", || {
            let _ = reader.find(&Host::parse(b"h7.example").unwrap(), |_| ());
            reader.health().is_err()
        });
        assert!(publisher.check().is_err());
        publish_base(&mut super::publisher(folder.path()), &entries);
        until("the good one", || {
            reader.find(&Host::parse(b"h7.example").unwrap(), |found| found.is_some()) == Ok(true)
        });
    }
}
