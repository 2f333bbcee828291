//! Makes a connection, and says in the operator's words why there is none.

use crate::address::Address;
use crate::target::{Credentials, Target};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, ServerError, Value};
use rustls::pki_types::ServerName;
use std::error::Error;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A connection that Redis has let in.
pub struct Connected {
    /// Sends commands.
    pub connection: MultiplexedConnection,
    /// Moves the bytes; it ends when the connection does.
    pub driver: Driver,
}

/// A task that ends with its owner.
pub struct Driver(JoinHandle<()>);

/// Why there is no connection: a sentence with the address and, where one is known, the cure; never the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there, or not as Redis does.
    #[error("{0}")]
    Away(String),
    /// Redis answers, and does not let in.
    #[error("{0}")]
    Refused(String),
}

impl Driver {
    /// Returns when the connection has ended.
    pub async fn ended(&mut self) {
        // A panic of the task is an end, too.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects and is let in. Inside a runtime of tokio with its clock and its input and output.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(target: &Target) -> Result<Connected, ConnectError> {
    let patience = target.connect_timeout;
    match timeout(patience, connect_and_enter(target)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            Err(ConnectError::Away(format!("no answer from Redis at {} within {patience:?}", target.address)))
        }
    }
}

async fn connect_and_enter(target: &Target) -> Result<Connected, ConnectError> {
    let stream = open(target).await.map_err(|error| cannot_reach(target, &error))?;
    // No credentials and no database: we ask for these ourselves, and so see what Redis says about them.
    let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
    // Time-outs are ours, too.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut connection, driver) = MultiplexedConnection::new_with_config(&nobody, stream, config)
        .await
        .map_err(|error| cannot_reach(target, &error))?;
    let driver = Driver(tokio::spawn(driver));
    enter(&mut connection, target).await?;
    Ok(Connected { connection, driver })
}

async fn open(target: &Target) -> io::Result<Box<dyn Stream>> {
    match &target.address {
        Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp { host, port } => Ok(Box::new(open_tcp(host, *port).await?)),
        Address::Tls { host, port } => {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let config =
                target.tls.clone().ok_or_else(|| io::Error::other("no certificates are configured"))?;
            let stream = open_tcp(host, *port).await?;
            Ok(Box::new(TlsConnector::from(config).connect(name, stream).await?))
        }
    }
}

async fn open_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What is said on entering, and what a refusal of it means.
async fn enter(connection: &mut MultiplexedConnection, target: &Target) -> Result<(), ConnectError> {
    let mut pipeline = Pipeline::new();
    let Credentials { username, password } = &target.credentials;
    match (username, password) {
        (Some(username), Some(password)) => drop(pipeline.cmd("AUTH").arg(username).arg(password)),
        (None, Some(password)) => drop(pipeline.cmd("AUTH").arg(password)),
        (_, None) => {}
    }
    if target.database != 0 {
        pipeline.cmd("SELECT").arg(target.database);
    }
    pipeline.cmd("PING");
    let count = pipeline.len();
    let answers = connection
        .send_packed_commands(&pipeline, 0, count)
        .await
        .map_err(|error| cannot_reach(target, &error))?;
    match answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => refusal(target, error),
        _ => None,
    }) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// What the operator should know of a refusal; `None` if it does not matter.
fn refusal(target: &Target, error: &ServerError) -> Option<ConnectError> {
    let (address, details) = (&target.address, error.details().unwrap_or_default());
    let (database, names) = (target.database, &target.names);
    let sentence = match error.code() {
        // Whoever may not PING may still read and write.
        "NOPERM" => return None,
        // It will by itself: its data is being read, or its own master cannot be reached.
        code @ ("LOADING" | "MASTERDOWN") => {
            return Some(ConnectError::Away(format!("Redis at {address} answers {code} {details}")))
        }
        "NOAUTH" => format!("Redis at {address} wants a password and none is set; set {}", names.password),
        "WRONGPASS" => format!("Redis at {address} refuses the password; check {}", names.login),
        "ERR" if details.contains("without any password configured") => format!(
            "Redis at {address} has no password and one is set; remove {}, or set {}",
            names.password, names.username
        ),
        "ERR" if details.contains("DB index") => format!(
            "Redis at {address} has no database {database}; set {} below its number of databases",
            names.database
        ),
        code => format!("Redis at {address} answers {code} {details}"),
    };
    Some(ConnectError::Refused(sentence))
}

fn cannot_reach(target: &Target, error: &dyn Error) -> ConnectError {
    ConnectError::Away(format!("cannot reach Redis at {}: {error}", target.address))
}
