//! What it takes to get a plugin.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use plugin_host::{
    Admission, Candidate, FaultPolicy, HandlerInstance, Host, Image, LoadError, Plugin, Registry, SealedCopy,
    Settings, load as load_plugin,
};

/// Reads the file and judges its bytes, and lets go of them.
pub(crate) fn judge(iterations: u32, plugin: &Path) -> Result<Duration, Box<dyn Error>> {
    let host = Host::of_this_process(BTreeMap::new())?;
    let started = Instant::now();
    for _ in 0..iterations {
        black_box(Candidate::read(plugin)?.judge(&host, &Admission::default())?);
    }
    Ok(started.elapsed())
}

/// Has the dynamic loader map the file's bytes, as [`load`] does, and does nothing else: dlopen(3) alone, of copies that were made before.
#[allow(unsafe_code)]
pub(crate) fn dlopen(iterations: u32, plugin: &Path) -> Result<Duration, Box<dyn Error>> {
    let bytes = std::fs::read(plugin).map_err(|error| format!("cannot read {}: {error}", plugin.display()))?;
    let copies: Result<Vec<SealedCopy>, std::io::Error> =
        (0..iterations).map(|_| SealedCopy::new("dlopen", &bytes)).collect();
    let copies = copies?;
    let started = Instant::now();
    for copy in copies {
        // SAFETY: whoever measures names a plugin whose constructors may run, of which a Rust library has none; nothing here runs in one.
        black_box(unsafe { Image::map_sealed(copy) }?);
    }
    Ok(started.elapsed())
}

/// Does all of it: reads, judges, maps a sealed copy, asks whether it accepts this host. Each time is a further plugin of this process.
pub(crate) fn load(iterations: u32, plugin: &Path) -> Result<Duration, Box<dyn Error>> {
    let host = Host::of_this_process(BTreeMap::new())?;
    let started = Instant::now();
    let plugins: Result<Vec<Plugin>, LoadError> =
        (0..iterations).map(|_| load_plugin(&host, &Admission::default(), plugin)).collect();
    let took = started.elapsed();
    black_box(plugins?);
    Ok(took)
}

/// Does what a server does at its start: all of [`load`], an instance of each, and each in the registry under a name of its own.
pub(crate) fn registry(iterations: u32, plugin: &Path) -> Result<Duration, Box<dyn Error>> {
    let host = Host::of_this_process(BTreeMap::new())?;
    let started = Instant::now();
    let registry = Registry::new(FaultPolicy::default(), |_| {});
    for number in 0..iterations {
        let plugin = load_plugin(&host, &Admission::default(), plugin)?;
        let instance = HandlerInstance::create(&plugin, host.environment(), &Settings::default())?;
        let identity = plugin.identity();
        registry.publish(&format!("{}-{number}", identity.name), identity.version.clone(), instance);
    }
    let took = started.elapsed();
    let all = registry.slots().len();
    if all != iterations as usize {
        return Err(format!("the registry has {all} plugins of {iterations}").into());
    }
    Ok(took)
}
