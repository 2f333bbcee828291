//! Images end to end against a mirror that runs in the test: locking, fetching, what is wrong and what is gone.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::Result;
use tempfile::TempDir;

use super::deb::tests::deb_of;
use super::definition::Definition;
use super::ensure::ensure_definition;
use super::lock::Lock;
use super::renew::renew_one;
use super::signature::Unsigned;
use super::{Options, Workshop, digest, family};
use crate::engine::EngineChoice;
use crate::image::Image;

/// A file of a package: path, then mode or target, then content.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member<'a> {
    Folder(&'a str, u32),
    File(&'a str, u32, &'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
}

/// A `.deb` with these files. Paths are written as they are, however wicked.
pub(super) fn deb(members: &[Member<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = tar::Header::new_gnu();
        let (path, kind, mode, target, content) = match *member {
            Member::Folder(path, mode) => (path, tar::EntryType::Directory, mode, None, ""),
            Member::File(path, mode, content) => (path, tar::EntryType::Regular, mode, None, content),
            Member::Link(path, target) => (path, tar::EntryType::Symlink, 0o777, Some(target), ""),
            Member::HardLink(path, target) => (path, tar::EntryType::Link, 0o644, Some(target), ""),
        };
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if let Some(target) = target {
            header.set_link_name_literal(target).unwrap();
        }
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    deb_of("data.tar", &archive.into_inner().unwrap())
}

type Served = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A web server with files in memory. It ends with the test process.
struct Mirror {
    address: SocketAddr,
    files: Served,
}

impl Mirror {
    fn start() -> Mirror {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let files = Served::default();
        let served = Arc::clone(&files);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &served);
            }
        });
        Mirror { address, files }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn put(&self, path: &str, content: &[u8]) {
        self.files.lock().unwrap().insert(format!("/{path}"), content.to_vec());
    }

    fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(&format!("/{path}"));
    }

    /// Publishes packages, as name, version, further fields and content, and an index of exactly these.
    fn publish(&self, packages: &[(&str, &str, &str, Vec<u8>)]) {
        let mut index = String::new();
        for (name, version, fields, deb) in packages {
            let (path, size, sum) = (pool(name, version), deb.len(), digest::of_bytes(deb));
            self.put(&path, deb);
            index += &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: {path}\nSize: {size}\nSHA256: {sum}\n{fields}\n"
            );
        }
        let mut compressed = Vec::new();
        liblzma::read::XzEncoder::new(index.as_bytes(), 1).read_to_end(&mut compressed).unwrap();
        let name = "main/binary-amd64/Packages.xz";
        let sum = digest::of_bytes(&compressed);
        let release = format!("Suite: test\nSHA256:\n {sum} {} {name}\n", compressed.len());
        self.put(&format!("dists/trixie/{name}"), &compressed);
        self.put("dists/trixie/InRelease", release.as_bytes());
    }
}

fn answer(mut stream: TcpStream, files: &Served) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or(Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let content = files.lock().unwrap().get(path).cloned();
    let status = if content.is_some() { "200 OK" } else { "404 Not Found" };
    let content = content.unwrap_or_default();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len())?;
    stream.write_all(&content)
}

fn pool(name: &str, version: &str) -> String {
    format!("pool/{name}_{version}_amd64.deb")
}

/// A definition of the package `hello`, a cache, and a mirror with that package, which needs another.
struct Bench {
    folder: TempDir,
    mirror: Mirror,
    definition: Definition,
    options: Options,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::start();
        let text = "name = \"test\"\nsuite = \"trixie\"\narch = \"x86_64\"\npackages = [\"hello\"]\n";
        let mut definition = family::parse(text, &[]).unwrap().remove(0);
        definition.folder = folder.path().to_path_buf();
        let options = Options {
            repository: folder.path().to_path_buf(),
            cache: folder.path().join("cache"),
            mirror: Some(mirror.url()),
            snapshot_mirror: None,
            keyring: folder.path().join("no-keyring"),
            engine: EngineChoice::Sandbox,
            locked: false,
        };
        let bench = Bench { folder, mirror, definition, options };
        bench.publish("1");
        bench
    }

    /// Publishes that version of `hello` as the only one.
    fn publish(&self, version: &str) {
        let hello = deb(&[Member::Folder("usr", 0o755), Member::File("usr/hello", 0o755, version)]);
        let base = deb(&[Member::Folder("usr", 0o755), Member::File("usr/base", 0o644, "base")]);
        self.mirror.publish(&[("hello", version, "Depends: base\n", hello), ("base", "7", "", base)]);
    }

    fn renew(&self) {
        renew_one(&Workshop::open(&self.options).unwrap(), &self.definition, false, Unsigned::Taken).unwrap();
    }

    fn ensure(&self) -> Result<Image> {
        ensure_definition(&Workshop::open(&self.options)?, &self.definition)
    }

    fn refusal(&self) -> String {
        let Err(error) = self.ensure() else { panic!("the image was made") };
        format!("{error:#}")
    }

    fn empty_cache(&self) {
        fs::remove_dir_all(&self.options.cache).unwrap();
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.options.cache.join("blobs")).unwrap().count()
    }

    fn images(&self) -> usize {
        let entries = fs::read_dir(self.options.cache.join("images")).unwrap().flatten();
        entries.filter(|entry| entry.file_name() != ".lock").count()
    }
}

fn hello(image: &Image) -> String {
    fs::read_to_string(image.rootfs.join("usr/hello")).unwrap()
}

