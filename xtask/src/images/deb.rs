//! Reads the files out of a `.deb`. Its maintainer scripts are never looked at.
//!
//! Source: deb(5). A `.deb` is an `ar` archive with the members `debian-binary`, `control.tar.*` and `data.tar.*`.

use std::io::{self, Read};

use anyhow::{Context, Result, bail};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

/// The uncompressed `data.tar` of a `.deb`.
pub(super) fn data_tar<'a>(mut deb: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut magic = [0; MAGIC.len()];
    deb.read_exact(&mut magic).context("it is shorter than an ar archive's magic")?;
    if magic != MAGIC {
        bail!("it is not an ar archive");
    }
    loop {
        let mut header = [0; HEADER];
        deb.read_exact(&mut header).context("it ends before its data.tar")?;
        let member = parse_header(&header)?;
        match member.name.as_str() {
            "data.tar" => return Ok(Box::new(deb.take(member.size))),
            "data.tar.xz" => return Ok(Box::new(liblzma::read::XzDecoder::new(deb.take(member.size)))),
            "data.tar.gz" => return Ok(Box::new(flate2::read::GzDecoder::new(deb.take(member.size)))),
            "data.tar.zst" => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(deb.take(member.size))?;
                return Ok(Box::new(decoder));
            }
            name if name.starts_with("data.tar") => bail!("its {name} is compressed in an unknown way"),
            _ => {
                // Members begin at even offsets.
                let padded = member.size + member.size % 2;
                let skipped = io::copy(&mut (&mut deb).take(padded), &mut io::sink())?;
                if skipped != padded {
                    bail!("it ends before its data.tar");
                }
            }
        }
    }
}

struct Member {
    name: String,
    size: u64,
}

fn parse_header(header: &[u8; HEADER]) -> Result<Member> {
    let text = std::str::from_utf8(header).context("an ar header is not text")?;
    if !text.ends_with("`\n") || !text.is_ascii() {
        bail!("an ar header has no end mark");
    }
    let size = text[48..58].trim();
    Ok(Member {
        name: text[..16].trim().trim_end_matches('/').to_owned(),
        size: size.parse().with_context(|| format!("an ar member's size is {size:?}"))?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A `.deb` with that `data.tar`, compressed as the member's name says.
    pub(in super::super) fn deb_of(name: &str, data: &[u8]) -> Vec<u8> {
        let mut deb = MAGIC.to_vec();
        for (name, content) in [("debian-binary", b"2.0\n".as_slice()), ("control.tar", b"odd"), (name, data)]
        {
            deb.extend(format!("{name:<16}{:<32}{:<10}`\n", "0", content.len()).into_bytes());
            deb.extend(content);
            if content.len() % 2 == 1 {
                deb.push(b'\n');
            }
        }
        deb
    }

    fn read(deb: &[u8]) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        data_tar(deb)?.read_to_end(&mut data)?;
        Ok(data)
    }

    #[test]
    fn every_compression() {
        let data = b"tar".repeat(1000);
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(data.as_slice(), 1).read_to_end(&mut xz).unwrap();
        let mut gz = Vec::new();
        flate2::read::GzEncoder::new(data.as_slice(), flate2::Compression::fast())
            .read_to_end(&mut gz)
            .unwrap();
        let zst =
            ruzstd::encoding::compress_to_vec(data.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
        let cases =
            [("data.tar", data.clone()), ("data.tar.xz", xz), ("data.tar.gz", gz), ("data.tar.zst", zst)];
        for (name, compressed) in cases {
            assert_eq!(read(&deb_of(name, &compressed)).unwrap(), data, "{name}");
        }
    }

    #[test]
    fn what_is_not_a_deb_is_refused() {
        let whole = deb_of("data.tar.lzma", b"x");
        let cases: [(&[u8], &str); 4] = [
            (b"PK", "shorter"),
            (b"not an archive at all", "not an ar archive"),
            (&whole[..80], "ends before"),
            (&whole, "unknown way"),
        ];
        for (bytes, expected) in cases {
            let error = format!("{:#}", read(bytes).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
