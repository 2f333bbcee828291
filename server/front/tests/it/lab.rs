//! A front in this process, and the application behind it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_front::{
    Application, FrontError, Listeners, Reply, Request, Response, ServerStats, Settings, Stopper,
    WholeRequest,
};
use hyper::StatusCode;
use tokio::sync::watch;

/// How long anything may take that is not itself a matter of time: far more than a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Answers `/now` at once with the request's body, and everything else, with its path, when it is released.
struct Waiting {
    released: watch::Receiver<bool>,
    counts: Arc<Counts>,
}

/// What became of the answers that had to be waited for.
#[derive(Default)]
pub(crate) struct Counts {
    begun: AtomicUsize,
    dropped: AtomicUsize,
}

/// An answer that was begun.
struct Begun {
    counts: Arc<Counts>,
    finished: bool,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.finished {
            self.counts.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Application for Waiting {
    type Answer = Response;
    type Begun = Begun;

    fn answer(&self, request: &Request<'_>) -> Reply<Response, Begun> {
        if request.uri.path() == "/now" {
            return Reply::Here(Response::new(request.body.to_vec().into()));
        }
        self.counts.begun.fetch_add(1, Ordering::SeqCst);
        Reply::Begun(Begun { counts: Arc::clone(&self.counts), finished: false })
    }

    async fn finish(&self, mut begun: Begun, request: WholeRequest) -> Response {
        let _ = self.released.clone().wait_for(|released| *released).await;
        begun.finished = true;
        Response::new(format!("<{}>", request.http.uri().path()).into())
    }

    fn refuse(&self, status: StatusCode) -> Response {
        let mut response = Response::new(format!("refused {}", status.as_u16()).into());
        *response.status_mut() = status;
        response
    }
}

/// A front that serves. Stopped when dropped.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) stats: Arc<ServerStats>,
    release: watch::Sender<bool>,
    counts: Arc<Counts>,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<(), FrontError>>>,
}

impl Front {
    pub(crate) fn start(settings: Settings) -> Self {
        let sockets = http_front::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        Self::start_at(sockets.into(), settings)
    }

    pub(crate) fn start_at(listeners: Listeners, settings: Settings) -> Self {
        Self::begin(listeners, settings, false)
    }

    /// One that is told to stop before it begins.
    pub(crate) fn start_at_the_end(listeners: Listeners, settings: Settings) -> Self {
        Self::begin(listeners, settings, true)
    }

    fn begin(listeners: Listeners, settings: Settings, is_told: bool) -> Self {
        let address = listeners.addresses().unwrap()[0];
        let (release, released) = watch::channel(false);
        let counts = Arc::<Counts>::default();
        let application = Waiting { released, counts: Arc::clone(&counts) };
        let stats = Arc::new(ServerStats::new());
        let (stopper, stop) = http_front::stopper();
        if is_told {
            stopper.stop("the test wants it");
        }
        let in_thread = Arc::clone(&stats);
        let thread =
            std::thread::spawn(move || http_front::serve(application, listeners, &settings, in_thread, stop));
        Self { address, stats, release, counts, stopper, thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> TcpStream {
        connect(self.address)
    }

    /// A client that has sent these bytes, once so many answers have been begun.
    pub(crate) fn client_that_waits(&self, bytes: &[u8], begun: usize) -> TcpStream {
        let mut client = self.client();
        client.write_all(bytes).unwrap();
        self.wait_for("begun", begun, |counts| &counts.begun);
        client
    }

    /// Lets all answers be finished, those to come too.
    pub(crate) fn release(&self) {
        self.release.send_replace(true);
    }

    pub(crate) fn wait_for_dropped(&self, dropped: usize) {
        self.wait_for("dropped", dropped, |counts| &counts.dropped);
    }

    pub(crate) fn dropped(&self) -> usize {
        self.counts.dropped.load(Ordering::SeqCst)
    }

    fn wait_for(&self, what: &str, expected: usize, count: fn(&Counts) -> &AtomicUsize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = count(&self.counts).load(Ordering::SeqCst);
            if found == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{found} {what} instead of {expected}");
            // Leaves the processor to the front.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Has it stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.end().unwrap();
    }

    fn end(&mut self) -> Result<(), FrontError> {
        self.stopper.stop("the test is over");
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.release();
        let outcome = self.end();
        if !std::thread::panicking() {
            outcome.unwrap();
        }
    }
}

/// A client that does not wait for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that still comes.
pub(crate) fn rest(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// A request without a body, the last of its connection if `last`.
pub(crate) fn get(path: &str, last: bool) -> Vec<u8> {
    let connection = if last { "close" } else { "keep-alive" };
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\r\n").into_bytes()
}

/// Answers nothing.
pub(crate) struct Nothing;

impl Application for Nothing {
    type Answer = Response;
    type Begun = std::convert::Infallible;

    fn answer(&self, _: &Request<'_>) -> Reply<Response, Self::Begun> {
        Reply::Here(self.refuse(StatusCode::NOT_FOUND))
    }

    async fn finish(&self, begun: Self::Begun, _: WholeRequest) -> Response {
        match begun {}
    }

    fn refuse(&self, status: StatusCode) -> Response {
        let mut response = Response::default();
        *response.status_mut() = status;
        response
    }
}
