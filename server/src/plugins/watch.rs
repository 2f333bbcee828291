//! Notices changes below the plugin root: by inotify(7), and by looking every few seconds for what inotify does not tell (other
//! machines' writes to a network file system, events lost in a full queue, a folder replaced whole).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use plugin_host::{HandlerInstance, MiddlewareInstance};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::control::Order;
use super::files::may_be_plugin;
use super::installed::Instance;

/// How long nothing may happen before what happened is acted upon: a copy is followed by a change of its mode.
const QUIET: Duration = Duration::from_millis(50);
/// After this time it is acted upon although more happens.
const LONGEST_DELAY: Duration = Duration::from_millis(500);
/// A file that was written to is taken for complete when it was closed, or after this time without a further write: a file that
/// appears by link(2) is never closed.
const SETTLED: Duration = Duration::from_secs(2);
/// How often to look without being told.
const PERIOD: Duration = Duration::from_secs(5);

/// Starts the thread that tells `orders` when something may have changed. It ends when nobody listens any more.
///
/// # Errors
/// If no thread could be started. Without inotify, files are looked at periodically, and the log says so.
pub(super) fn start(root: &Path, orders: Sender<Order>) -> anyhow::Result<()> {
    let mut watcher = Watcher {
        folders: [root.to_owned(), root.join(HandlerInstance::FOLDER), root.join(MiddlewareInstance::FOLDER)],
        inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .inspect_err(|error| tracing::warn!(%error, "no inotify; plugin files are looked at every {PERIOD:?} only"))
            .ok(),
        watched: BTreeMap::new(),
        activity: Activity::default(),
        orders,
    };
    watcher.watch_folders();
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || watcher.run())
        .context("cannot start a thread")?;
    Ok(())
}

struct Watcher {
    /// The plugin root and the folders in it that matter; they need not exist.
    folders: [PathBuf; 3],
    inotify: Option<OwnedFd>,
    /// Folders by their watch descriptors.
    watched: BTreeMap<i32, PathBuf>,
    activity: Activity,
    orders: Sender<Order>,
}

/// What has happened and was not acted upon yet. Knows no clock and no files.
#[derive(Debug, Default)]
struct Activity {
    /// When the first and the last thing happened that has to be acted upon.
    pending: Option<(Instant, Instant)>,
    /// Files that were written to and not closed, with the time of the last write.
    writing: BTreeMap<PathBuf, Instant>,
}

impl Watcher {
    fn run(mut self) {
        let mut last_look = Instant::now();
        loop {
            self.wait(self.next_look(last_look).saturating_duration_since(Instant::now()));
            self.read_events();
            let now = Instant::now();
            if now < self.next_look(last_look) {
                continue;
            }
            last_look = now;
            self.watch_folders();
            let unsettled = self.activity.take(now);
            if self.orders.send(Order::FilesChanged { unsettled }).is_err() {
                return;
            }
        }
    }

    /// When to tell next, after this was done last: when something has to be acted upon, or in any case after the period.
    fn next_look(&self, last_look: Instant) -> Instant {
        let period_ends = last_look + PERIOD;
        self.activity.due().map_or(period_ends, |due| due.min(period_ends))
    }

    /// Waits until there is something to read, at most `patience`.
    fn wait(&self, patience: Duration) {
        let Some(inotify) = &self.inotify else { return thread::sleep(patience) };
        let patience = Timespec::try_from(patience).ok();
        // An interruption is a short wait.
        let _ = poll(&mut [PollFd::new(inotify, PollFlags::IN)], patience.as_ref());
    }

    /// Watches the folders that exist; for those that are watched already this changes nothing.
    fn watch_folders(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        for folder in &self.folders {
            match inotify::add_watch(inotify, folder, flags) {
                Ok(descriptor) => {
                    self.watched.insert(descriptor, folder.clone());
                }
                Err(Errno::NOENT) => {}
                Err(error) => tracing::warn!(
                    folder = %folder.display(), %error,
                    "cannot be watched; it is looked at every {PERIOD:?} only"
                ),
            }
        }
    }

