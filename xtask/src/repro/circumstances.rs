//! What two machines have different and no build may show: folders, user, umask, time zone, language, cores, the machine's name.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::{getegid, geteuid};
use rustix::system::uname;
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::{Deserialize, Serialize};

use crate::columns;
use crate::difference::{Clue, Trace};

/// The circumstances of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Circumstances {
    /// Where everything lies.
    pub(crate) folders: Folders,
    /// Whom the system takes the build for.
    pub(crate) user: User,
    /// What files are not given when they are made.
    pub(crate) umask: u32,
    /// As `TZ`; empty for the machine's own.
    pub(crate) time_zone: String,
    /// As `LC_ALL`; empty for none.
    pub(crate) locale: String,
    /// The numbers of those that it may run on.
    pub(crate) cores: Vec<usize>,
    /// The machine's name.
    pub(crate) host_name: String,
}

/// The folders of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Folders {
    /// The root of the repository.
    pub(crate) repository: PathBuf,
    /// What it is on, as `ext4`: how that orders a folder's entries is its own business.
    pub(crate) file_system: String,
    /// Images and downloads.
    pub(crate) cache: PathBuf,
    /// The user's.
    pub(crate) home: PathBuf,
    /// For temporary files.
    pub(crate) temporary: PathBuf,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// As `USER`.
    pub(crate) name: String,
}

/// An ordinary user that no machine has.
const STRANGER: (u32, &str) = (54_321, "somebody-else");
/// A time zone that is no whole hours away from any other, named so that no list of them is needed (POSIX, environment variables).
const TIME_ZONE: &str = "<+1345>-13:45";
/// A language whose small `I` is another letter.
const LOCALE: &str = "tr_TR.UTF-8";
const HOST_NAME: &str = "another-host";

/// How much of a build's circumstances can be changed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Means {
    /// Which namespaces of its own it can have.
    pub(crate) namespaces: Namespaces,
    /// Whether it can run as somebody else.
    pub(crate) other_user: bool,
    /// Why not more; empty if that is all there is.
    pub(crate) because: String,
}

/// Namespaces of its own that a build can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Namespaces {
    None,
    /// Of mounts and of the machine's name, as root makes them.
    Plain,
    /// The same below a namespace of users in which whoever made it is root.
    OfUser,
}

impl Circumstances {
    /// Those of this process, in that repository with that cache.
    pub(crate) fn present(repository: &Path, cache: &Path) -> Result<Circumstances> {
        let text = |name: &str| env::var(name).unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let cores = sched_getaffinity(None).context("cannot ask which cores this process may run on")?;
        Ok(Circumstances {
            folders: Folders {
                repository: repository.to_owned(),
                file_system: FileSystem::of(repository)?.kind,
                cache: cache.to_owned(),
                home: env::home_dir().unwrap_or_default(),
                temporary: env::temp_dir(),
            },
            user: User { uid, gid, name: user_name(uid) },
            umask: umask(&status).context("/proc/self/status has no Umask (Linux 4.7)")?,
            time_zone: text("TZ"),
            locale: ["LC_ALL", "LANG"]
                .map(text)
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
            cores: (0..CpuSet::MAX_CPU).filter(|&core| cores.is_set(core)).collect(),
            host_name: uname().nodename().to_string_lossy().into_owned(),
        })
    }

    /// As different from these as `means` allow, in those folders, and on half of the cores or on `fewest_cores`.
    pub(crate) fn others(&self, folders: Folders, means: &Means, fewest_cores: usize) -> Circumstances {
        let cores = self.cores.len().div_ceil(2).max(fewest_cores).min(self.cores.len());
        let unlike = |one: &str, present: &str, other: &str| {
            if one == present { other.to_owned() } else { one.to_owned() }
        };
        let user = match (means.other_user, means.namespaces) {
            (false, _) => self.user.clone(),
            (true, Namespaces::OfUser) => User { uid: 0, gid: 0, name: STRANGER.1.to_owned() },
            (true, _) => User { uid: STRANGER.0, gid: STRANGER.0, name: STRANGER.1.to_owned() },
        };
        let host_name = match means.namespaces {
            Namespaces::None => self.host_name.clone(),
            _ => unlike(HOST_NAME, &self.host_name, "yet-another-host"),
        };
        Circumstances {
            folders,
            user,
            umask: if self.umask == 0o077 { 0o022 } else { 0o077 },
            time_zone: unlike(TIME_ZONE, &self.time_zone, "UTC"),
            locale: unlike(LOCALE, &self.locale, "C"),
            // The last ones: the first is the busiest.
            cores: self.cores[self.cores.len() - cores..].to_vec(),
            host_name,
        }
    }

