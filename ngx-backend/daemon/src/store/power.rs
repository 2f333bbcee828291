//! What is left of the store when the power goes. Killing the daemon does not show that: what it has written and not synced is the
//! kernel's then, and stays.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backend_map::Upstreams;
use redb::{Database, StorageBackend};

use super::tests::change;
use super::{Change, Mark, Position, Store};
use crate::tally::Tally;
use crate::writer::{Own, Writer};

/// A disk that forgets: of what was written and not synced a part is left, or nothing.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// What is read as long as there is power.
    now: Vec<u8>,
    /// What is there for certain when there was none.
    synced: Vec<u8>,
    /// What was written since, and where.
    since: Vec<(usize, Vec<u8>)>,
    /// Calls until the power goes; `None` if it stays.
    left: Option<usize>,
}

/// Which of the writes since the last sync have come through, by their number.
type Survives = fn(usize) -> bool;

const NOTHING: Survives = |_| false;

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn powered(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.platter();
        match &mut platter.left {
            Some(0) => return Err(io::Error::other("there is no power")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(platter)
    }

    fn cut_after(&self, calls: usize) {
        self.platter().left = Some(calls);
    }

    /// The disk that is found after a power cut now.
    fn after_cut(&self, survives: Survives) -> Disk {
        let platter = self.platter();
        let mut found = platter.synced.clone();
        for (number, (offset, bytes)) in platter.since.iter().enumerate() {
            if let Some(place) = found.get_mut(*offset..offset + bytes.len()).filter(|_| survives(number)) {
                place.copy_from_slice(bytes);
            }
        }
        Disk(Arc::new(Mutex::new(Platter { now: found.clone(), synced: found, ..Platter::default() })))
    }
}

fn place(offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
    let offset = usize::try_from(offset).map_err(io::Error::other)?;
    Ok(offset..offset + length)
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.powered()?.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.powered()?;
        let bytes = platter.now.get(place(offset, out.len())?).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    /// Is not forgotten: no change here is so large that the file has to grow for it.
    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.powered()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        platter.now.resize(length, 0);
        platter.synced.resize(length, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.powered()?;
        platter.synced = platter.now.clone();
        platter.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.powered()?;
        let place = place(offset, bytes.len())?;
        let written = platter.now.get_mut(place.clone()).ok_or(io::ErrorKind::UnexpectedEof)?;
        written.copy_from_slice(bytes);
        platter.since.push((place.start, bytes.to_vec()));
        Ok(())
    }
}

fn store_on(disk: &Disk) -> Store {
    Store::of(Database::builder().create_with_backend(disk.clone()).unwrap()).unwrap()
}

type Entries = BTreeMap<String, Upstreams>;

fn entries(store: &Store) -> Entries {
    let mut entries = Entries::new();
    let keep =
        |entry: backend_map::Entry| entries.insert(entry.pattern.to_string(), entry.upstreams).is_none();
    store.view().unwrap().walk(None, keep).unwrap();
    entries
}

/// Two changes of one order. Hosts come again, so that pages of before are written again.
fn order(number: u16) -> Vec<Change> {
    let host = |number: u16| format!("host-{}.example", number % 5);
    vec![change(&host(number), Some(number + 1)), change(&host(number + 2), None)]
}

fn after(mut entries: Entries, changes: &[Change]) -> Entries {
    for (pattern, upstreams) in changes {
        match upstreams {
            Some(upstreams) => drop(entries.insert(pattern.to_string(), upstreams.clone())),
            None => drop(entries.remove(&pattern.to_string())),
        }
    }
    entries
}

#[test]
fn what_was_acknowledged_is_there_after_a_power_cut_at_any_moment() {
    const ORDERS: u16 = 8;
    let leftovers: [Survives; 4] = [NOTHING, |_| true, |number| number % 2 == 0, |number| number % 2 == 1];
    for calls in 0.. {
        let disk = Disk::default();
        let store = store_on(&disk);
        disk.cut_after(calls);
        let mut acknowledged = Entries::new();
        let mut orders = (0..ORDERS).map(order);
        let in_flight = orders.by_ref().find(|changes| {
            let made = store.apply(changes).is_ok();
            if made {
                acknowledged = after(std::mem::take(&mut acknowledged), changes);
            }
            !made
        });
        for (kind, survives) in leftovers.into_iter().enumerate() {
            let found = entries(&store_on(&disk.after_cut(survives)));
            // What nobody was told of may have been made, as a whole.
            let with_more = in_flight.as_ref().map(|changes| after(acknowledged.clone(), changes));
            assert!(
                found == acknowledged || Some(&found) == with_more.as_ref(),
                "cut after {calls} calls, leftovers {kind}: {found:?} instead of {acknowledged:?}"
            );
        }
        if in_flight.is_none() {
            assert!(calls > ORDERS.into(), "a call each, at least");
            return;
        }
    }
}

#[test]
fn nobody_is_answered_before_the_disk_has_it() {
    let disk = Disk::default();
    let (publishing, _published) = channel();
    let tally = Arc::new(Tally::default());
    let store = Arc::new(store_on(&disk));
    let own = Own { store, publishing, made: Vec::new(), tally: Arc::clone(&tally) };
    let writer = Writer::start(own, None, tally).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut acknowledged = Entries::new();
    for number in 0..8 {
        runtime.block_on(writer.queue().apply(order(number))).unwrap();
        let found = entries(&store_on(&disk.after_cut(NOTHING)));
        acknowledged = after(acknowledged, &order(number));
        assert_eq!(found, acknowledged, "order {number}");
    }
    writer.end();
}

#[test]
fn a_copy_is_on_the_disk_when_that_is_asked_for_and_not_before() {
    let mark = |revision| Mark { position: Position { revision, nonce: 1 }, skipped: 0 };
    let disk = Disk::default();
    let store = store_on(&disk);
    for number in 0..3 {
        store.follow(&order(number), mark(number.into()), false).unwrap();
    }
    let found = || entries(&store_on(&disk.after_cut(NOTHING)));
    assert!(found().is_empty(), "which also shows that this disk forgets");
    store.follow(&[], mark(3), true).unwrap();
    assert_eq!(found(), (0..3).map(order).fold(Entries::new(), |entries, changes| after(entries, &changes)));
}
