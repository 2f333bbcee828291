//! Observations, taken from earlier runs where nothing that took part has changed since.

use std::collections::BTreeMap;

use anyhow::Result;
use plugin_compat::Verdict;

use super::cell::{Cell, Observed, Outcome};
use super::hosts::Place;
use super::opener::Opener;
use super::subject::Subject;
use crate::ground::Ground;
use crate::matrix::Memory;

/// So many files are opened in one sandbox, so that a run that is stopped has not looked for nothing.
const AT_ONCE: usize = 250;

/// Opens every subject in `place`, or remembers how that went; answers come in the order of `subjects`. Only what agrees with
/// its verdict is remembered, and only of images. `on_seen` gets the number of files that are done.
///
/// # Errors
/// What [`Opener::prepare`] and [`Opener::open`] say.
pub(super) fn look(
    place: &Place,
    subjects: &[&Subject],
    verdicts: &[Verdict],
    ground: &Ground,
    on_seen: &dyn Fn(usize),
) -> Result<Vec<Observed>> {
    let opener = Opener::prepare(place, ground)?;
    let root = &place.image.rootfs;
    let mut memory = opener.key(place)?.map(|key| Memory::<(Outcome, String)>::recall(&ground.cache, &key));
    let key = |subject: &Subject| format!("{} {}", subject.sha256, subject.path_in(root));
    let agrees = |at: usize, seen: &Observed| {
        Cell::of(&place.name, subjects[at], &verdicts[at], Some(seen)).agree == Some(true)
    };
    let mut seen: BTreeMap<usize, Observed> = BTreeMap::new();
    for (at, subject) in subjects.iter().enumerate() {
        let known = memory.as_ref().and_then(|memory| memory.of(&key(subject)));
        if let Some((outcome, message)) = known {
            let known = Observed::of(*outcome, message.clone(), &subject.path_in(root));
            // What was expected once may be so no longer.
            if agrees(at, &known) {
                seen.insert(at, known);
            }
        }
    }
    on_seen(seen.len());
    let fresh: Vec<usize> = (0..subjects.len()).filter(|at| !seen.contains_key(at)).collect();
    for asked in fresh.chunks(AT_ONCE) {
        let asked_subjects: Vec<&Subject> = asked.iter().map(|at| subjects[*at]).collect();
        for (at, observed) in asked.iter().zip(opener.open(place, &asked_subjects)?) {
            if let Some(memory) = &mut memory
                && agrees(*at, &observed)
            {
                memory.keep(key(subjects[*at]), &(observed.outcome, observed.message.clone()));
            }
            seen.insert(*at, observed);
        }
        if let Some(memory) = &memory {
            memory.save()?;
        }
        on_seen(asked.len());
    }
    Ok(seen.into_values().collect())
}
