//! The same programs in a docker engine, started by testcontainers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use testcontainers::core::Mount;
use testcontainers::runners::SyncRunner;
use testcontainers::{GenericImage, ImageExt};

use crate::service::xtask;

/// A container without network; removed when dropped.
#[derive(Debug)]
pub(crate) struct Container(testcontainers::Container<GenericImage>);

/// Whether there is an engine to talk to: the one that DOCKER_HOST names, or the machine's.
pub(crate) fn engine_answers() -> bool {
    docker(&["version"]).is_ok()
}

impl Container {
    /// Starts a program. The engine is given the image if it does not have it, and never pulls one.
    pub(crate) fn start(image: &str, folder: &Path, mounted: &str, argv: &[String]) -> Container {
        let (name, digest) = loaded(image);
        let request = GenericImage::new(name, digest)
            .with_cmd(argv)
            .with_mount(Mount::bind_mount(folder.to_string_lossy(), mounted))
            .with_host_config_modifier(|config| config.network_mode = Some("none".to_owned()))
            // Whoever starts it knows better when it is ready.
            .with_ready_conditions(Vec::new());
        Container(request.start().unwrap_or_else(|error| panic!("cannot start image {image}: {error}")))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&self) -> Option<String> {
        let code = self.0.exit_code().expect("the engine tells of a container")?;
        Some(format!("exit code {code}"))
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        let read = |bytes: Result<Vec<u8>, _>| bytes.unwrap_or_default();
        let (stdout, stderr) = (read(self.0.stdout_to_vec()), read(self.0.stderr_to_vec()));
        String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
    }
}

/// Name and tag of an image that the engine has.
fn loaded(image: &str) -> (String, String) {
    static LOADED: Mutex<BTreeMap<String, (String, String)>> = Mutex::new(BTreeMap::new());
    let mut known = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(image.to_owned()).or_insert_with(|| load(image)).clone()
}

fn load(image: &str) -> (String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = folder.path().join("image.tar");
    let mut export = xtask();
    export.args(["images", "export", image]).arg(&archive);
    // `dynlab/NAME:TAG DIGEST FILE`
    let exported = output(&mut export).unwrap_or_else(|error| panic!("{error}"));
    let reference = exported.split_whitespace().next().unwrap_or_default();
    if docker(&["image", "inspect", reference]).is_err() {
        let archive = archive.to_string_lossy();
        docker(&["load", "--input", &archive]).unwrap_or_else(|error| panic!("{error}"));
    }
    let (name, tag) = reference.split_once(':').unwrap_or_else(|| panic!("no name and tag in {exported:?}"));
    (name.to_owned(), tag.to_owned())
}

fn docker(arguments: &[&str]) -> Result<String, String> {
    output(Command::new("docker").args(arguments))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}:\n{stderr}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
