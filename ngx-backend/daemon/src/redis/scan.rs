//! Reads everything anew.

use std::collections::BTreeSet;

use super::records::{self, Read};
use super::session::Session;
use super::state::Trouble;
use crate::store::{Change, Mark, Position, Store};

/// What was read.
pub(super) struct Scanned {
    pub(super) mark: Mark,
    /// The keys of what was skipped.
    pub(super) bad: BTreeSet<Vec<u8>>,
    pub(super) entries: u64,
}

/// Makes the copy anew. Redis is read in parts while others change it: what they changed since the beginning is read from the record of changes
/// afterwards, and the copy is shown when it is as Redis was at one moment.
///
/// # Errors
/// If that does not come to an end. The copy is as before then.
pub(super) async fn read_all(session: &mut Session, store: &Store) -> Result<Scanned, Trouble> {
    let begin = session.look(Position::default()).await?.last.unwrap_or_default();
    let replacement = store.replace()?;
    let (mut bad, mut cursor) = (BTreeSet::new(), 0);
    loop {
        let (next, fields) = session.scan(cursor).await?;
        let mut changes: Vec<Change> = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            match records::entry(&key, &value) {
                Some(entry) => {
                    bad.remove(&key);
                    changes.push((entry.pattern, Some(entry.upstreams)));
                }
                None => {
                    bad.insert(key);
                }
            }
        }
        replacement.make(&changes)?;
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    let mut position = begin;
    loop {
        match session.read(position, None).await? {
            Read::Nothing => break,
            Read::Changes(changes, next) => {
                for (pattern, _) in &changes {
                    bad.remove(pattern.key());
                }
                replacement.make(&changes)?;
                position = next;
            }
            Read::Gap(why) => {
                return Err(Trouble::Broken(format!("the map changed while it was read: {why}")));
            }
        }
    }
    // Otherwise the map was emptied or exchanged meanwhile, and what was read is neither the one nor the other.
    let look = session.look(begin).await?;
    if look.last.unwrap_or_default() != begin && !look.has_it && begin != Position::default() {
        return Err(Trouble::Broken("the map was exchanged while it was read".to_owned()));
    }
    let mark = Mark { position, skipped: bad.len() as u64 };
    replacement.finish(mark)?;
    let entries = store.view()?.count()?;
    Ok(Scanned { mark, bad, entries })
}
