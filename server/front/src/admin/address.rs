//! Where the admin side is reached. Pure, except that it looks which folders are there.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Access, access};
use serde::Deserialize;

/// An address of the admin side, as an operator gives it with `--admin`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AdminAddress {
    /// A unix socket; the path contains a `/`.
    Unix(PathBuf),
    /// A port of this machine's loopback interface.
    Tcp(SocketAddr),
    /// There is none.
    Off,
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            "write the path of a unix socket with a `/` in it, an address like 127.0.0.1:9000, or off"
                .to_owned()
        })?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{address} can be reached from outside, and the admin side asks nobody who they are; \
                 use 127.0.0.1:{port}, [::1]:{port} or the path of a unix socket",
                port = address.port()
            ));
        }
        Ok(Self::Tcp(address))
    }
}

impl TryFrom<String> for AdminAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

/// The folders that a program runs in, from its environment.
#[derive(Clone, Debug, Default)]
pub struct RuntimeFolders {
    /// `RUNTIME_DIRECTORY`: made by systemd for a unit with that setting, several separated by colons. See systemd.exec(5).
    service: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: the user's own, mode 0700. See the XDG Base Directory Specification.
    user: Option<PathBuf>,
}

/// The folder of the system's own sockets.
const SYSTEM: &str = "/run";

impl RuntimeFolders {
    /// Those of this process.
    pub fn from_environment() -> Self {
        Self::new(std::env::var_os("RUNTIME_DIRECTORY"), std::env::var_os("XDG_RUNTIME_DIR"))
    }

    fn new(service: Option<OsString>, user: Option<OsString>) -> Self {
        let first = |list: OsString| std::env::split_paths(&list).next();
        // A relative path is to be ignored, says the specification of the second, and the first never has one.
        let absolute = |path: &PathBuf| path.is_absolute();
        Self {
            service: service.and_then(first).filter(absolute),
            user: user.map(PathBuf::from).filter(absolute),
        }
    }

    /// Where `program` on this port has its socket if nobody said where; `None` if there is no folder for it.
    pub fn socket(&self, program: &str, port: u16) -> Option<PathBuf> {
        let system = Path::new(SYSTEM);
        let system = access(system, Access::WRITE_OK | Access::EXEC_OK).is_ok().then_some(system);
        let folder = self.service.as_deref().or(self.user.as_deref()).or(system)?;
        Some(folder.join(file_name(program, port)))
    }

    /// Where the socket of `program` on this port may be, the likeliest first: this program may run in another environment
    /// than that one does, as an operator's shell beside a service.
    pub fn candidates(&self, program: &str, port: u16) -> Vec<PathBuf> {
        let service = Path::new(SYSTEM).join(program);
        let folders = [self.service.as_deref(), self.user.as_deref(), Some(SYSTEM.as_ref()), Some(&service)];
        folders.into_iter().flatten().map(|folder| folder.join(file_name(program, port))).collect()
    }
}

fn file_name(program: &str, port: u16) -> String {
    format!("{program}-{port}.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_loopback_or_off() {
        let cases = [
            ("off", Ok("off")),
            ("/run/a.sock", Ok("/run/a.sock")),
            ("./off", Ok("./off")),
            ("127.0.0.1:9000", Ok("127.0.0.1:9000")),
            ("127.8.9.1:1", Ok("127.8.9.1:1")),
            ("[::1]:0", Ok("[::1]:0")),
            ("0.0.0.0:9000", Err("use 127.0.0.1:9000")),
            ("192.0.2.1:9000", Err("can be reached from outside")),
            ("[::]:9000", Err("can be reached from outside")),
            ("localhost:9000", Err("an address like 127.0.0.1:9000")),
            ("admin.sock", Err("with a `/` in it")),
            ("9000", Err("an address like")),
            ("", Err("write the path")),
        ];
        for (text, expected) in cases {
            match (text.parse::<AdminAddress>(), expected) {
                (Ok(address), Ok(shown)) => assert_eq!(address.to_string(), shown),
                (Err(sentence), Err(part)) => assert!(sentence.contains(part), "{text}: {sentence}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_folder_of_the_service_comes_before_that_of_the_user() {
        let folders = |service: Option<&str>, user: Option<&str>| {
            RuntimeFolders::new(service.map(Into::into), user.map(Into::into))
        };
        let cases = [
            (folders(Some("/run/web:/run/other"), Some("/run/user/1")), "/run/web/web-80.sock"),
            (folders(None, Some("/run/user/1")), "/run/user/1/web-80.sock"),
            (folders(Some("relative"), Some("/run/user/1")), "/run/user/1/web-80.sock"),
        ];
        for (folders, expected) in cases {
            assert_eq!(folders.socket("web", 80), Some(expected.into()), "{folders:?}");
            assert_eq!(folders.candidates("web", 80)[0], Path::new(expected));
        }
        let alone = folders(None, Some("relative"));
        assert!(alone.socket("web", 80).is_none_or(|path| path == Path::new("/run/web-80.sock")));
        assert_eq!(
            alone.candidates("web", 80),
            [Path::new("/run/web-80.sock"), Path::new("/run/web/web-80.sock")]
        );
    }
}
