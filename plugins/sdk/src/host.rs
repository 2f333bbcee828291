//! Facts about the machine, checked.

use crate::Error;
use plugin_abi::view::array;
use plugin_abi::{sized, HostInfo, Label, Text};

/// Facts about the machine and the labels its operator gave it.
#[derive(Debug, Clone, Copy)]
pub struct HostFacts<'a> {
    info: &'a HostInfo,
    arch: &'a str,
    libc: &'a str,
    libc_version: &'a str,
    kernel: &'a str,
    cpu_features: &'a [Text],
    labels: &'a [Label],
}

impl<'a> HostFacts<'a> {
    /// # Safety
    /// If the pointer is not null, it leads to host facts that keep to the contract and stay unchanged during `'a`.
    pub(crate) unsafe fn read(info: *const HostInfo) -> Result<HostFacts<'a>, Error> {
        // SAFETY: the caller's promise.
        let info: &'a HostInfo =
            unsafe { sized::borrow_sized(info) }.map_err(|error| Error::size("host facts", error))?;
        let text = |what, text: Text| {
            // SAFETY: a view in host facts that keep to the contract.
            unsafe { text.as_str() }.map_err(|error| Error::view(what, error))
        };
        // SAFETY: an array in host facts that keep to the contract.
        let cpu_features = unsafe { array(info.cpu_features, info.cpu_feature_count) }
            .map_err(|error| Error::view("processor features", error))?;
        // SAFETY: as above.
        let labels =
            unsafe { array(info.labels, info.label_count) }.map_err(|error| Error::view("labels", error))?;
        for feature in cpu_features {
            text("a processor feature", *feature)?;
        }
        for label in labels {
            text("a label's key", label.key)?;
            text("a label's value", label.value)?;
        }
        Ok(HostFacts {
            info,
            arch: text("architecture", info.arch)?,
            libc: text("C library", info.libc)?,
            libc_version: text("version of the C library", info.libc_version)?,
            kernel: text("kernel release", info.kernel)?,
            cpu_features,
            labels,
        })
    }

    /// Processor architecture as in target triples: `x86_64`, `aarch64`.
    pub fn arch(&self) -> &'a str {
        self.arch
    }

    /// Family of the C library: `gnu` or `musl`.
    pub fn libc(&self) -> &'a str {
        self.libc
    }

    /// Version of the C library: `2.36`, `1.2.5`.
    pub fn libc_version(&self) -> &'a str {
        self.libc_version
    }

    /// Release of the running kernel as `uname -r` prints it.
    pub fn kernel(&self) -> &'a str {
        self.kernel
    }

    /// Processor features under the names `/proc/cpuinfo` gives them.
    pub fn cpu_features(&self) -> impl Iterator<Item = &'a str> {
        self.cpu_features.iter().map(|feature| checked(*feature))
    }

    /// Processors this process may run on, at least 1.
    pub fn cores(&self) -> u32 {
        self.info.cores.max(1)
    }

    /// Physical memory in bytes, `None` if the host does not know.
    pub fn memory(&self) -> Option<u64> {
        Some(self.info.memory).filter(|bytes| *bytes > 0)
    }

    /// The value of the operator's label `key`.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.labels().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All labels of the operator.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.labels.iter().map(|label| (checked(label.key), checked(label.value)))
    }
}

/// A text that `HostFacts::read` has found to be good.
fn checked<'a>(text: Text) -> &'a str {
    // SAFETY: it keeps to the contract, as when it was checked.
    unsafe { text.as_str() }.unwrap_or_default()
}
