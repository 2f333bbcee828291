//! The judgement: a module, the modules of an nginx, and that nginx with the libraries around it in, reasons out.

use plugin_compat::{ElfError, ElfFacts, HostFacts, Policy};

use crate::code::{Code, Reason};
use crate::listing::{Listed, Listing, ListingError};
use crate::signature;

/// A file that nginx is told to load.
#[derive(Debug, Clone)]
pub struct Module {
    /// What the dynamic loader reads.
    pub elf: ElfFacts,
    /// What nginx reads.
    pub listing: Result<Listing, ListingError>,
}

impl Module {
    /// Reads the facts.
    ///
    /// # Errors
    /// If the file is no ELF file, or is cut short or garbled; see [`judge_unreadable`].
    pub fn parse(file: &[u8]) -> Result<Self, ElfError> {
        Ok(Self { elf: ElfFacts::parse(file)?, listing: Listing::parse(file) })
    }
}

/// Every reason why `module` does not load in the nginx that lists `own` modules and is the program of `host`; none if it does.
/// The libraries that the module needs have been read into `host` ([`plugin_compat::HostReader::learn`]).
///
/// Reasons that would follow from a more fundamental one are left out. Whether the directives of a module make sense beside those of
/// others, and what its code does, no reader of bytes can foresee.
pub fn judge(module: &Module, own: &Listing, host: &HostFacts) -> Vec<Reason> {
    let (mut reasons, comparable) = of_the_loader(&module.elf, own, host);
    if comparable {
        reasons.extend(of_nginx(module, own, host));
    }
    // Stable: reasons of one code stay in the order of the file's list.
    reasons.sort_by_key(|reason| reason.code);
    reasons
}

/// The reasons why a file does not load that gives no facts.
pub fn judge_unreadable(error: &ElfError) -> Vec<Reason> {
    plugin_compat::judge_unreadable(error).reasons.into_iter().map(Reason::from).collect()
}

impl From<plugin_compat::Reason> for Reason {
    fn from(reason: plugin_compat::Reason) -> Self {
        Self { code: Code::Loader(reason.code), text: reason.text }
    }
}

/// What the loader says, and whether the file is one for this platform at all.
fn of_the_loader(elf: &ElfFacts, own: &Listing, host: &HostFacts) -> (Vec<Reason>, bool) {
    let is_absent = |name: &str| name.starts_with("ngx_") && !host.program.exports_symbol(name);
    // What only nginx could have is nginx's reason; every other symbol is the loader's.
    let absent = elf.imports.iter().filter(|import| !import.weak && is_absent(&import.name));
    let absent: Vec<&str> = absent.map(|import| &*import.name).collect();
    let mut others = elf.clone();
    others.imports.retain(|import| !is_absent(&import.name));
    let verdict = plugin_compat::judge(&others, host, &Policy::loader_only());
    // Up to the C library's family: what tells that nothing else is worth comparing.
    let comparable = verdict.first().is_none_or(|reason| reason.code > plugin_compat::Code::LibcFamily);
    let mut reasons: Vec<Reason> = verdict.reasons.into_iter().map(Reason::from).collect();
    if comparable && let Some(first) = absent.first() {
        let text = format!(
            "it needs {first}{}, which nginx {} of {} does not have; build it for that nginx, with the modules that it has",
            match absent.len() {
                1 => String::new(),
                count => format!(" and {} more symbols", count - 1),
            },
            version_of(own),
            host.name,
        );
        reasons.push(Reason { code: Code::Symbol, text });
    }
    (reasons, comparable)
}

/// What nginx says once the library is loaded.
fn of_nginx(module: &Module, own: &Listing, host: &HostFacts) -> Vec<Reason> {
    let Listing { modules } = match &module.listing {
        Ok(listing) => listing,
        Err(error) => {
            let text = format!(
                "it is no module for nginx: {error}; build it with `configure --add-dynamic-module`, or export `ngx_modules` and \
                 `ngx_module_names`"
            );
            return vec![Reason { code: Code::NoModules, text }];
        }
    };
    modules.iter().filter_map(|listed| of_module(listed, own, host)).collect()
}

/// In the order in which nginx looks, which goes no further than the first.
fn of_module(listed: &Listed, own: &Listing, host: &HostFacts) -> Option<Reason> {
    let nginx = own.modules.first()?;
    let (name, version, here) = (&listed.name, nginx.written_version(), &host.name);
    // Where nginx has a symbol of that name, the list leads to nginx's own module: the loader looks in the program first.
    let is_nginx_own = listed.symbol.as_ref().is_some_and(|symbol| host.program.exports_symbol(symbol));
    if listed.version != nginx.version && !is_nginx_own {
        let text = format!(
            "{name} is built for nginx {}, {here} has {version}; build it with the headers of {version}",
            listed.written_version()
        );
        return Some(Reason { code: Code::Version, text });
    }
    if listed.signature != nginx.signature && !is_nginx_own {
        let text = format!(
            "{name} is built for an nginx {version} that was configured otherwise than that of {here} ({}); build it with the flags \
             that `nginx -V` shows there",
            signature::difference(&listed.signature, &nginx.signature)
        );
        return Some(Reason { code: Code::Signature, text });
    }
    own.modules.iter().any(|one| one.name == *name).then(|| {
        let text = format!(
            "nginx {version} of {here} has {name} linked into it; leave the module out, or give it another name"
        );
        Reason { code: Code::Duplicate, text }
    })
}

fn version_of(own: &Listing) -> String {
    own.modules.first().map(Listed::written_version).unwrap_or_default()
}
