//! One definition file, several images: what they share is written once, what differs under `when`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::definition::Definition;
use crate::lab::Host;

/// Expands a definition file. `each = "lab.hosts"` gives one image for every host of lab.toml, with the axes suite, arch
/// and libc; a list of tables gives one image for each of them, with their keys as axes. An axis `{AXIS}` in the name is
/// replaced, the tables `when.AXIS.VALUE` that apply are merged in, and an axis that is a field of definitions is set.
pub(super) fn parse(text: &str, hosts: &[Host]) -> Result<Vec<Definition>> {
    let mut common: Table = text.parse()?;
    let members = match common.remove("each") {
        None => return Ok(vec![Value::Table(common).try_into()?]),
        Some(Value::String(each)) if each == "lab.hosts" => hosts.iter().map(axes_of_host).collect(),
        Some(each) => each.try_into::<Vec<Axes>>().context(
            "`each` can be \"lab.hosts\" or a list of tables, each with the same keys and texts as values",
        )?,
    };
    let when = match common.remove("when") {
        Some(Value::Table(when)) => when,
        Some(other) => bail!("`when` is {other}, and must be tables `when.AXIS.VALUE`"),
        None => Table::new(),
    };
    for axes in &members {
        if let Some(axis) = when.keys().find(|axis| !axes.contains_key(*axis)) {
            let known: Vec<String> = axes.keys().map(|axis| format!("when.{axis}")).collect();
            bail!("`when.{axis}` is unknown; there are {}", known.join(", "));
        }
    }
    members.iter().map(|axes| member(&common, &when, axes)).collect()
}

/// What tells the images of a family apart, by axis.
type Axes = BTreeMap<String, String>;

/// Axes that are fields of a definition. Any other serves names and conditions only.
const FIELDS: [&str; 3] = ["suite", "arch", "libc"];

fn axes_of_host(host: &Host) -> Axes {
    let suite = host.name.split('-').next().unwrap_or_default();
    let axes =
        [("suite", suite.to_owned()), ("arch", host.arch.to_string()), ("libc", host.libc.to_string())];
    axes.map(|(axis, value)| (axis.to_owned(), value)).into()
}

fn member(common: &Table, when: &Table, axes: &Axes) -> Result<Definition> {
    let mut table = common.clone();
    for (axis, value) in axes {
        let part = when.get(axis).and_then(|values| values.get(value));
        if let Some(Value::Table(part)) = part {
            merge(&mut table, part);
        }
        if FIELDS.contains(&axis.as_str()) {
            table.insert(axis.clone(), Value::String(value.clone()));
        }
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
    fn a_family_is_expanded_over_a_list() {
        let text = r#"
            each = [
                { nginx = "1.22", suite = "bookworm", arch = "x86_64" },
                { nginx = "1.26", suite = "trixie", arch = "aarch64" },
            ]
            name = "nginx-{nginx}-{arch}"
            packages = ["nginx"]
            [when.nginx."1.26"]
            packages = ["more"]
        "#;
        let images = parse(text, &[]).unwrap();
        assert_eq!((images[0].name.as_str(), images[0].suite.as_str()), ("nginx-1.22-x86_64", "bookworm"));
        assert_eq!((images[1].name.as_str(), images[1].arch), ("nginx-1.26-aarch64", Arch::Aarch64));
        assert_eq!(images[0].packages, ["nginx"]);
        assert_eq!(images[1].packages, ["nginx", "more"]);
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
        let hosts = [host("trixie-x86_64-gnu", Arch::X86_64, Libc::Gnu)];
        let error = parse(text, &hosts).unwrap_err().to_string();
        assert!(error.contains("when.arhc"), "{error}");
    }
}
