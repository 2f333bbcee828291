//! What readers see of publications, and who may read them.

use super::{entry, find, publish_base, publish_changes, publisher, reader, until};
use backend_map::{Access, Event, PublishError, Publisher};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_publication_is_seen_by_the_next_lookup_of_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    publish_base(&mut publisher, &[entry("a", "192.0.2.1:1")]);
    let readers = [reader(folder.path()), reader(folder.path())];
    for port in 1..=300 {
        let address = format!("192.0.2.1:{port}");
        if port % 100 == 0 {
            publish_base(&mut publisher, &[entry("a", &address)]);
        } else {
            publish_changes(&mut publisher, &[("a", Some(&address))]);
        }
        for (reader, events) in &readers {
            assert_eq!(find(reader, "a").as_deref(), Some(address.as_str()));
            assert_eq!(reader.generation(), Some(publisher.generation()));
            assert_eq!(events.lock().unwrap().len(), 1, "loading is told once");
        }
    }
    let bases = fs::read_dir(folder.path()).unwrap().flatten();
    let bases = bases.filter(|file| file.file_name().to_string_lossy().starts_with("base-"));
    assert_eq!(bases.count(), 1, "former bases are removed");
}

#[test]
fn readers_that_come_first_wait_for_the_first_publication() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("not/there/yet");
    let (reader, events) = reader(&path);
    let host = backend_map::Host::parse(b"a").unwrap();
    let error = reader.find(&host, |_| ()).unwrap_err().to_string();
    assert!(error.contains("control: No such file or directory"), "{error}");
    assert_eq!(reader.health(), Err(error.clone()));
    assert_eq!(*events.lock().unwrap(), [Event::Refused { reason: error, kept: None }]);
    let mut publisher = publisher(&path);
    publish_base(&mut publisher, &[entry("a", "192.0.2.1:1")]);
    until("the first table", || reader.find(&host, |found| found.is_some()) == Ok(true));
    reader.health().unwrap();
    let loaded = Event::Loaded { generation: 1, base: 1, delta: 0 };
    assert_eq!(events.lock().unwrap().last(), Some(&loaded));
}

#[test]
fn a_publisher_goes_on_where_the_last_one_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = publisher(folder.path());
    publish_base(&mut first, &[entry("a", "192.0.2.1:1")]);
    let (reader, _) = reader(folder.path());
    assert!(find(&reader, "a").is_some());
    drop(first);
    let mut second = publisher(folder.path());
    assert_eq!(second.generation(), 1);
    assert!(matches!(second.publish(None, []), Err(PublishError::NoBase)));
    assert!(find(&reader, "a").is_some());
    publish_base(&mut second, &[entry("b", "192.0.2.1:2")]);
    assert_eq!((find(&reader, "a"), find(&reader, "b")), (None, Some("192.0.2.1:2".to_owned())));
}

#[test]
fn a_folder_that_was_replaced_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("map");
    publish_base(&mut publisher(&path), &[entry("a", "192.0.2.1:1")]);
    let (reader, _) = reader(&path);
    let mut former = publisher(&path);
    fs::remove_dir_all(&path).unwrap();
    let base = former.new_base();
    assert!(base.is_err(), "there is no folder for it");
    assert_eq!(find(&reader, "a").as_deref(), Some("192.0.2.1:1"), "what is mapped stays");
    publish_base(&mut publisher(&path), &[entry("a", "192.0.2.1:2")]);
    until("the new folder", || find(&reader, "a").as_deref() == Some("192.0.2.1:2"));
    let base = former.new_base().unwrap().finish().unwrap();
    let error = former.publish(Some(base), []).unwrap_err();
    assert!(matches!(error, PublishError::Replaced(_)), "nobody would see it: {error}");
}

#[test]
fn only_user_and_group_may_read_and_nobody_else_write() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("map");
    let group = fs::metadata(parent.path()).map(|it| std::os::unix::fs::MetadataExt::gid(&it)).unwrap();
    let mut publisher = Publisher::open(&path, Access { group: Some(group) }).unwrap();
    publish_base(&mut publisher, &[entry("a", "192.0.2.1:1")]);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o750);
    for file in fs::read_dir(&path).unwrap().flatten() {
        assert_eq!(mode(&file.path()), 0o640, "{:?}", file.file_name());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
    let error = Publisher::open(&path, Access::default()).unwrap_err();
    assert!(matches!(error, PublishError::OpenFolder(_)), "{error}");
}

/// Every reader sees one publication whole at any moment, while bases are replaced under it.
#[test]
fn readers_never_see_a_mixture() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = publisher(folder.path());
    publish_base(&mut publisher, &[entry("a", "192.0.2.1:1"), entry("b", "192.0.2.1:1")]);
    let (reader, events) = reader(folder.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // `b` is published after `a`, and read after it.
                    let (a, b) = (port(find(&reader, "a")), port(find(&reader, "b")));
                    assert!(b >= a, "a is {a}, b is {b}");
                }
            });
        }
        for number in 2..200 {
            let address = format!("192.0.2.1:{number}");
            if number % 5 == 0 {
                publish_base(&mut publisher, &[entry("a", &address), entry("b", &address)]);
            } else {
                publish_changes(&mut publisher, &[("a", Some(&address)), ("b", Some(&address))]);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(events.lock().unwrap().len(), 1, "{:?}", events.lock().unwrap());
}

fn port(address: Option<String>) -> u16 {
    address.unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

/// Whoever starts to read after that would find no table, however well those fare who have it mapped.
#[test]
fn a_publisher_notices_what_others_did_to_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let base = || {
        let mut files = fs::read_dir(folder.path()).unwrap().flatten().map(|file| file.path());
        files.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("base-")).unwrap()
    };
    let path = |name: &str| folder.path().join(name);
    let cut =
        |path: &std::path::Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(64).unwrap();
    let faults: [&dyn Fn(); 8] = [
        &|| fs::remove_file(path("delta")).unwrap(),
        &|| cut(&path("delta")),
        &|| fs::remove_file(base()).unwrap(),
        &|| cut(&base()),
        &|| fs::write(base(), vec![0; fs::metadata(base()).unwrap().len() as usize]).unwrap(),
        &|| fs::remove_file(path("control")).unwrap(),
        &|| cut(&path("control")),
        &|| fs::write(path("control"), [0; 4096]).unwrap(),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let mut first = publisher(folder.path());
        publish_base(&mut first, &[entry("a", "192.0.2.1:1")]);
        publish_changes(&mut first, &[("b", Some("192.0.2.2:1"))]);
        first.check().unwrap();
        fault();
        let noticed = first.check().unwrap_err();
        assert!(
            matches!(noticed, PublishError::Changed(_) | PublishError::Replaced(_)),
            "{number}: {noticed}"
        );
        // A change would not reach all readers, unless it replaces just what is wrong.
        let is_replaced = fs::metadata(path("delta")).map_or(true, |it| it.len() == 64);
        assert_eq!(first.publish(None, []).is_ok(), is_replaced, "{number}");
        let mut anew = publisher(folder.path());
        publish_base(&mut anew, &[entry("a", "192.0.2.3:1")]);
        anew.check().unwrap();
        assert_eq!(find(&reader(folder.path()).0, "a").as_deref(), Some("192.0.2.3:1"), "{number}");
    }
}
