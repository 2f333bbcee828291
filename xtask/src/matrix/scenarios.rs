//! The part of a run that drives servers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result};

use super::drive::{Cast, CastFile, DistFile, STEP, STEP_WITH_EVERYTHING, drive};
use super::fates::{LOADED, RootFile, fates};
use super::memory::Memory;
use super::predict::Predictions;
use super::scenario_cell::{self, Driven, ScenarioCell};
use super::timings::Timings;
use super::{Plugin, Run};
use crate::engine;
use crate::image::Image;
use crate::lab::{Host, Meeting, Scenario, client_folder, plugin_folder};

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
            let cast = self.cast(scenario, host, image, predictions)?;
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

    /// What lies in the plugin root of `scenario` beside its plugins.
    fn beside(&self, scenario: &Scenario, host: &Host, predictions: &Predictions) -> Vec<Beside<'_>> {
        let lies_there = |plugin: &Plugin<'_>| {
            let named = scenario.beside.contains(&plugin.artifact.name);
            scenario.everything || (named && host.meets(plugin.target) == Meeting::Home)
        };
        let here = self.subjects.iter().enumerate().filter(|(_, plugin)| lies_there(plugin));
        here.map(|(at, plugin)| {
            let Plugin { artifact, target, .. } = plugin;
            let folder = plugin_folder(artifact);
            // Where all targets' files are in one folder, their names must differ.
            let of_target = if scenario.everything { format!("-{}", target.triple) } else { String::new() };
            let identity = predictions.identity(at);
            let file = RootFile {
                folder: folder.unwrap_or(FOLDER_OF_OTHERS),
                name: format!("{}{of_target}.so", artifact.name),
                belongs: folder.is_some(),
                plugin: identity.map(|identity| (identity.name.clone(), identity.version.clone())),
                expected: self.lab.expectation(artifact, target, host),
            };
            Beside { plugin, file }
        })
        .collect()
    }

    fn cast<'b>(
        &'b self,
        scenario: &'b Scenario,
        host: &'b Host,
        image: &'b Image,
        predictions: &Predictions,
    ) -> Result<Cast<'b>> {
        let program = |name: &str| -> Result<DistFile<'b>> {
            let (dist, built) = self.program_of(host, name)?;
            Ok(DistFile { path: format!("{}/{}", dist.manifest.target, built.file), sha256: &built.sha256 })
        };
        let in_root = |folder: &str, name: &str, plugin: &'b Plugin<'_>| CastFile {
            place: format!("{folder}/{name}"),
            file: DistFile { path: plugin.file.clone(), sha256: &plugin.row.sha256 },
        };
        let plugins = self
            .plugins_of(scenario, host)
            .map(|(_, plugin)| {
                let name = &plugin.artifact.name;
                let folder = client_folder(plugin.artifact);
                let folder = folder.with_context(|| format!("no server has {name:?} as a plugin"))?;
                Ok(in_root(folder, &format!("{name}.so"), plugin))
            })
            .collect::<Result<Vec<_>>>()?;
        let beside = self.beside(scenario, host, predictions);
        let fates = fates_of(&beside);
        let used: Vec<&Beside<'_>> =
            beside.iter().filter(|beside| fates[&beside.file.name] == LOADED).collect();
        Ok(Cast {
            image,
            client: program(&scenario.client)?,
            server: program(&scenario.server)?,
            plugins,
            beside: beside
                .iter()
                .map(|Beside { plugin, file }| in_root(file.folder, &file.name, plugin))
                .collect(),
            config: configuration(&used)?,
            headers: headers(&used),
            arguments: &scenario.arguments,
            asks: &scenario.asks,
            answers_everything: scenario.answers_everything,
            then: &scenario.then,
            patience: if scenario.everything { STEP_WITH_EVERYTHING } else { STEP },
        })
    }

    /// The plugins without which `scenario` does not work in `host`.
    fn plugins_of<'b>(
        &'b self,
        scenario: &'b Scenario,
        host: &'b Host,
    ) -> impl Iterator<Item = (usize, &'b Plugin<'b>)> {
        self.subjects.iter().enumerate().filter(|(_, Plugin { artifact, target, .. })| {
            host.meets(target) == Meeting::Home && scenario.plugins.contains(&artifact.name)
        })
    }

    pub(super) fn compare_scenario(
        &self,
        host: &Host,
        scenario: &Scenario,
        predictions: &Predictions,
        observed: Result<&Driven, &str>,
    ) -> ScenarioCell {
        let plugins: Vec<_> =
            self.plugins_of(scenario, host).map(|(at, _)| predictions.verdict(&host.name, at)).collect();
        let fates = fates_of(&self.beside(scenario, host, predictions));
        scenario_cell::compare(
            &host.name,
            &scenario.name,
            &plugins,
            &fates,
            observed,
            scenario.expectation(host),
        )
    }
}

/// Where files lie that are of no kind that a server has.
const FOLDER_OF_OTHERS: &str = "handlers";

/// A plugin beside those of a scenario.
struct Beside<'a> {
    plugin: &'a Plugin<'a>,
    file: RootFile,
}

fn fates_of(beside: &[Beside<'_>]) -> BTreeMap<String, String> {
    let files: Vec<RootFile> = beside.iter().map(|beside| beside.file.clone()).collect();
    fates(&files)
}

/// The settings of the plugins in `used`, as a configuration file of the server; empty if there are none.
fn configuration(used: &[&Beside<'_>]) -> Result<String> {
    let mut sections: BTreeMap<&str, BTreeMap<&str, BTreeMap<&str, String>>> = BTreeMap::new();
    for Beside { plugin, file } in used {
        let settings = plugin.artifact.settings()?;
        if let (false, Some((name, _))) = (settings.is_empty(), &file.plugin) {
            sections.entry(file.folder).or_default().insert(name, BTreeMap::from([("settings", settings)]));
        }
    }
    Ok(toml::to_string(&sections)?)
}

/// What requests must have to come past the middlewares in `used`.
fn headers<'a>(used: &[&Beside<'a>]) -> BTreeMap<&'a str, &'a str> {
    let middlewares = used.iter().filter(|beside| beside.file.folder == "middlewares");
    middlewares
        .flat_map(|beside| &beside.plugin.artifact.headers)
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