    /// What each circumstance is called, and what it is here.
    fn rows(&self) -> [(&'static str, String); 11] {
        let path = |path: &Path| path.display().to_string();
        let User { uid, gid, name } = &self.user;
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
        [
            ("repository", path(&self.folders.repository)),
            ("file system", self.folders.file_system.clone()),
            ("cache", path(&self.folders.cache)),
            ("home", path(&self.folders.home)),
            ("temporary", path(&self.folders.temporary)),
            ("user", format!("{name} ({uid}:{gid})")),
            ("umask", format!("{:03o}", self.umask)),
            ("time zone", or(&self.time_zone, "the machine's")),
            ("locale", or(&self.locale, "none")),
            ("cores", self.cores.len().to_string()),
            ("host name", self.host_name.clone()),
        ]
    }

    /// What of these would show in a file, and is not the same in `other`.
    pub(crate) fn clues(&self, other: &Circumstances) -> Vec<Clue> {
        let traces = [
            ("repository", Trace::Folder, "the folder of the repository"),
            ("cache", Trace::Folder, "the cache folder"),
            ("home", Trace::Folder, "the home folder"),
            ("temporary", Trace::Folder, "the folder for temporary files"),
            ("time zone", Trace::Locale, "the time zone"),
            ("locale", Trace::Locale, "the locale"),
            ("host name", Trace::HostName, "the machine's name"),
        ];
        let (own, others) = (self.rows(), other.rows());
        let mut clues: Vec<Clue> = Vec::new();
        for ((name, text), (_, of_other)) in own.iter().zip(&others) {
            let known = traces.iter().find(|(row, ..)| row == name);
            if let Some((_, trace, what)) = known.filter(|_| text != of_other && text.len() > 1) {
                clues.push(Clue { trace: *trace, what: (*what).to_owned(), text: text.clone() });
            }
        }
        if self.user.name != other.user.name {
            let (what, text) = ("the name of the user".to_owned(), self.user.name.clone());
            clues.push(Clue { trace: Trace::User, what, text });
        }
        clues
    }
}

/// What differs between two builds and what does not, each with the reason, for a terminal.
pub(crate) fn table(first: &Circumstances, second: &Circumstances, means: &Means) -> String {
    let mut text = String::new();
    for ((name, one), (_, other)) in first.rows().into_iter().zip(second.rows()) {
        let words = if one != other {
            format!("{one} and {other}")
        } else {
            format!("{one} in both: {}", why_same(name, &means.because))
        };
        columns::paragraph(&mut text, 13, name, &words);
    }
    text
}

fn why_same<'a>(name: &str, because: &'a str) -> &'a str {
    match name {
        "file system" => "give --scratch a folder on another one to have its entries in another order",
        "cores" => "there are no more, or fewer would take too long",
        _ => because,
    }
}

/// The file system that a path is on.
pub(crate) struct FileSystem {
    /// As the kernel calls it.
    pub(crate) kind: String,
    /// Where it is mounted.
    pub(crate) mounted_at: PathBuf,
    /// Whether programs may be started from it.
    pub(crate) executes: bool,
}

impl FileSystem {
    pub(crate) fn of(path: &Path) -> Result<FileSystem> {
        let path = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
        let table = fs::read_to_string("/proc/self/mountinfo").context("cannot read the list of mounts")?;
        file_system(&table, &path).with_context(|| format!("nothing is mounted at {}", path.display()))
    }
}

/// The mount that `path` is on, by a `/proc/PID/mountinfo` (proc_pid_mountinfo(5)). One whose path has spaces in it is not found.
fn file_system(table: &str, path: &Path) -> Option<FileSystem> {
    let mounts = table.lines().filter_map(|line| {
        let (own, of_kind) = line.split_once(" - ")?;
        let mut own = own.split(' ').skip(4);
        Some(FileSystem {
            kind: of_kind.split(' ').next()?.to_owned(),
            mounted_at: own.next()?.into(),
            executes: own.next()?.split(',').all(|option| option != "noexec"),
        })
    });
    // The last one of equals lies above the others.
    mounts
        .filter(|mount| path.starts_with(&mount.mounted_at))
        .max_by_key(|mount| mount.mounted_at.components().count())
}

