//! Gives an empty Redis the map that this node has.

use backend_map::{Entry, Pattern};

use super::session::{Session, encoded};
use super::state::Trouble;
use crate::store::{Position, Store};

/// Entries that are sent at once.
const AT_ONCE: usize = 1_000;

/// Puts the copy, which has come to `position`, into Redis. Nodes that have come there, too, go on as if nothing had been; others read it
/// anew. Does nothing if somebody else was faster.
///
/// # Errors
/// If Redis does not take it; it is as empty as before then.
pub(super) async fn refill(session: &mut Session, store: &Store, position: Position) -> Result<(), Trouble> {
    let view = store.view()?;
    // A name of its own, so that two nodes do not mix theirs.
    let gathered = redis_link::random();
    let (mut after, mut count) = (None::<Pattern>, 0);
    loop {
        let mut part: Vec<Entry> = Vec::with_capacity(AT_ONCE);
        view.walk(after.as_ref(), |entry| {
            part.push(entry);
            part.len() < AT_ONCE
        })?;
        let is_last = part.len() < AT_ONCE;
        count += part.len();
        after = part.last().map(|entry| entry.pattern.clone()).or(after);
        let head = if is_last { position.to_string().into_bytes() } else { Vec::new() };
        let entries = part.iter().flat_map(|entry| [entry.pattern.key().to_vec(), encoded(&entry.upstreams)]);
        let arguments: Vec<Vec<u8>> = [head].into_iter().chain(entries).collect();
        if !session.refill(gathered, &arguments).await? {
            return Ok(());
        }
        if is_last {
            tracing::warn!(
                entries = count,
                revision = position.revision,
                "Redis had lost the map and was given it again"
            );
            return Ok(());
        }
    }
}
