//! What the lab itself costs: real runs of `cargo xtask matrix`, in a copy of the repository.
//!
//! Other samples are jobs in the image `bench-tools`. These start sandboxes themselves, and so run on the machine itself.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::bench::bed::Bed;
use crate::bench::lab_copy::LabCopy;
use crate::bench::metric::Metric;
use crate::bench::raw::{Comparison, FORMAT, Sample, Series, Subject, Suite};
use crate::bench::rounds;
use crate::lab::{Lab, Meeting};
use crate::matrix::PROBE;

const NAME: &str = "lab";

/// The plugin of the copy's matrix, and the file of it that is touched.
const PLUGIN: &str = "ip";
const TOUCHED_FILE: &str = "plugins/handlers/ip/src/lib.rs";

const COLD: &str = "cold";
const TOUCHED: &str = "touched";
const WARM: &str = "warm";

const SUBJECTS: [(&str, &str); 3] = [
    (COLD, "nothing is built, nothing was observed; images and the sources of crates are there"),
    (TOUCHED, "one line was added to the plugin's source"),
    (WARM, "nothing has changed since the run before"),
];
const COMPARISONS: &[(&str, &str)] = &[(WARM, COLD), (TOUCHED, COLD), (WARM, WARM)];

const HOW: &str = "Each sample is one run of the matrix by the program that takes these samples, on the machine itself and all its cores, from its start to its end, in \
                   a copy of the repository with artifacts, compilers' state and observations of its own. That copy's lab.toml has one plugin, `ip`, and the probe, so that \
                   cold runs can be repeated in pairs; of hosts there is one. What the lab costs as a whole is more, and is not measured here. Not in it: making images, and \
                   cargo's own look whether xtask is up to date. Each run is checked to have built what it should, and nothing when warm.";
const HOW_QUICK: &str = " Quick: only the warm run is taken, with artifacts that were built before.";

/// Takes all samples.
pub(super) fn measure(bed: &Bed<'_>) -> Result<Suite> {
    let target = &bed.target.triple;
    let ground = bed.ground();
    let lab = Lab::read(&ground.repository)?;
    let host = lab.hosts.iter().rfind(|host| host.meets(&bed.target) == Meeting::Home);
    let host = host.with_context(|| format!("no host of lab.toml runs what is built for {target}"))?;
    // The copy finds them in the cache; making them is not what is measured.
    bed.image(&host.name)?;
    let text = std::fs::read_to_string(ground.repository.join("lab.toml")).context("cannot read lab.toml")?;
    let copy = LabCopy::make(ground, &bed.scratch(), &cut(&text)?)?;
    let words = ["matrix", "--host", &host.name, "--target", target].map(str::to_owned);

    let (subjects, comparisons) = asked(bed.quick);
    let names: Vec<&str> = subjects.iter().map(|(name, _)| *name).collect();
    let comparisons = Comparison::list(NAME, &comparisons, &names)?;
    let turns = rounds::turns(&names, &comparisons, 0).len() as u64;
    let bar = bed.progress(turns * u64::from(bed.rounds), &format!("{NAME} matrix"));
    if bed.quick {
        bed.give_to(&copy, &[PROBE, PLUGIN])?;
    }
    let built = || {
        let manifest = copy.built(target);
        manifest.and_then(|manifest| manifest.find(PLUGIN).map(|plugin| plugin.sha256.clone()))
    };
    // Whether a run has come to its end since the copy was made.
    let mut settled = false;
    let samples = rounds::run(&names, &comparisons, bed.rounds, |turn| {
        if turn.subject == COLD {
            copy.forget()?;
        } else if !settled {
            copy.xtask(&words)?;
        }
        let before = built();
        if turn.subject == TOUCHED {
            copy.append(TOUCHED_FILE, &format!("// Touched in round {}.", turn.round + 1))?;
        }
        let took = copy.xtask(&words).with_context(|| format!("{NAME}, {}", turn.subject))?;
        settled = true;
        let after = built();
        ensure!(after.is_some(), "a {} run left nothing built", turn.subject);
        ensure!(
            (before == after) == (turn.subject == WARM),
            "a {} run was none: the plugin was {before:?} before and is {after:?}",
            turn.subject
        );
        bar.inc(1);
        let values = BTreeMap::from([(Metric::WallSeconds, took.as_secs_f64())]);
        Ok(Sample { values, ..Sample::default() })
    })?;
    let command: Vec<String> = ["cargo", "xtask"].map(str::to_owned).into_iter().chain(words).collect();
    let subject = |&(name, is): &(&str, &str)| Subject {
        name: name.to_owned(),
        is: is.to_owned(),
        command: command.clone(),
        image_digest: None,
    };
    Ok(Suite {
        format: FORMAT,
        name: NAME.to_owned(),
        question: "What does it cost to ask the lab, and how much of that is saved when little or nothing has changed?".to_owned(),
        subjects: subjects.iter().map(subject).collect(),
        comparisons,
        series: vec![Series {
            name: "matrix".to_owned(),
            how: format!("{HOW}{}", if bed.quick { HOW_QUICK } else { "" }),
            command: Vec::new(),
            axis: None,
            metrics: vec![Metric::WallSeconds],
            samples,
        }],
    })
}

