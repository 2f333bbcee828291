//! When which entry expires, so that it leaves also when nobody asks for it any more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The expiries of one shard, the earliest first.
///
/// A note is not taken back when its entry is replaced, removed or evicted; it is then *stale*, and whoever gets it sees
/// that the entry is another or gone. Stale notes are thrown away before they are more than the others.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    notes: BinaryHeap<Reverse<Note>>,
}

/// That the entry whose key has this hash expires at that moment, if it still is the one that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    pub(crate) expires_at: u64,
    pub(crate) hash: u64,
}

/// So many notes are not worth a search for stale ones.
const FEW: usize = 64;

impl Agenda {
    /// Whether [`Agenda::take_due`] would give something.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.notes.peek().is_some_and(|Reverse(note)| note.expires_at <= now)
    }

    /// The earliest note, if its moment has come.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Note> {
        if !self.is_due(now) {
            return None;
        }
        self.notes.pop().map(|Reverse(note)| note)
    }

    /// Takes a note. `entries` are there now; once twice as many notes are kept, those are dropped that `is_fresh` does
    /// not recognize. So a note costs constant time on average, and all of them a bounded part of what the entries take.
    pub(crate) fn note(&mut self, note: Note, entries: usize, is_fresh: impl Fn(&Note) -> bool) {
        self.notes.push(Reverse(note));
        if self.notes.len() > 2 * entries + FEW {
            self.notes.retain(|Reverse(note)| is_fresh(note));
            self.notes.shrink_to(2 * self.notes.len());
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }
}
