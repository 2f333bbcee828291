//! Reasons about symbols: versions that libraries lack and names that nobody provides.

use std::collections::BTreeSet;

use super::listing::{shown, some_of, symbols};
use super::musl_names::plain_name;
use crate::host::{LoadedObject, Resolution};
use crate::{
    Code, ElfFacts, Export, HostFacts, HostLibc, Import, LibcFamily, Reason, RequiredVersion, SymbolKind,
};

/// A version that a library in the process must define and does not.
pub(super) struct MissingVersion<'a> {
    required: &'a RequiredVersion,
    requester: &'a str,
    provider: &'a ElfFacts,
    needed_for: Vec<&'a str>,
}

/// What glibc's loader checks before it looks at a single symbol (elf/dl-version.c): every version a file requires of
/// a library must be defined there, used or not, unless it is marked weak or the library has no versions at all.
/// musl's loader checks no versions.
pub(super) fn missing_versions<'a>(resolution: &Resolution<'a>, host: &HostFacts) -> Vec<MissingVersion<'a>> {
    if host.libc_family() != Some(LibcFamily::Glibc) {
        return Vec::new();
    }
    let mut missing = Vec::new();
    for object in &resolution.local {
        for required in &object.facts.required_versions {
            let Some(provider) = resolution.named(&required.library, host) else { continue };
            let defined = &provider.facts.defined_versions;
            if required.weak || defined.is_empty() || defined.contains(&required.version) {
                continue;
            }
            missing.push(MissingVersion {
                required,
                requester: object.name,
                provider: provider.facts,
                needed_for: object.facts.symbols_needing(required).collect(),
            });
        }
    }
    missing
}

impl MissingVersion<'_> {
    pub(super) fn reason(&self, host: &HostFacts) -> Reason {
        let (requester, name) = (self.requester, &host.name);
        let (library, version) = (shown(&self.required.library), shown(&self.required.version));
        let needed_for = match self.needed_for.len() {
            0 => String::new(),
            count => format!(" ({} {})", symbols(count), some_of(self.needed_for.iter().copied())),
        };
        let newest =
            self.provider.defined_versions.last().map_or("no version".into(), |newest| shown(newest));
        if !version.starts_with("GLIBC_") {
            let text = format!(
                "{requester} needs {version} of {library}{needed_for}, host {name} has that library with {newest}; \
                 install the version it was linked with, or link with the host's"
            );
            return Reason::new(Code::LibrarySymbolVersion, text);
        }
        let text = match host.libc.as_ref().and_then(|libc| libc.version) {
            Some(has) => format!(
                "{requester} needs {version} of {library}{needed_for}, host {name} has {has}; build with a glibc \
                 floor of {has} or lower"
            ),
            None => format!(
                "{requester} needs {version} of {library}{needed_for}, host {name} has {newest}; build with the \
                 host's glibc as floor"
            ),
        };
        Reason::new(Code::LibcSymbolVersion, text)
    }
}

/// Symbols that relocations ask for and nobody in the process provides, as RTLD_NOW finds out.
pub(super) fn undefined(
    resolution: &Resolution<'_>,
    host: &HostFacts,
    missing_versions: &[MissingVersion<'_>],
) -> Vec<Reason> {
    let explained: BTreeSet<(&str, &str)> = missing_versions
        .iter()
        .map(|missing| (&*missing.required.library, &*missing.required.version))
        .collect();
    let is_explained = |import: &Import| match (&import.library, &import.version) {
        (Some(library), Some(version)) => explained.contains(&(&**library, &**version)),
        _ => false,
    };
    let mut reasons = Vec::new();
    for object in &resolution.local {
        let is_unprovided = |import: &&Import| {
            !import.weak && !is_explained(import) && provider(import, resolution, host).is_none()
        };
        let unprovided: Vec<&Import> = object.facts.imports.iter().filter(is_unprovided).collect();
        if unprovided.is_empty() {
            continue;
        }
        let count = unprovided.len();
        let text = format!(
            "{} needs the {} {}, which neither the program of {} nor a needed library defines; link the library \
             that defines {}",
            object.name,
            symbols(count),
            some_of(unprovided.into_iter().map(with_version)),
            host.name,
            if count == 1 { "it" } else { "them" },
        );
        reasons.push(Reason::new(Code::SymbolUndefined, text));
    }
    reasons
}

fn with_version(import: &Import) -> String {
    match &import.version {
        Some(version) => format!("{}@{}", shown(&import.name), shown(version)),
        None => shown(&import.name).into_owned(),
    }
}

/// The first object in the order of search that a reference binds to.
pub(super) fn provider<'a, 'b>(
    import: &Import,
    resolution: &'b Resolution<'a>,
    host: &HostFacts,
) -> Option<&'b LoadedObject<'a>> {
    let Some(libc) = host.libc.as_ref().filter(|libc| libc.family == LibcFamily::Musl) else {
        let mut objects = resolution.global.iter().chain(&resolution.local);
        return objects.find(|object| {
            object.facts.exports_named(&import.name).any(|export| glibc_binds(import, export, object))
        });
    };
    musl_provider(&import.name, resolution, libc)
}

fn musl_provider<'a, 'b>(
    name: &str,
    resolution: &'b Resolution<'a>,
    libc: &HostLibc,
) -> Option<&'b LoadedObject<'a>> {
    let defines = |name: &str| {
        let mut objects = resolution.global.iter().chain(&resolution.local);
        objects.find(|object| object.facts.exports_named(name).any(musl_binds))
    };
    defines(name).or_else(|| plain_name(libc, name).and_then(defines))
}

/// Symbols of an object's own that its relocations ask for and that musl does not find, since it looks at no versions and steps over what is hidden behind
/// one.
pub(super) fn hidden(resolution: &Resolution<'_>, host: &HostFacts) -> Vec<Reason> {
    let Some(libc) = host.libc.as_ref().filter(|libc| libc.family == LibcFamily::Musl) else {
        return Vec::new();
    };
    let of_object = |object: &LoadedObject<'_>| {
        let is_lost = |name: &&str| musl_provider(name, resolution, libc).is_none();
        let lost: Vec<&str> =
            object.facts.hidden_references.iter().map(|name| &**name).filter(is_lost).collect();
        (!lost.is_empty()).then(|| {
            let text = format!(
                "{} refers to its own {} {} by a version that is not the default one, and {} of host {} steps over such; \
                 bind it when linking (-Bsymbolic), or make it the default version",
                object.name,
                symbols(lost.len()),
                some_of(lost.iter().copied()),
                host.libc_name(),
                host.name,
            );
            Reason::new(Code::SymbolUndefined, text)
        })
    };
    resolution.local.iter().filter_map(of_object).collect()
}

/// musl compares names only; it steps over definitions that are hidden behind their version and over kinds it does
/// not know (ldso/dynlink.c, `find_sym`).
fn musl_binds(export: &Export) -> bool {
    !export.hidden && export.kind != SymbolKind::IndirectFunction
}

/// The rules of `check_match` in glibc's elf/dl-lookup.c.
fn glibc_binds(import: &Import, export: &Export, object: &LoadedObject<'_>) -> bool {
    let oldest = object.facts.defined_versions.first();
    match (&import.version, &export.version) {
        (Some(wanted), Some(defined)) => wanted == defined,
        (_, None) => !export.hidden,
        // A reference without version means the default version or, from times without any, the oldest one.
        (None, Some(defined)) => !export.hidden || oldest == Some(defined),
    }
}
