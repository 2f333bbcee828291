//! Asks the admin side of a server.

use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use http_front::admin::{AdminAddress, RuntimeFolders};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::Failure;
use super::flags::ServerFlags;
use crate::admin::PROGRAM;
use crate::workers::admin_path;

/// Knows where to ask.
pub(super) struct Client {
    address: Address,
    /// Which of several workers is asked, if there are several.
    pub(super) worker: Option<usize>,
    patience: Duration,
    runtime: Rc<Runtime>,
}

#[derive(Clone)]
enum Address {
    Given(AdminAddress),
    /// The first of these at which somebody listens.
    Guessed {
        candidates: Vec<PathBuf>,
        port: u16,
    },
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    /// Where from, for messages.
    pub(super) from: String,
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Client {
    /// One for each worker of the server, in their order; the only one of a server without workers.
    pub(super) fn all(flags: &ServerFlags) -> Result<Vec<Self>, Failure> {
        let address = match &flags.admin {
            Some(AdminAddress::Off) => {
                return Err(Failure::NotAsked("a server with --admin off cannot be asked".to_owned()));
            }
            Some(given) => Address::Given(given.clone()),
            None => {
                let candidates = RuntimeFolders::from_environment().candidates(PROGRAM, flags.port);
                Address::Guessed { candidates, port: flags.port }
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::NotAsked(format!("cannot start a runtime: {error}")))?;
        let alone = Self { address, worker: None, patience: flags.timeout.0, runtime: Rc::new(runtime) };
        let bases = match &alone.address {
            Address::Given(AdminAddress::Unix(path)) => std::slice::from_ref(path),
            Address::Given(_) => &[],
            Address::Guessed { candidates, .. } => candidates.as_slice(),
        };
        let workers = bases.iter().map(|base| workers(base)).find(|found| !found.is_empty());
        let clients = match (workers, flags.worker) {
            (Some(slots), None) => slots,
            (Some(slots), Some(wanted)) => {
                let there: Vec<_> = slots.iter().map(|(slot, _)| slot.to_string()).collect();
                let found: Vec<_> = slots.into_iter().filter(|(slot, _)| *slot == wanted).collect();
                if found.is_empty() {
                    let there = there.join(", ");
                    return Err(Failure::NotAsked(format!(
                        "there is no worker {wanted}; there are: {there}"
                    )));
                }
                found
            }
            (None, None) => return Ok(vec![alone]),
            (None, Some(_)) => {
                return Err(Failure::NotAsked(
                    "no server with several workers is there; leave --worker out, or name its --admin address with --admin"
                        .to_owned(),
                ));
            }
        };
        let client = |(slot, path)| Self {
            address: Address::Given(AdminAddress::Unix(path)),
            worker: Some(slot),
            patience: alone.patience,
            runtime: Rc::clone(&alone.runtime),
        };
        Ok(clients.into_iter().map(client).collect())
    }

    /// Asks once, on a connection of its own.
    pub(super) fn ask(&self, method: Method, target: &str) -> Result<Answer, Failure> {
        self.runtime.block_on(async {
            timeout(self.patience, self.connect_and_ask(method, target)).await.unwrap_or_else(|_| {
                Err(Failure::NotAsked(format!(
                    "no answer within {:?}; give it longer with --timeout, or look at the server's log",
                    self.patience
                )))
            })
        })
    }

    async fn connect_and_ask(&self, method: Method, target: &str) -> Result<Answer, Failure> {
        match &self.address {
            Address::Given(AdminAddress::Tcp(address)) => match TcpStream::connect(address).await {
                Ok(stream) => {
                    exchange(stream, &address.to_string(), &address.to_string(), method, target).await
                }
                Err(error) => Err(unreachable_at(&address.to_string(), &error)),
            },
            Address::Given(AdminAddress::Unix(path)) => match UnixStream::connect(path).await {
                Ok(stream) => exchange(stream, "localhost", &shown(path), method, target).await,
                Err(error) => Err(unreachable_at(&shown(path), &error)),
            },
            Address::Given(AdminAddress::Off) => Err(Failure::NotAsked("the admin side is off".to_owned())),
            Address::Guessed { candidates, port } => {
                let mut found = None;
                for path in candidates {
                    match UnixStream::connect(path).await {
                        Ok(stream) => {
                            return exchange(stream, "localhost", &shown(path), method, target).await;
                        }
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => found = found.or(Some(unreachable_at(&shown(path), &error))),
                    }
                }
                Err(found.unwrap_or_else(|| nowhere(candidates, *port)))
            }
        }
    }
}

/// The workers of the server whose admin sides are at `base`, and where each is. None if it is alone, or not there.
fn workers(base: &Path) -> Vec<(usize, PathBuf)> {
    let Some(name) = base.file_name().map(OsStr::to_string_lossy) else { return Vec::new() };
    let folder = base.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let Ok(listing) = std::fs::read_dir(folder) else { return Vec::new() };
    let slots = listing.flatten().filter_map(|entry| {
        let file = entry.file_name();
        let slot: usize = file.to_str()?.strip_prefix(&*name)?.strip_prefix('.')?.parse().ok()?;
        // One that was killed leaves its file behind.
        StdUnixStream::connect(entry.path()).is_ok().then(|| (slot, admin_path(base, slot)))
    });
    let mut slots: Vec<_> = slots.collect();
    slots.sort_unstable();
    slots
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// What is wrong at an address, and what to do.
fn unreachable_at(address: &str, error: &io::Error) -> Failure {
    let cure = match error.kind() {
        io::ErrorKind::NotFound => {
            "nothing is there; start the server, or name its --admin address with --admin"
        }
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there; start the server, or name its --admin address with --admin"
        }
        io::ErrorKind::PermissionDenied => "it belongs to another user; ask as that user or as root",
        _ => "name the server's --admin address with --admin",
    };
    Failure::NotAsked(format!("cannot reach a server at {address}: {error}; {cure}"))
}

fn nowhere(candidates: &[PathBuf], port: u16) -> Failure {
    let places: Vec<String> = candidates.iter().map(|path| shown(path)).collect();
    Failure::NotAsked(format!(
        "cannot find a server on port {port}: there is no {}; start it, say its port with --port, or name its --admin \
         address with --admin",
        places.join(" and no ")
    ))
}

/// One request and its answer.
async fn exchange<S>(
    stream: S,
    host: &str,
    from: &str,
    method: Method,
    target: &str,
) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| {
        Failure::NotAsked(format!(
            "the server at {from} did not answer: {error}; is it stopping? Its log may say why"
        ))
    };
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::NotAsked(format!("cannot ask for {target}: {error}")))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends with the connection; what is wrong with it, the answer says too.
    tokio::spawn(async { connection.await.unwrap_or_default() });
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    Ok(Answer { from: from.to_owned(), status, body: String::from_utf8_lossy(&body).into_owned() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn ask(admin: &str, patience: Duration) -> String {
        let flags = ServerFlags {
            admin: Some(admin.parse().unwrap()),
            port: 8080,
            worker: None,
            timeout: http_front::value::Span(patience),
        };
        match Client::all(&flags).and_then(|clients| clients[0].ask(Method::GET, "/live")) {
            Err(Failure::NotAsked(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_cannot_be_reached_is_named_with_the_cure() {
        let long = Duration::from_secs(60);
        assert!(ask("off", long).contains("--admin off"));
        let nothing = ask("/no/such.sock", long);
        assert!(nothing.contains("/no/such.sock") && nothing.contains("start the server"), "{nothing}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let silent = ask(path.to_str().unwrap(), Duration::from_millis(20));
        assert!(silent.contains("no answer within 20ms"), "{silent}");
        drop(listener);
        let dead = ask(path.to_str().unwrap(), long);
        assert!(dead.contains("nobody listens there"), "{dead}");
    }

    #[test]
    fn the_workers_that_are_there_are_found_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.sock");
        let bind = |name: &str| UnixListener::bind(folder.path().join(name)).unwrap();
        let _there = ["a.sock", "a.sock.10", "a.sock.9", "a.sock.new", "b.sock.1"].map(bind);
        drop(bind("a.sock.3"));
        assert_eq!(workers(&base), [(9, admin_path(&base, 9)), (10, admin_path(&base, 10))]);
        assert_eq!(workers(&folder.path().join("no.sock")), []);

        let of = |worker| {
            let admin = Some(AdminAddress::Unix(base.clone()));
            let timeout = http_front::value::Span(Duration::from_secs(60));
            Client::all(&ServerFlags { admin, port: 8080, worker, timeout })
        };
        let slots: Vec<_> = of(None).unwrap().iter().map(|client| client.worker).collect();
        assert_eq!(slots, [Some(9), Some(10)]);
        assert_eq!(of(Some(10)).unwrap().len(), 1);
        let Err(Failure::NotAsked(sentence)) = of(Some(1)) else { panic!() };
        assert_eq!(sentence, "there is no worker 1; there are: 9, 10");
    }

    #[test]
    fn all_places_that_were_looked_at_are_named() {
        let Failure::NotAsked(sentence) = nowhere(&["/run/a".into(), "/run/b".into()], 81) else { panic!() };
        assert!(
            sentence.starts_with("cannot find a server on port 81: there is no /run/a and no /run/b; "),
            "{sentence}"
        );
    }
}
