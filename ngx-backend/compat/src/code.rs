//! Reasons and their codes.

use std::fmt;

/// What kind of reason speaks against a module, the most fundamental first. The strings are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// What the dynamic loader says of any library.
    Loader(plugin_compat::Code),
    /// `nginx.symbol`: a symbol of nginx that this nginx does not have.
    Symbol,
    /// `nginx.no-modules`: the library lists no modules of nginx, or not as nginx reads them.
    NoModules,
    /// `nginx.version`: a module was built for another version of nginx.
    Version,
    /// `nginx.signature`: a module was built for an nginx that was configured otherwise.
    Signature,
    /// `nginx.duplicate`: nginx has a module of that name already.
    Duplicate,
}

/// One reason why a module does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason it is, for programs.
    pub code: Code,
    /// The same for people: both sides and the cure in one sentence.
    pub text: String,
}

impl Code {
    /// The stable string.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loader(code) => code.as_str(),
            Self::Symbol => "nginx.symbol",
            Self::NoModules => "nginx.no-modules",
            Self::Version => "nginx.version",
            Self::Signature => "nginx.signature",
            Self::Duplicate => "nginx.duplicate",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
