//! What the archive offers now: `InRelease` and the `Packages` files that it vouches for. Only locks are made from it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::definition::{Definition, debian_arch};
use super::digest;
use super::http::Client;
use super::signature::{Unsigned, signed_text};

/// The text of the indexes that `definition` needs, by Debian architecture.
pub(super) fn download(
    client: &Client,
    mirror: &str,
    keyring: &Path,
    definition: &Definition,
    unsigned: Unsigned,
) -> Result<BTreeMap<String, String>> {
    let suite = format!("{mirror}/dists/{}", definition.suite);
    let release = client.bytes(&format!("{suite}/InRelease"))?;
    let release = signed_text(release, keyring, &definition.suite, unsigned)?;
    let sums = sha256_sums(&release);
    let mut texts = BTreeMap::new();
    for arch in architectures(definition) {
        let mut text = String::new();
        for component in &definition.components {
            let name = format!("{component}/binary-{arch}/Packages.xz");
            let address = format!("{suite}/{name}");
            let Some(&wanted) = sums.get(name.as_str()) else {
                bail!("{suite}/InRelease does not vouch for {name}; check --mirror and the suite's name");
            };
            let compressed = client.bytes(&address)?;
            let got = digest::of_bytes(&compressed);
            if got != wanted {
                bail!(
                    "{address} has SHA-256 {got}, InRelease says {wanted}; the mirror is being updated, try again"
                );
            }
            liblzma::read::XzDecoder::new(compressed.as_slice())
                .read_to_string(&mut text)
                .with_context(|| format!("{address} is damaged"))?;
            text.push('\n');
        }
        texts.insert(arch, text);
    }
    Ok(texts)
}

/// The image's architecture and those that its packages name.
fn architectures(definition: &Definition) -> Vec<String> {
    let named = definition.packages.iter().chain(&definition.build_only);
    let foreign = named.filter_map(|package| package.split_once(':')).map(|(_, arch)| arch);
    let mut list: Vec<_> = foreign.chain([debian_arch(definition.arch)]).map(str::to_owned).collect();
    list.sort();
    list.dedup();
    list
}

/// The `SHA256:` section of a Release file: sums by path.
fn sha256_sums(release: &str) -> BTreeMap<&str, &str> {
    let section = release.lines().skip_while(|line| line.trim_end() != "SHA256:").skip(1);
    let entries = section.take_while(|line| line.starts_with(' '));
    let parsed = entries.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (sum, _size, path) = (words.next()?, words.next()?, words.next()?);
        Some((path, sum))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_come_from_the_sha256_section_alone() {
        let release =
            "Suite: stable\nMD5Sum:\n 00 1 main/a\nSHA256:\n aa  12 main/a\n bb 3 main/b\n-----BEGIN PGP\n";
        assert_eq!(sha256_sums(release), BTreeMap::from([("main/a", "aa"), ("main/b", "bb")]));
    }
}
