//! The part of a run that drives servers.

use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result};

use super::drive::{Cast, DistFile, drive};
use super::memory::Memory;
use super::predict::Predictions;
use super::scenario_cell::{self, Driven, ScenarioCell};
use super::timings::Timings;
use super::{Plugin, Run};
use crate::engine;
use crate::image::Image;
use crate::lab::{Artifact, Host, Meeting, Scenario, Target, plugin_folder};

impl Run<'_> {
    pub(super) fn drive_all(
        &self,
        host: &Host,
        image: &Image,
        predictions: &Predictions,
        bar: &indicatif::ProgressBar,
        timings: &Mutex<&mut Timings>,
    ) -> Result<Vec<Driven>> {
        let emulated = !engine::is_native(host.arch);
        let place = Cast::place(self.engine, image, emulated);
        let mut memory = Memory::<Driven>::recall(&self.ground.cache, &place);
        let mut seen = Vec::new();
        for scenario in self.scenarios_in(host) {
            let cast = self.cast(scenario, host, image)?;
            let agrees =
                |driven: &Driven| self.compare_scenario(host, scenario, predictions, Ok(driven)).agree;
            let driven = match memory.of(&cast.key()).filter(|driven| agrees(driven)) {
                Some(driven) => driven.clone(),
                None => {
                    let started = Instant::now();
                    let driven = drive(self.engine, &cast, &self.dist())
                        .with_context(|| format!("scenario {} in {}", scenario.name, host.name))?;
                    if let Ok(mut timings) = timings.lock() {
                        timings.scenario(emulated, started.elapsed());
                    }
                    if agrees(&driven) {
                        memory.keep(cast.key(), &driven);
                        memory.save()?;
                    }
                    driven
                }
            };
            bar.inc(1);
            seen.push(driven);
        }
        Ok(seen)
    }

    /// The scenarios that are driven in `host`: they are of its own target, which must be one of those that were asked for.
    pub(super) fn scenarios_in(&self, host: &Host) -> Vec<&Scenario> {
        let wanted = self.targets.iter().any(|target| host.meets(target) == Meeting::Home);
        self.lab.scenarios.iter().filter(|_| wanted).collect()
    }

    /// Those of `names` that are built for the platform of `host`.
    fn built_for<'b>(&'b self, names: &'b [String], host: &'b Host) -> impl Iterator<Item = &'b Artifact> {
        let home = self.home_of(host);
        self.lab.artifacts.iter().filter(move |artifact| {
            names.contains(&artifact.name) && home.is_some_and(|home| artifact.is_built_for(home))
        })
    }

    fn home_of(&self, host: &Host) -> Option<&Target> {
        self.lab.targets.iter().find(|target| host.meets(target) == Meeting::Home)
    }

    fn cast<'b>(&'b self, scenario: &Scenario, host: &Host, image: &'b Image) -> Result<Cast<'b>> {
        let file = |name: &str| -> Result<DistFile<'b>> {
            let (dist, built) = self.program_of(host, name)?;
            Ok(DistFile { path: format!("{}/{}", dist.manifest.target, built.file), sha256: &built.sha256 })
        };
        let in_root = |artifact: &Artifact| {
            let name = &artifact.name;
            let folder = plugin_folder(artifact);
            Ok((folder.with_context(|| format!("no server has {name:?} as a plugin"))?, file(name)?))
        };
        let plugins = self.built_for(&scenario.plugins, host).map(in_root).collect::<Result<Vec<_>>>()?;
        let beside = self.built_for(&scenario.beside, host).map(in_root).collect::<Result<Vec<_>>>()?;
        Ok(Cast { image, client: file(&scenario.client)?, server: file(&scenario.server)?, plugins, beside })
    }

    pub(super) fn compare_scenario(
        &self,
        host: &Host,
        scenario: &Scenario,
        predictions: &Predictions,
        observed: Result<&Driven, &str>,
    ) -> ScenarioCell {
        let plugins: Vec<_> = (0..self.subjects.len())
            .filter(|&at| {
                let Plugin { artifact, target, .. } = &self.subjects[at];
                host.meets(target) == Meeting::Home && scenario.plugins.contains(&artifact.name)
            })
            .map(|at| predictions.verdict(&host.name, at))
            .collect();
        let beside: Vec<_> = self
            .built_for(&scenario.beside, host)
            .filter_map(|artifact| Some((artifact, self.home_of(host)?)))
            .map(|(artifact, home)| (artifact.name.as_str(), self.lab.expectation(artifact, home, host)))
            .collect();
        scenario_cell::compare(
            &host.name,
            &scenario.name,
            &plugins,
            &beside,
            observed,
            scenario.expectation(host),
        )
    }
}
