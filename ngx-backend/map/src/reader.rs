//! Looks hosts up in what is published, and notices what is published anew.

use crate::control::{Control, ControlError};
use crate::host::Host;
use crate::publish::CONTROL;
use crate::table::{Damage, Found};
use crate::tables::Tables;
use arc_swap::{ArcSwap, Guard};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

/// A clock that costs no system call costs 25 ns all the same; so only every so many lookups look at it.
const LOOKUPS_BETWEEN_CLOCKS: u32 = 16;
/// How long a failure is believed before it is looked again.
const PATIENCE_WITH_FAILURE: Duration = Duration::from_millis(50);
/// How often it is seen to that the folder was not replaced by another, which no page can tell.
const PATIENCE_WITH_FOLDER: Duration = Duration::from_secs(1);

/// Looks up hosts in a folder that a [`Publisher`](crate::Publisher) publishes to. For any threads at once.
///
/// A lookup reads one number of a page that the publisher changes; when that is another than before, the lookup that notices maps what
/// was published. What cannot be used is left alone, and what was good before stays.
pub struct Reader {
    directory: PathBuf,
    observe: Box<dyn Fn(&Event) + Send + Sync>,
    current: ArcSwap<Current>,
    refreshing: Mutex<()>,
    lookups: AtomicU32,
}

/// What an operator wants to know of a reader. Each is told once, however often it is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something published is in use, for the first time or again after a failure.
    Loaded {
        /// Counts publications.
        generation: u64,
        /// Records of the base.
        base: u64,
        /// Records of the delta.
        delta: u64,
    },
    /// What is published cannot be used.
    Refused {
        /// Which file, and why.
        reason: String,
        /// The publication that is still in use, if there is one.
        kept: Option<u64>,
    },
}

/// Why a lookup has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing was ever there to look up in.
    #[error("{0}")]
    NotLoaded(String),
    /// It is garbled where the host would be.
    #[error(transparent)]
    Damaged(#[from] Damage),
}

#[derive(Debug)]
struct Current {
    control: Option<Watched>,
    tables: Option<Arc<Tables>>,
    /// Why the tables are not the newest.
    failure: Option<String>,
    looked: Instant,
}

/// The control page, and the generation that was last acted upon.
#[derive(Debug)]
struct Watched {
    control: Arc<Control>,
    /// Device and number of its file.
    file: (u64, u64),
    seen: u64,
}

impl Reader {
    /// Reads from a folder, and looks at it at once. `observe` is called by the lookup that notices something and must not block.
    pub fn new(directory: &Path, observe: impl Fn(&Event) + Send + Sync + 'static) -> Reader {
        let nothing = Current { control: None, tables: None, failure: None, looked: Instant::now() };
        let reader = Reader {
            directory: directory.to_owned(),
            observe: Box::new(observe),
            current: ArcSwap::from_pointee(nothing),
            refreshing: Mutex::new(()),
            lookups: AtomicU32::new(0),
        };
        reader.refresh();
        reader
    }

