//! One definition file, several images: what they share is written once, what differs under `when`.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::definition::Definition;
use crate::lab::Host;

/// Expands a definition file. A file with `each = "lab.hosts"` gives one image for every host of lab.toml, in which
/// `{suite}`, `{arch}` and `{libc}` of the name are replaced and the tables `when.AXIS.VALUE` that apply are merged in.
pub(super) fn parse(text: &str, hosts: &[Host]) -> Result<Vec<Definition>> {
    let mut common: Table = text.parse()?;
    let Some(each) = common.remove("each") else {
        return Ok(vec![Value::Table(common).try_into()?]);
    };
    if each.as_str() != Some("lab.hosts") {
        bail!("`each` is {each}, and can only be \"lab.hosts\"");
    }
    let when = match common.remove("when") {
        Some(Value::Table(when)) => when,
        Some(other) => bail!("`when` is {other}, and must be tables `when.AXIS.VALUE`"),
        None => Table::new(),
    };
    if let Some(axis) = when.keys().find(|axis| !["suite", "arch", "libc"].contains(&axis.as_str())) {
        bail!("`when.{axis}` is unknown; there are when.suite, when.arch and when.libc");
    }
    hosts.iter().map(|host| member(&common, &when, host)).collect()
}

fn member(common: &Table, when: &Table, host: &Host) -> Result<Definition> {
    let suite = host.name.split('-').next().unwrap_or_default();
    let axes =
        [("suite", suite.to_owned()), ("arch", host.arch.to_string()), ("libc", host.libc.to_string())];
    let mut table = common.clone();
    for (axis, value) in &axes {
        let part = when.get(*axis).and_then(|values| values.get(value));
        if let Some(Value::Table(part)) = part {
            merge(&mut table, part);
        }
        table.insert((*axis).to_owned(), Value::String(value.clone()));
    }
    let name = table.get("name").and_then(Value::as_str).context("a family needs a `name`")?;
    let name =
        axes.iter().fold(name.to_owned(), |name, (axis, value)| name.replace(&format!("{{{axis}}}"), value));
    table.insert("name".to_owned(), Value::String(name));
    Ok(Value::Table(table).try_into()?)
}

/// Lists are joined, tables merged, anything else replaced.
fn merge(into: &mut Table, from: &Table) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (Some(Value::Array(into)), Value::Array(from)) => into.extend(from.iter().cloned()),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Arch, Libc};

    fn host(name: &str, arch: Arch, libc: Libc) -> Host {
        Host { name: name.to_owned(), arch, libc }
    }

    #[test]
    fn a_family_is_expanded_over_the_hosts() {
        let text = r#"
            each = "lab.hosts"
            name = "{suite}-{arch}-{libc}"
            packages = ["base"]
            [when.libc.musl]
            packages = ["musl"]
            [when.suite.trixie.links]
            lib = "usr/lib"
        "#;
        let hosts = [
            host("bullseye-aarch64-musl", Arch::Aarch64, Libc::Musl),
            host("trixie-x86_64-gnu", Arch::X86_64, Libc::Gnu),
        ];
        let images = parse(text, &hosts).unwrap();
        assert_eq!(images[0].name, "bullseye-aarch64-musl");
        assert_eq!(images[0].suite, "bullseye");
        assert_eq!(images[0].packages, ["base", "musl"]);
        assert!(images[0].links.is_empty());
        assert_eq!(images[1].name, "trixie-x86_64-gnu");
        assert_eq!(images[1].packages, ["base"]);
        assert_eq!(images[1].links["lib"], "usr/lib");
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let text = "name = \"a\"\nsuite = \"trixie\"\narch = \"x86_64\"\npakcages = []\n";
        let error = format!("{:#}", parse(text, &[]).unwrap_err());
        assert!(error.contains("pakcages"), "{error}");
    }

    #[test]
    fn an_unknown_axis_is_named() {
        let text = "each = \"lab.hosts\"\nname = \"a\"\n[when.arhc.x86_64]\n";
        let error = parse(text, &[]).unwrap_err().to_string();
        assert!(error.contains("when.arhc"), "{error}");
    }
}