    fn read_events(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = events.next() {
            let now = Instant::now();
            let folder = self.watched.get(&event.wd());
            match (folder, event.file_name()) {
                (Some(folder), Some(name)) => {
                    self.activity.note(&folder.join(file_name(name)), event.events(), now);
                }
                // The queue ran over, or a folder is gone.
                _ => self.activity.act(now),
            }
        }
    }
}

impl Activity {
    fn note(&mut self, path: &Path, events: ReadFlags, now: Instant) {
        if events.contains(ReadFlags::ISDIR) {
            return self.act(now);
        }
        if !may_be_plugin(path) {
            return;
        }
        if events.intersects(ReadFlags::CREATE | ReadFlags::MODIFY) {
            self.writing.insert(path.to_owned(), now);
            return;
        }
        if !events.contains(ReadFlags::ATTRIB) {
            self.writing.remove(path);
        }
        self.act(now);
    }

    fn act(&mut self, now: Instant) {
        let first = self.pending.map_or(now, |(first, _)| first);
        self.pending = Some((first, now));
    }

    /// When to act; `None` if nothing has happened.
    fn due(&self) -> Option<Instant> {
        let pending = self.pending.map(|(first, last)| (last + QUIET).min(first + LONGEST_DELAY));
        let settled = self.writing.values().map(|last| *last + SETTLED).min();
        match (pending, settled) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Takes what happened as acted upon; gives the files that are still being written.
    fn take(&mut self, now: Instant) -> BTreeSet<PathBuf> {
        self.pending = None;
        self.writing.retain(|_, last| now < *last + SETTLED);
        self.writing.keys().cloned().collect()
    }
}

fn file_name(name: &CStr) -> &OsStr {
    OsStr::from_bytes(name.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_file_is_looked_at_once_it_was_closed() {
        let start = Instant::now();
        let path = Path::new("handlers/ip.so");
        let mut activity = Activity::default();
        assert_eq!(activity.due(), None);
        activity.note(path, ReadFlags::CREATE, start);
        activity.note(path, ReadFlags::MODIFY, start + MILLISECOND);
        assert_eq!(activity.due(), Some(start + MILLISECOND + SETTLED));
        activity.note(path, ReadFlags::CLOSE_WRITE, start + 2 * MILLISECOND);
        activity.note(path, ReadFlags::ATTRIB, start + 3 * MILLISECOND);
        assert_eq!(activity.due(), Some(start + 3 * MILLISECOND + QUIET));
        assert!(activity.take(start + MILLISECOND * 60).is_empty());
        assert_eq!(activity.due(), None);
    }

    #[test]
    fn a_file_that_is_being_written_does_not_hold_up_others() {
        let start = Instant::now();
        let (slow, quick) = (Path::new("slow.so"), Path::new("quick.so"));
        let mut activity = Activity::default();
        activity.note(slow, ReadFlags::CREATE, start);
        activity.note(quick, ReadFlags::MOVED_TO, start);
        assert_eq!(activity.due(), Some(start + QUIET));
        assert_eq!(activity.take(start + QUIET), BTreeSet::from([slow.to_owned()]));
        activity.note(slow, ReadFlags::MODIFY, start + SETTLED);
        assert_eq!(activity.take(start + SETTLED), BTreeSet::from([slow.to_owned()]));
        assert!(activity.take(start + 2 * SETTLED).is_empty(), "it was not written to for long enough");
    }

    #[test]
    fn a_stream_of_changes_is_acted_upon_before_it_ends() {
        let start = Instant::now();
        let mut activity = Activity::default();
        for step in 0..100 {
            activity.note(Path::new("a.so"), ReadFlags::MOVED_TO, start + step * 10 * MILLISECOND);
        }
        assert_eq!(activity.due(), Some(start + LONGEST_DELAY));
    }

    #[test]
    fn files_that_are_no_plugins_are_left_alone() {
        let mut activity = Activity::default();
        for name in [".ip.so", "ip.so.part", "README"] {
            activity.note(Path::new(name), ReadFlags::CLOSE_WRITE, Instant::now());
        }
        assert_eq!(activity.due(), None);
        activity.note(Path::new("handlers"), ReadFlags::CREATE | ReadFlags::ISDIR, Instant::now());
        assert!(activity.due().is_some());
    }
}
