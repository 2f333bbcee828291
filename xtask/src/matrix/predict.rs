//! Verdicts from bytes alone: artifacts on one side, a host image's root file system and its probe on the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use plugin_compat::{
    ElfError, ElfFacts, HostReader, PluginIdentity, Policy, Verdict, judge, judge_unreadable,
};

use crate::image::Image;
use crate::lab::Host;

/// Verdicts on all artifacts of a run.
pub(crate) struct Predictions {
    artifacts: Vec<Result<ElfFacts, ElfError>>,
    hosts: BTreeMap<String, Judgement>,
}

struct Judgement {
    libc_version: String,
    verdicts: Vec<Verdict>,
}

impl Predictions {
    /// Reads the facts of every file once; they are judged in the order of `files`.
    pub(crate) fn read_artifacts(files: &[PathBuf]) -> Result<Predictions> {
        let artifacts = files
            .iter()
            .map(|file| Ok(ElfFacts::parse(&read(file)?)))
            .collect::<Result<Vec<Result<ElfFacts, ElfError>>>>()?;
        Ok(Predictions { artifacts, hosts: BTreeMap::new() })
    }

    /// Judges every artifact in `host`, whose main program is `probe`.
    pub(crate) fn judge_in(&mut self, host: &Host, image: &Image, probe: &Path) -> Result<()> {
        let program = ElfFacts::parse(&read(probe)?)
            .with_context(|| format!("{} as a host program", probe.display()))?;
        let mut reader = HostReader::open(&image.rootfs, &host.name, program)
            .with_context(|| format!("host facts of {}", host.name))?;
        let policy = Policy::any_kind();
        let verdicts = self
            .artifacts
            .iter()
            .map(|artifact| match artifact {
                Ok(facts) => judge(facts, reader.learn(facts), &policy),
                Err(error) => judge_unreadable(error),
            })
            .collect();
        let libc_version = reader
            .facts()
            .libc
            .as_ref()
            .and_then(|libc| libc.version.as_ref())
            .with_context(|| format!("image {} has no C library that tells its version", host.name))?
            .to_string();
        self.hosts.insert(host.name.clone(), Judgement { libc_version, verdicts });
        Ok(())
    }

    /// The verdict on the artifact at `index` in the host called `host`, which has been judged.
    pub(crate) fn verdict(&self, host: &str, index: usize) -> &Verdict {
        &self.hosts[host].verdicts[index]
    }

    /// Who the artifact at `index` says it is, if it does.
    pub(crate) fn identity(&self, index: usize) -> Option<&PluginIdentity> {
        self.artifacts[index].as_ref().ok()?.note.identity()
    }

    /// The version of the C library of the host called `host`, which has been judged.
    pub(crate) fn libc_version(&self, host: &str) -> &str {
        &self.hosts[host].libc_version
    }
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
