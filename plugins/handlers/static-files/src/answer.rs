//! Writes responses. The only place that reads a file's content, and only the parts that are sent.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::FileExt;

use plugin_sdk::{Error, Response};

use crate::ranges::Part;
use crate::target::encode;
use crate::validators::Validators;

/// A file and what is said about it.
pub(crate) struct Representation<'a> {
    pub(crate) file: &'a File,
    /// In bytes.
    pub(crate) length: u64,
    pub(crate) content_type: String,
    pub(crate) validators: &'a Validators,
    /// Empty for none.
    pub(crate) cache_control: &'a str,
    /// Most bytes of it in one response.
    pub(crate) largest: u64,
}

impl Representation<'_> {
    /// 200 with all of it; 403 if it is too large for one response.
    pub(crate) fn send_whole(&self, response: &mut Response<'_>) -> Result<(), Error> {
        if self.length > self.largest {
            response.set_status(403)?;
            response.add_header("accept-ranges", "bytes")?;
            let sentence = format!(
                "The file has {} bytes, and one response at most {}; ask for ranges.\n",
                self.length, self.largest
            );
            return response.send("text/plain", sentence.as_bytes());
        }
        self.add_fields(response)?;
        response.add_header("content-type", &self.content_type)?;
        match self.length.checked_sub(1) {
            Some(last) => self.write(Part { first: 0, last }, response),
            None => Ok(()),
        }
    }

    /// 206 with those parts of it, at least one (RFC 9110, section 15.3.7).
    pub(crate) fn send_parts(&self, parts: &[Part], response: &mut Response<'_>) -> Result<(), Error> {
        response.set_status(206)?;
        self.add_fields(response)?;
        if let [part] = parts {
            response.add_header("content-type", &self.content_type)?;
            response.add_header("content-range", self.content_range(*part))?;
            return self.write(*part, response);
        }
        let boundary = boundary();
        response.add_header("content-type", format!("multipart/byteranges; boundary={boundary}"))?;
        for part in parts {
            let head = format!(
                "\r\n--{boundary}\r\ncontent-type: {}\r\ncontent-range: {}\r\n\r\n",
                self.content_type,
                self.content_range(*part)
            );
            response.write(head.as_bytes())?;
            self.write(*part, response)?;
        }
        response.write(format!("\r\n--{boundary}--\r\n").as_bytes())
    }

    /// 304: validators and what tells how long they may be kept (section 15.4.5).
    pub(crate) fn send_not_modified(&self, response: &mut Response<'_>) -> Result<(), Error> {
        response.set_status(304)?;
        self.add_fields(response)
    }

    /// 412.
    pub(crate) fn send_precondition_failed(&self, response: &mut Response<'_>) -> Result<(), Error> {
        error(response, 412)
    }

    /// 416 with the length, from which the client can tell what it may ask for (section 15.5.17).
    pub(crate) fn send_unsatisfiable(&self, response: &mut Response<'_>) -> Result<(), Error> {
        response.add_header("content-range", format!("bytes */{}", self.length))?;
        error(response, 416)
    }

    fn add_fields(&self, response: &mut Response<'_>) -> Result<(), Error> {
        response.add_header("etag", self.validators.etag())?;
        if let Some(date) = self.validators.last_modified() {
            response.add_header("last-modified", date)?;
        }
        if !self.cache_control.is_empty() {
            response.add_header("cache-control", self.cache_control)?;
        }
        response.add_header("accept-ranges", "bytes")?;
        // What a file is, is what its name says, whatever its first bytes look like.
        response.add_header("x-content-type-options", "nosniff")
    }

    fn content_range(&self, part: Part) -> String {
        format!("bytes {}-{}/{}", part.first, part.last, self.length)
    }

    fn write(&self, part: Part, response: &mut Response<'_>) -> Result<(), Error> {
        let (mut at, mut left) = (part.first, part.length());
        let mut buffer = vec![0; room(left)];
        while left > 0 {
            let room = room(left);
            match self.file.read_at(&mut buffer[..room], at) {
                Ok(0) => {
                    return Err(Error::unavailable(format!(
                        "a file of {} bytes was cut to {at} while it was read; replace files by renaming",
                        self.length
                    )));
                }
                Ok(count) => {
                    response.write(&buffer[..count])?;
                    at += count as u64;
                    left -= count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// How much is read at once of what is left, in bytes.
fn room(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(64 * 1024)
}

/// A short text that says what the status says.
pub(crate) fn error(response: &mut Response<'_>, status: u16) -> Result<(), Error> {
    let text = match status {
        400 => "Bad request: broken percent-encoding in the path.\n",
        403 => "Forbidden.\n",
        412 => "Precondition failed.\n",
        416 => "Range not satisfiable.\n",
        _ => "Not found.\n",
    };
    response.set_status(status)?;
    response.send("text/plain", text.as_bytes())
}

/// 301 to the same path with a slash behind it, from which relative links of an index lead where they should.
///
/// The target is relative, so that it holds behind a proxy with other paths. It begins with `./`, because a name may have
/// a colon in it, and what stands before one would be a scheme (RFC 3986, section 4.2).
pub(crate) fn redirect(response: &mut Response<'_>, name: &[u8], query: Option<&str>) -> Result<(), Error> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    response.set_status(301)?;
    response.add_header("location", format!("./{}/{query}", encode(name)))?;
    response.send("text/plain", b"Moved permanently.\n")
}

/// Separates parts. Random, so that nobody can write a file that has it (RFC 2046, section 5.1.1).
fn boundary() -> String {
    // Each state has keys of its own; hashing nothing gives 64 bits of them.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
