//! Middleware that lets in who knows a name and its password: HTTP's `Basic` scheme (RFC 7617).
#![forbid(unsafe_code)]

mod credentials;
mod gate;
mod hash;
mod htpasswd;
mod keyed;
mod remembered;
mod settings;
mod turns;
mod users;

use credentials::Credentials;
use gate::{Gate, Opinion};
use plugin_sdk::{Error, Flow, Level, Middleware, Plugin, Request, RequestEdit, Response, Setup};
use settings::Settings;

struct BasicAuth {
    gate: Gate,
    /// The value of `www-authenticate`.
    challenge: String,
    /// Whether the handler sees the password.
    pass_authorization: bool,
    /// The field, in lower case, in which the handler sees the name.
    user_header: Option<String>,
}

impl Plugin for BasicAuth {
    fn create(setup: &Setup<'_>) -> Result<BasicAuth, Error> {
        let settings: Settings = plugin_settings::read(setup)?;
        let (users, remarks) = settings.users()?;
        for remark in remarks {
            setup.log().log(Level::Warn, format_args!("{remark}"));
        }
        if users.is_empty() {
            setup.log().log(Level::Warn, format_args!("no users are set: nobody is let in"));
        }
        Ok(BasicAuth {
            challenge: settings.challenge()?,
            user_header: settings.user_header()?,
            pass_authorization: settings.pass_authorization,
            gate: Gate::new(users, settings.memory()?, settings.turns()?)?,
        })
    }
}

impl Middleware for BasicAuth {
    type State = ();

    fn before(
        &self,
        request: &Request<'_>,
        edit: &mut RequestEdit<'_>,
        response: &mut Response<'_>,
    ) -> Result<Flow<()>, Error> {
        let given = request.headers().filter(|(name, _)| *name == b"authorization").map(|(_, value)| value);
        let credentials = Credentials::read(given);
        let opinion = match &credentials {
            Some(credentials) => self.gate.opinion(credentials)?,
            None => Opinion::Unknown,
        };
        match (opinion, credentials) {
            (Opinion::Known, Some(credentials)) => {
                self.dress(&credentials, edit)?;
                Ok(Flow::Continue(()))
            }
            (Opinion::Busy, _) => {
                response.set_status(503)?;
                response.add_header("retry-after", "1")?;
                response.send(TEXT, b"Too many logins at once\n")?;
                Ok(Flow::Answered)
            }
            _ => {
                response.set_status(401)?;
                response.add_header("www-authenticate", &self.challenge)?;
                response.send(TEXT, b"Name and password, please\n")?;
                Ok(Flow::Answered)
            }
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

impl BasicAuth {
    /// What whatever stands behind sees: the name if that is wanted, and never one that came from outside.
    fn dress(&self, credentials: &Credentials, edit: &mut RequestEdit<'_>) -> Result<(), Error> {
        if !self.pass_authorization {
            edit.remove_header("authorization")?;
        }
        match &self.user_header {
            Some(header) => edit.set_header(header, credentials.user()),
            None => Ok(()),
        }
    }
}

plugin_sdk::export_plugin! { name: "basic-auth", middleware: BasicAuth }