    /// Gives the upstreams of a host to `use_them`, or `None` if it is not known.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be told whether the host is known.
    pub fn find<T>(
        &self,
        host: &Host,
        use_them: impl FnOnce(Option<Found<'_>>) -> T,
    ) -> Result<T, ReadError> {
        let current = self.newest();
        Ok(use_them(current.tables()?.find(host)?))
    }

    /// The same for a host as a client has written it; what is no host is not known. Faster where it is written as its key is.
    ///
    /// # Errors
    /// [`ReadError`] if it cannot be told whether the host is known.
    pub fn find_text<T>(
        &self,
        text: &[u8],
        use_them: impl FnOnce(Option<Found<'_>>) -> T,
    ) -> Result<T, ReadError> {
        let current = self.newest();
        Ok(use_them(current.tables()?.find_text(text)?))
    }

    /// Whether the newest publication is in use.
    ///
    /// # Errors
    /// Why not.
    pub fn health(&self) -> Result<(), String> {
        match &self.current.load().failure {
            None => Ok(()),
            Some(reason) => Err(reason.clone()),
        }
    }

    /// The publication that is in use.
    pub fn generation(&self) -> Option<u64> {
        self.current.load().tables.as_ref().map(|tables| tables.generation())
    }

    /// What is published now, unless that cannot be used.
    fn newest(&self) -> Guard<Arc<Current>> {
        let current = self.current.load();
        if !self.is_stale(&current) {
            return current;
        }
        drop(current);
        self.refresh();
        self.current.load()
    }

    fn is_stale(&self, current: &Current) -> bool {
        if current.control.as_ref().is_some_and(|watched| watched.control.generation() != watched.seen) {
            return true;
        }
        // Not exact when threads count at once, which does not matter.
        let lookups = self.lookups.load(Ordering::Relaxed).wrapping_add(1);
        self.lookups.store(lookups, Ordering::Relaxed);
        let patience = match current.failure {
            Some(_) => PATIENCE_WITH_FAILURE,
            None if lookups % LOOKUPS_BETWEEN_CLOCKS == 0 => PATIENCE_WITH_FOLDER,
            None => return false,
        };
        current.looked.elapsed() >= patience
    }

    /// Looks at the folder, unless another thread is at it.
    fn refresh(&self) {
        let _guard = match self.refreshing.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Poisoned(guard)) => guard.into_inner(),
        };
        let old = self.current.load_full();
        let new = look(&self.directory, &old);
        let event = event(&old, &new);
        self.current.store(Arc::new(new));
        if let Some(event) = event {
            (self.observe)(&event);
        }
    }
}

impl Current {
    fn tables(&self) -> Result<&Tables, ReadError> {
        let missing = || ReadError::NotLoaded(self.failure.clone().unwrap_or_default());
        self.tables.as_deref().ok_or_else(missing)
    }
}

fn look(directory: &Path, old: &Current) -> Current {
    let looked = Instant::now();
    let kept = old.tables.clone();
    let mut watched = match watch(directory, old.control.as_ref()) {
        Ok(watched) => watched,
        Err(reason) => return Current { control: None, tables: kept, failure: Some(reason), looked },
    };
    // Read before the files: whatever is published meanwhile is another one.
    let seen = watched.control.generation();
    let is_known = old.failure.is_none()
        && old.control.as_ref().is_some_and(|old| old.file == watched.file && old.seen == seen);
    watched.seen = seen;
    if is_known {
        return Current { control: Some(watched), tables: kept, failure: None, looked };
    }
    let (tables, failure) = match Tables::load(directory, old.tables.as_deref()) {
        Ok(tables) => (Some(Arc::new(tables)), None),
        Err(error) => (kept, Some(sentence(&error))),
    };
    Current { control: Some(watched), tables, failure, looked }
}

/// The control page that is there now.
fn watch(directory: &Path, old: Option<&Watched>) -> Result<Watched, String> {
    let path = directory.join(CONTROL);
    let unusable = |error: &dyn std::error::Error| format!("{}: {}", path.display(), sentence(error));
    let file = File::open(&path).map_err(|error| unusable(&error))?;
    let metadata = file.metadata().map_err(|error: io::Error| unusable(&error))?;
    let number = (metadata.dev(), metadata.ino());
    let control = match old {
        Some(old) if old.file == number => Arc::clone(&old.control),
        _ => Arc::new(Control::of(&file).map_err(|error: ControlError| unusable(&error))?),
    };
    Ok(Watched { control, file: number, seen: 0 })
}

fn event(old: &Current, new: &Current) -> Option<Event> {
    match (&new.failure, &new.tables) {
        (Some(reason), _) if old.failure.as_ref() != Some(reason) => Some(Event::Refused {
            reason: reason.clone(),
            kept: new.tables.as_ref().map(|tables| tables.generation()),
        }),
        (None, Some(tables)) if old.failure.is_some() || old.tables.is_none() => {
            let (base, delta) = tables.sizes();
            Some(Event::Loaded { generation: tables.generation(), base, delta })
        }
        _ => None,
    }
}

/// An error with its sources.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        if !sentence.ends_with(&part) {
            sentence = format!("{sentence}: {part}");
        }
        source = error.source();
    }
    sentence
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("directory", &self.directory).finish_non_exhaustive()
    }
}
