//! A folder, an instance that serves it, and requests to it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use plugin_host::{CreateError, HandlerInstance, HttpVersion, Request, RequestHeaders, Response};

/// A folder that is served under `/static/`.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) handler: HandlerInstance,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site::with("")
    }

    /// With further settings, as JSON without the braces.
    pub(crate) fn with(settings: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(folder.path().join("outside"), "secret").unwrap();
        let comma = if settings.is_empty() { "" } else { ", " };
        let settings = format!("{{\"folder\": \"{}\"{comma}{settings}}}", root.display());
        Site { folder, handler: create(&settings).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Asks for a path below the mount.
    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.get_at("/static/", &format!("/static/{path}"), headers)
    }

    pub(crate) fn get_at(&self, mount: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        Answer(self.handler.handle(&request(mount, path, headers)).unwrap())
    }

    /// The tag of a file once it is strong: waits until the file was left alone for long enough.
    pub(crate) fn strong_tag(&self, name: &str) -> String {
        let deadline = SystemTime::now() + Duration::from_secs(30);
        loop {
            let tag = self.get(name, &[]).field("etag").unwrap();
            if !tag.starts_with("W/") {
                return tag;
            }
            assert!(SystemTime::now() < deadline, "{name} never had a strong tag, last {tag}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub(crate) fn request<'a>(mount: &'a str, path: &'a str, headers: &'a [(&str, &str)]) -> Request<'a> {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    Request {
        method: "GET",
        path,
        query,
        mount: Some(mount),
        version: HttpVersion::Http11,
        peer: None,
        headers: RequestHeaders::from_iter(headers.iter().map(|(name, value)| (*name, value.as_bytes()))),
        body: &[],
    }
}

pub(crate) fn create(settings: &str) -> Result<HandlerInstance, CreateError> {
    plugin_testing::handler(&static_files_handler::PLUGIN, settings)
}

/// A response, easy to look at.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Response);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        plugin_testing::only(&self.0, name).map(str::to_owned)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.0.body
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0.body).unwrap()
    }
}
