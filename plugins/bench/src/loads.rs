//! What it takes to get a plugin.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use plugin_host::{Admission, Candidate, Host, LoadError, Plugin, load as load_plugin};

/// Reads the file and judges its bytes, and lets go of them.
pub(crate) fn judge(iterations: u32, plugin: &Path) -> Result<Duration, Box<dyn Error>> {
    let host = Host::of_this_process(BTreeMap::new())?;
    let started = Instant::now();
    for _ in 0..iterations {
        black_box(Candidate::read(plugin)?.judge(&host, &Admission::default())?);
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
