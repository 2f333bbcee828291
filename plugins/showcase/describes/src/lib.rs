//! A plugin of the kind showcase: describes itself and the platform it was made for and runs on.
#![forbid(unsafe_code)]

use plugin_sdk::{Error, Plugin, Setup, Showcase};

/// Describes itself; has no settings.
struct Describes {
    description: String,
}

impl Plugin for Describes {
    fn create(setup: &Setup<'_>) -> Result<Describes, Error> {
        if !setup.config().is_empty() {
            return Err(Error::invalid("describes has no settings; leave them out"));
        }
        let host = setup.host();
        let description = format!(
            "describes {} on {} with {} {}",
            env!("CARGO_PKG_VERSION"),
            host.arch(),
            host.libc(),
            host.libc_version(),
        );
        Ok(Describes { description })
    }
}

impl Showcase for Describes {
    fn describe(&self) -> Result<String, Error> {
        Ok(self.description.clone())
    }
}

plugin_sdk::export_plugin! { name: "describes", showcase: Describes }
