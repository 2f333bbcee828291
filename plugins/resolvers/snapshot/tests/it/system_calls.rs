//! A lookup makes no system call: here one would end the thread that makes it.

use crate::{instance, publish};
use backend_map::{Access, Publisher};
use plugin_host::Resolved;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// So many that the table is read in the daemon's file: of a smaller one each process has a copy.
const HOSTS: usize = 20_000;
const SHARED: u64 = 1 << 20;
/// Each second one lookup sees to it that the folder is still the same. A thread that had to wait that long for a core meets it.
const ATTEMPTS: usize = 5;

#[test]
fn a_lookup_makes_no_system_call() {
    let folder = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::open(folder.path(), Access::default()).unwrap();
    let hosts: Vec<String> = (0..HOSTS).map(|number| format!("host-{number:08}.example.com")).collect();
    let upstreams: &[(&str, u16)] = &[("192.0.2.1:80", 1), ("192.0.2.2:80", 1)];
    let entries: Vec<_> = hosts.iter().map(|host| (host.as_str(), upstreams)).collect();
    publish(&mut publisher, &entries);
    let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    assert!(files.max().unwrap() > SHARED);

    // Every second one is not known.
    let unknown = (0..HOSTS).map(|number| format!("other-{number:08}.example.org"));
    let asked: Arc<[String]> = hosts.iter().cloned().zip(unknown).flat_map(<[String; 2]>::from).collect();
    let mut counts = Vec::new();
    while counts.len() < ATTEMPTS {
        let count = lookups_before_a_system_call(folder.path(), &asked);
        if count == asked.len() {
            return;
        }
        counts.push(count);
    }
    panic!("of {} lookups, so many were made before a system call: {counts:?}", asked.len());
}

fn lookups_before_a_system_call(folder: &Path, asked: &Arc<[String]>) -> usize {
    let (made, went_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (tell, told) = channel();
    let resolver = instance(folder);
    let (asked, shared) = (Arc::clone(asked), (Arc::clone(&made), Arc::clone(&went_on)));
    thread::spawn(move || {
        let look_up = |host: &str| resolver.resolve(host, None).unwrap();
        // Whatever a thread needs once, such as memory of its own for what is found, it has then.
        for host in &asked[..1_000] {
            look_up(host);
        }
        tell.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
        seccompiler::apply_filter(&no_system_call()).unwrap();
        for (number, host) in asked.iter().enumerate() {
            assert_eq!(look_up(host) == Resolved::NotFound, number % 2 == 1);
            shared.0.fetch_add(1, Ordering::Relaxed);
        }
        // It ends here, where it holds nothing that others wait for.
        thread::yield_now();
        shared.1.store(true, Ordering::Relaxed);
    });
    let task = Path::new("/proc").join(told.recv().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while task.exists() {
        assert!(Instant::now() < deadline, "the thread does not end");
        thread::park_timeout(Duration::from_millis(1));
    }
    assert!(!went_on.load(Ordering::Relaxed), "a system call did not end the thread");
    made.load(Ordering::Relaxed)
}

/// A filter of seccomp(2) that ends a thread at its next system call, whichever it is. The strict mode would not do: in it x86_64 takes the
/// clock away, too, which costs no system call otherwise.
fn no_system_call() -> BpfProgram {
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(BTreeMap::new(), SeccompAction::KillThread, SeccompAction::Allow, arch);
    filter.unwrap().try_into().unwrap()
}
