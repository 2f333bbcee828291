//! Handler that serves the files of one folder and nothing outside of it.
//!
//! A request goes through `target` (the path, decoded and checked), `beneath` (the file, opened without leaving the
//! folder), `conditions` and `ranges` (what the client has and wants, RFC 9110) and `answer`. All but `beneath`
//! and `answer` decide only, and touch no file.
#![forbid(unsafe_code)]

mod answer;
mod beneath;
mod conditions;
mod content_type;
mod ranges;
mod settings;
mod target;
mod validators;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use plugin_sdk::{Error, Handler, Method, Plugin, Request, Response, Setup};

use crate::answer::Representation;
use crate::beneath::{Failure, Found};
use crate::conditions::Precondition;
use crate::settings::Settings;
use crate::target::Target;
use crate::validators::Validators;

/// Serves the files of one folder.
struct StaticFiles {
    settings: Settings,
    /// Whether the folder could not be opened when it was last needed.
    folder_is_away: AtomicBool,
}

impl Plugin for StaticFiles {
    fn create(setup: &Setup<'_>) -> Result<StaticFiles, Error> {
        let settings: Settings = plugin_settings::read(setup)?;
        settings.check().map_err(Error::invalid)?;
        beneath::open_folder(&settings.folder).map_err(|error| {
            Error::invalid(format!(
                "`folder` is {:?}, which cannot be opened as a folder ({error}); make it, or name another",
                settings.folder
            ))
        })?;
        Ok(StaticFiles { settings, folder_is_away: AtomicBool::new(false) })
    }

    fn health(&self) -> Result<(), Error> {
        if self.folder_is_away.load(Ordering::Relaxed) {
            return Err(Error::unavailable(format!(
                "the folder {:?} could not be opened for the last request",
                self.settings.folder
            )));
        }
        Ok(())
    }
}

impl Handler for StaticFiles {
    const ROUTE: &'static str = "/static/";
    const METHODS: &'static [Method] = &[Method::GET];

    fn handle(&self, request: &Request<'_>, response: &mut Response<'_>) -> Result<(), Error> {
        let target = match Target::parse(request.path()?, request.mount()?, self.settings.dot_files) {
            Ok(target) => target,
            Err(wrong) => return answer::error(response, wrong.status()),
        };
        match self.find(&target)? {
            Answer::File(file, name) => self.send(&file, &name, request, response),
            Answer::FolderWithoutSlash(name) => answer::redirect(response, &name, request.query()?),
            Answer::Status(status) => answer::error(response, status),
        }
    }
}

/// What a target leads to.
enum Answer {
    /// A file and its name.
    File(File, Vec<u8>),
    /// A folder that was asked for as if it were a file.
    FolderWithoutSlash(Vec<u8>),
    /// Nothing that may be served.
    Status(u16),
}

impl StaticFiles {
    fn find(&self, target: &Target) -> Result<Answer, Error> {
        // Opened for each request, so that a folder that is a link may be pointed elsewhere while the server runs.
        let folder = beneath::open_folder(&self.settings.folder);
        self.folder_is_away.store(folder.is_err(), Ordering::Relaxed);
        let folder = folder.map_err(|error| {
            Error::unavailable(format!("the folder {:?} cannot be opened: {error}", self.settings.folder))
        })?;
        let mut path = target.segments.clone();
        if target.is_folder {
            if self.settings.index.is_empty() {
                return Ok(Answer::Status(404));
            }
            path.push(self.settings.index.clone().into_bytes());
        }
        match beneath::open_beneath(&folder, &path) {
            Ok(Found::File(file)) => Ok(Answer::File(file, path.pop().unwrap_or_default())),
            Ok(Found::Folder) if target.is_folder => Ok(Answer::Status(404)),
            Ok(Found::Folder) => Ok(Answer::FolderWithoutSlash(path.pop().unwrap_or_default())),
            Err(Failure::NotThere) => Ok(Answer::Status(404)),
            Err(Failure::NotAllowed) => Ok(Answer::Status(403)),
            Err(Failure::Broken(error)) => {
                let path = String::from_utf8_lossy(&path.join(&b'/')).into_owned();
                Err(Error::unavailable(format!("{path:?} below {:?}: {error}", self.settings.folder)))
            }
        }
    }

    fn send(
        &self,
        file: &File,
        name: &[u8],
        request: &Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Error> {
        let metadata = file.metadata()?;
        let now = SystemTime::now();
        let validators = Validators::of(&metadata, now);
        let representation = Representation {
            file,
            length: metadata.len(),
            content_type: content_type::of(name, &self.settings),
            validators: &validators,
            cache_control: &self.settings.cache_control,
            largest: self.settings.largest_response,
        };
        match conditions::evaluate(request, &validators) {
            Precondition::Failed => representation.send_precondition_failed(response),
            Precondition::NotModified => representation.send_not_modified(response),
            Precondition::Holds if conditions::range_applies(request, &validators) => {
                match ranges::select(request, metadata.len(), self.settings.largest_response) {
                    ranges::Selection::Whole => representation.send_whole(response),
                    ranges::Selection::Parts(parts) => representation.send_parts(&parts, response),
                    ranges::Selection::Unsatisfiable => representation.send_unsatisfiable(response),
                }
            }
            Precondition::Holds => representation.send_whole(response),
        }
    }
}

plugin_sdk::export_plugin! { name: "static-files", handler: StaticFiles }