type Names = (&'static str, &'static str);

/// What is measured, and what is compared: what compiles takes too long for a run that only proves that everything runs.
fn asked(quick: bool) -> (Vec<Names>, Vec<Names>) {
    let is_asked = |name: &str| !quick || name == WARM;
    (
        SUBJECTS.into_iter().filter(|(name, _)| is_asked(name)).collect(),
        COMPARISONS.iter().copied().filter(|(one, other)| is_asked(one) && is_asked(other)).collect(),
    )
}

/// `lab.toml` with one plugin, the probe, and nothing else that is built or driven.
fn cut(lab: &str) -> Result<String> {
    let mut lab: toml::Table = toml::from_str(lab).context("cannot parse lab.toml")?;
    let sections = [
        ("program", Some(PROBE)),
        ("artifact", Some(PLUGIN)),
        ("compiler", None),
        ("scenario", None),
        ("module", None),
    ];
    for (section, kept) in sections {
        let entries = lab.get_mut(section).and_then(toml::Value::as_array_mut);
        let entries = entries.with_context(|| format!("lab.toml has no [[{section}]]"))?;
        entries.retain(|entry| kept.is_some() && entry.get("name").and_then(toml::Value::as_str) == kept);
        ensure!(entries.len() == usize::from(kept.is_some()), "lab.toml has no {section} {kept:?}");
    }
    // Nothing of it is for others.
    lab.remove("dist");
    toml::to_string(&lab).context("cannot write lab.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copys_lab_has_one_plugin_and_what_loads_it() {
        let repository = crate::paths::repository().unwrap();
        assert!(repository.join(TOUCHED_FILE).is_file());
        let whole = std::fs::read_to_string(repository.join("lab.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lab.toml"), cut(&whole).unwrap()).unwrap();
        let (cut_lab, whole_lab) = (Lab::read(folder.path()).unwrap(), Lab::read(&repository).unwrap());
        let names: Vec<&str> = cut_lab.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
        assert_eq!(names, [PLUGIN]);
        assert!(cut_lab.programs.len() == 1 && cut_lab.scenarios.is_empty() && cut_lab.modules.is_empty());
        assert!(cut_lab.compilers.is_empty());
        assert_eq!(cut_lab.targets.len(), whole_lab.targets.len());
        let error = cut(&whole.replace("name = \"ip\"", "name = \"pi\"")).unwrap_err().to_string();
        assert!(error.contains("artifact Some(\"ip\")"), "{error}");
    }

    #[test]
    fn a_quick_run_compiles_nothing() {
        assert_eq!(asked(true).1, [(WARM, WARM)]);
        let (subjects, comparisons) = asked(false);
        assert_eq!((subjects.len(), comparisons.len()), (3, 3));
        // The first round's first run makes what all others begin with.
        assert_eq!(subjects[0].0, COLD);
    }
}