/// The umask in a `/proc/PID/status`.
fn umask(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

fn user_name(uid: u32) -> String {
    let entries = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = entries.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    named.or_else(|| env::var("USER").ok()).unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(root: &str) -> Folders {
        let below = |name: &str| Path::new(root).join(name);
        Folders {
            repository: below("repository"),
            file_system: "ext4".into(),
            cache: below("cache"),
            home: below("home"),
            temporary: below("tmp"),
        }
    }

    fn usual() -> Circumstances {
        Circumstances {
            folders: folders("/one"),
            user: User { uid: 0, gid: 0, name: "root".into() },
            umask: 0o022,
            time_zone: String::new(),
            locale: "C.UTF-8".into(),
            cores: vec![0, 1, 2],
            host_name: "box".into(),
        }
    }

    fn means(namespaces: Namespaces, other_user: bool) -> Means {
        Means { namespaces, other_user, because: "this machine forbids it".into() }
    }

    #[test]
    fn nothing_stays_that_can_be_changed() {
        let first = usual();
        let all = means(Namespaces::Plain, true);
        let second = first.others(folders("/two"), &all, 1);
        let same: Vec<&str> = first
            .rows()
            .into_iter()
            .zip(second.rows())
            .filter(|((_, one), (_, other))| one == other)
            .map(|((name, _), _)| name)
            .collect();
        assert_eq!(same, ["file system"]);
        assert_eq!((second.umask, second.cores.as_slice()), (0o077, [1, 2].as_slice()));
        // And from there everything is changed again.
        let third = second.others(folders("/three"), &means(Namespaces::OfUser, true), 1);
        assert_eq!((third.umask, third.cores.as_slice(), third.user.uid), (0o022, [2].as_slice(), 0));
        assert!(third.time_zone != second.time_zone && third.locale != second.locale);
        assert!(third.host_name != second.host_name);
        assert_eq!(first.others(folders("/two"), &all, 3).cores, first.cores);
    }

    #[test]
    fn what_cannot_be_changed_is_said_with_the_reason() {
        let first = Circumstances { cores: vec![3], ..usual() };
        let few = means(Namespaces::None, false);
        let second = first.others(folders("/two"), &few, 2);
        assert_eq!((&second.user, second.cores.as_slice()), (&first.user, [3].as_slice()));
        let table = table(&first, &second, &few);
        for line in [
            "repository   /one/repository and /two/repository\n",
            "user         root (0:0) in both: this machine forbids it\n",
            "umask        022 and 077\n",
            "cores        1 in both: there are no more, or fewer would take too long\n",
            "host name    box in both: this machine forbids it\n",
        ] {
            assert!(table.contains(line), "{line:?} is not in\n{table}");
        }
        assert!(table.contains("--scratch"), "{table}");
    }

    #[test]
    fn only_what_differs_is_a_clue() {
        let first = usual();
        let second = first.others(folders("/two"), &means(Namespaces::None, false), 1);
        let texts: Vec<String> = second.clues(&first).into_iter().map(|clue| clue.text).collect();
        assert_eq!(texts[..2], ["/two/repository", "/two/cache"]);
        assert!(!texts.contains(&"root".to_owned()) && texts.contains(&LOCALE.to_owned()), "{texts:?}");
    }

    #[test]
    fn mounts_umasks_and_users_are_read_from_the_system() {
        let table = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                     23 22 0:5 / /dev/shm rw,nosuid,noexec shared:2 - tmpfs tmpfs rw\n\
                     24 22 0:6 / /dev/shm rw,nosuid - tmpfs tmpfs rw\n";
        let of = |path: &str| {
            let found = file_system(table, Path::new(path)).unwrap();
            (found.kind, found.executes)
        };
        assert_eq!(of("/dev/shm/a"), ("tmpfs".to_owned(), true));
        assert_eq!(of("/dev/shmat"), ("ext4".to_owned(), true));
        assert!(file_system("", Path::new("/")).is_none());
        assert_eq!(umask("Name:\tcat\nUmask:\t0027\n"), Some(0o027));
        let present = Circumstances::present(Path::new("/"), Path::new("/")).unwrap();
        assert!(!present.cores.is_empty() && !present.user.name.is_empty());
        assert_eq!(present.rows()[0].1, "/");
    }
}
