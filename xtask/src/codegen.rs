//! Files that are generated from sources: written anew, or checked for staleness.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::atomic;
use crate::build;
use crate::error::Stop;
use crate::paths;

/// The modules of plugin-abi in the order in which the header shows them: what is used comes before its user.
const MODULES: [&str; 15] = [
    "version",
    "kind",
    "status",
    "view",
    "note",
    "address",
    "host_info",
    "create",
    "descriptor",
    "http",
    "handler",
    "middleware",
    "cache",
    "resolver",
    "showcase",
];

/// Writes every generated file; with `check`, writes nothing and fails if one differs from what would be written.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = paths::repository()?;
    let header = c_header(&root.join("plugins/abi"))?;
    settle(&root, "plugins/abi/include/dynlab_plugin.h", &header, check)?;
    settle(&root, "Cross.toml", &build::cross::describe(&root)?, check)
}

fn settle(root: &Path, path: &str, content: &str, check: bool) -> Result<()> {
    let file = root.join(path);
    let fresh = fs::read_to_string(&file).is_ok_and(|present| present == content);
    if fresh {
        return Ok(());
    }
    if check {
        let sentence =
            format!("{path} is not what its sources generate; run `cargo xtask codegen` and commit it");
        return Err(Stop::Disagreement(sentence).into());
    }
    atomic::write(&file, content.as_bytes())
}

/// The C header of the contract, from the sources of the crate in `folder`.
fn c_header(folder: &Path) -> Result<String> {
    let config = folder.join("cbindgen.toml");
    let config =
        cbindgen::Config::from_file(&config).map_err(|error| anyhow!("{}: {error}", config.display()))?;
    let sources = MODULES.map(|module| folder.join("src").join(module).with_extension("rs"));
    let bindings = sources
        .iter()
        .fold(cbindgen::Builder::new().with_config(config), cbindgen::Builder::with_src)
        .generate()
        .with_context(|| format!("cannot read the contract in {}", folder.display()))?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = String::from_utf8(header).context("the header is not UTF-8")?;
    Ok(in_c_words(&header))
}

/// What cbindgen leaves in Rust's way of writing: constants become `DYNLAB_NAME`, links in comments become their text.
fn in_c_words(header: &str) -> String {
    let mut result = String::with_capacity(header.len());
    let mut rest = header;
    while let Some(at) = rest.find(['D', '[']) {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((text, length)) = constant(rest).or_else(|| link(rest)) {
            result.push_str(&text);
            rest = &rest[length..];
        } else {
            result.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    result + rest
}

/// `DynlabABI_MAJOR` or `DynlabStatus_TIMED_OUT` at the start of `text`, as C would name it, and its length here.
fn constant(text: &str) -> Option<(String, usize)> {
    let length = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let name = text[..length].strip_prefix("Dynlab")?;
    let (scope, name) = name.strip_prefix("Status_").map_or(("", name), |rest| ("STATUS_", rest));
    let shouted = name.len() > 1 && !name.contains(|c: char| c.is_ascii_lowercase());
    shouted.then(|| (format!("DYNLAB_{scope}{name}"), length))
}

/// A link of a doc comment at the start of `text`, as its text alone, and its length here.
fn link(text: &str) -> Option<(String, usize)> {
    let end = text.starts_with("[`").then(|| text.find("`]"))??;
    let words = match text[2..end].strip_prefix("Status::") {
        Some(status) => format!("DYNLAB_STATUS_{status}"),
        None => text[2..end].replace("::", "."),
    };
    let mut length = end + 2;
    if text[length..].starts_with('(') {
        length += text[length..].find(')')? + 1;
    }
    Some((format!("`{words}`"), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_words_become_c_words() {
        let cases = [
            ("#define DynlabABI_MAJOR 1", "#define DYNLAB_ABI_MAJOR 1"),
            ("#define DynlabStatus_TIMED_OUT -7", "#define DYNLAB_STATUS_TIMED_OUT -7"),
            ("DynlabText path; DynlabStatus", "DynlabText path; DynlabStatus"),
            ("see [`Text`] and [`Kind`](crate::Kind).", "see `Text` and `Kind`."),
            ("[`Request::mount`]", "`Request.mount`"),
            ("[`Status::OK`](crate::Status::OK)", "`DYNLAB_STATUS_OK`"),
            ("uint8_t name[64];", "uint8_t name[64];"),
        ];
        for (rust, c) in cases {
            assert_eq!(in_c_words(rust), c);
        }
    }

    #[test]
    fn what_is_committed_is_fresh() {
        run(true).unwrap();
    }
}