#[test]
fn a_lock_gives_the_same_image_again_and_needs_no_network_once_cached() {
    let bench = Bench::new();
    bench.renew();
    let lock = Lock::read(&bench.definition).unwrap();
    let names: Vec<_> = lock.package.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["base", "hello"]);

    bench.empty_cache();
    let image = bench.ensure().unwrap();
    assert!(image.pinned);
    assert_eq!((image.digest.as_str(), hello(&image).as_str()), (lock.image.as_str(), "1"));

    fs::remove_dir_all(bench.options.cache.join("images")).unwrap();
    bench.mirror.files.lock().unwrap().clear();
    assert_eq!(bench.ensure().unwrap(), image);
}

#[test]
fn a_lock_that_answers_another_definition_is_refused() {
    let mut bench = Bench::new();
    bench.renew();
    bench.definition.folders.push("tmp".to_owned());
    let error = bench.refusal();
    assert!(error.contains("answers another definition") && error.contains("images lock test"), "{error}");
    fs::remove_file(bench.definition.lock_path()).unwrap();
    assert!(bench.refusal().contains("has no lock"));
}

#[test]
fn a_file_with_another_hash_is_refused_and_not_kept() {
    let bench = Bench::new();
    bench.renew();
    bench.empty_cache();
    let good = bench.mirror.files.lock().unwrap()[&format!("/{}", pool("hello", "1"))].clone();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    bench.mirror.put(&pool("hello", "1"), &bad);
    bench.mirror.remove(&pool("base", "7"));

    let error = bench.refusal();
    for part in [digest::of_bytes(&good), digest::of_bytes(&bad), pool("hello", "1"), "--mirror".to_owned()] {
        assert!(error.contains(&part), "{part} is not in: {error}");
    }
    assert_eq!((bench.blobs(), bench.images()), (0, 0));
}

#[test]
fn packages_that_left_the_mirror_are_replaced_for_this_run_and_the_image_is_not_pinned() {
    let bench = Bench::new();
    bench.renew();
    let committed = fs::read(bench.definition.lock_path()).unwrap();
    bench.empty_cache();
    bench.mirror.remove(&pool("hello", "1"));
    bench.publish("2");

    let image = bench.ensure().unwrap();
    assert!(!image.pinned);
    assert_eq!(hello(&image), "2");
    assert_eq!(fs::read(bench.definition.lock_path()).unwrap(), committed, "the lock is the user's to renew");

    // The next run need not ask again what stands in.
    bench.mirror.files.lock().unwrap().clear();
    assert_eq!(bench.ensure().unwrap(), image);
}

#[test]
fn with_locked_a_package_that_left_the_mirror_is_an_error_that_shows_the_difference() {
    let mut bench = Bench::new();
    bench.renew();
    bench.empty_cache();
    bench.mirror.remove(&pool("hello", "1"));
    bench.publish("2");
    bench.options.locked = true;
    let error = bench.refusal();
    for part in ["hello 1 left the mirror", "~ hello:amd64 1 -> 2", "cargo xtask images lock test"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_snapshot_mirror_keeps_an_image_pinned() {
    let mut bench = Bench::new();
    bench.renew();
    bench.empty_cache();
    let snapshot = Mirror::start();
    let hello_1 = bench.mirror.files.lock().unwrap()[&format!("/{}", pool("hello", "1"))].clone();
    snapshot.put(&pool("hello", "1"), &hello_1);
    bench.mirror.remove(&pool("hello", "1"));
    bench.publish("2");
    bench.options.snapshot_mirror = Some(snapshot.url());
    let image = bench.ensure().unwrap();
    assert!(image.pinned);
    assert_eq!(hello(&image), "1");
}

#[test]
fn without_network_it_is_told_what_is_cached_and_what_is_not() {
    let mut bench = Bench::new();
    bench.renew();
    let hello = Lock::read(&bench.definition).unwrap().package.remove(1);
    fs::remove_file(bench.options.cache.join("blobs").join(hello.sha256)).unwrap();
    fs::remove_dir_all(bench.options.cache.join("images")).unwrap();
    // A port that nobody listens on any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.options.mirror = Some(format!("http://{closed}"));
    let error = bench.refusal();
    for part in ["1 of 2 packages are cached", "not cached: hello 1", "check the network"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_blob_that_the_disk_damaged_is_noticed_and_removed() {
    let bench = Bench::new();
    bench.renew();
    let hello = Lock::read(&bench.definition).unwrap().package.remove(1);
    fs::remove_dir_all(bench.options.cache.join("images")).unwrap();
    fs::write(bench.options.cache.join("blobs").join(&hello.sha256), "rubbish").unwrap();
    let error = bench.refusal();
    assert!(error.contains("was damaged") && error.contains("run the command again"), "{error}");
    assert_eq!(bench.images(), 0);
    assert!(bench.ensure().unwrap().pinned);
}

#[test]
fn an_index_that_the_release_file_does_not_vouch_for_is_refused() {
    let bench = Bench::new();
    bench.mirror.put("dists/trixie/main/binary-amd64/Packages.xz", b"other");
    let workshop = Workshop::open(&bench.options).unwrap();
    let error = format!("{:#}", renew_one(&workshop, &bench.definition, false, Unsigned::Taken).unwrap_err());
    assert!(error.contains("InRelease says"), "{error}");
    assert!(!bench.definition.lock_path().exists());
    assert!(Path::new(bench.folder.path()).exists());
}
