//! Rounds: each subject once, one after the other, in an order that moves on.

use anyhow::Result;

use super::raw::{Comparison, Sample};

/// One measurement that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn<'a> {
    /// Which subject.
    pub(crate) subject: &'a str,
    /// From 0.
    pub(crate) round: u32,
    /// The second one of its subject in its round, for an A/A row.
    pub(crate) again: bool,
}

/// The turns of one round. The subject that stands against itself comes twice; who begins is the next one each time, so that no place in the
/// order is anybody's own.
pub(crate) fn turns<'a>(subjects: &[&'a str], comparisons: &[Comparison], round: u32) -> Vec<Turn<'a>> {
    let twice = |subject: &str| comparisons.iter().any(|one| one.is_noise() && one.subject == subject);
    let first = subjects.iter().map(|&subject| Turn { subject, round, again: false });
    let second =
        subjects.iter().filter(|subject| twice(subject)).map(|&subject| Turn { subject, round, again: true });
    let mut turns: Vec<Turn<'_>> = first.chain(second).collect();
    let by = round as usize % turns.len().max(1);
    turns.rotate_left(by);
    turns
}

/// Takes all samples of so many rounds.
///
/// # Errors
/// The first of `take`. A sample that does not count is none.
pub(crate) fn run(
    subjects: &[&str],
    comparisons: &[Comparison],
    rounds: u32,
    mut take: impl FnMut(Turn<'_>) -> Result<Sample>,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in 0..rounds {
        for turn in turns(subjects, comparisons, round) {
            let sample = take(turn)?;
            samples.push(Sample {
                subject: turn.subject.to_owned(),
                round: turn.round,
                again: turn.again,
                ..sample
            });
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_in_every_round_and_begins_one() {
        let noise = Comparison { subject: "a".into(), against: "a".into() };
        let other = Comparison { subject: "b".into(), against: "a".into() };
        let mut begun = Vec::new();
        for round in 0..4 {
            let turns = turns(&["a", "b", "c"], &[other.clone(), noise.clone()], round);
            let mut seen: Vec<(&str, bool)> = turns.iter().map(|turn| (turn.subject, turn.again)).collect();
            begun.push(seen[0]);
            seen.sort_unstable();
            assert_eq!(seen, [("a", false), ("a", true), ("b", false), ("c", false)]);
            assert!(turns.iter().all(|turn| turn.round == round));
        }
        assert_eq!(begun, [("a", false), ("b", false), ("c", false), ("a", true)]);
    }
}
