//! One connection, from its begin to its end: hyper speaks the protocol, and here is watched how long it takes.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until, timeout};

use super::access_log::AccessLog;
use super::caller::Caller;
use super::progress::{Overdue, Progress, TimeLimits};
use super::service::Service;
use super::stream::WatchedStream;
use crate::application::Application;
use crate::shutdown::Stop;

/// What every connection of a worker is served with.
pub(super) struct Terms<A> {
    pub(super) service: Service<A>,
    pub(super) stop: Stop,
    pub(super) time_limits: TimeLimits,
    /// None if answers are not logged.
    pub(super) access_log: Option<Rc<AccessLog>>,
    /// In bytes.
    pub(super) head_limit: usize,
}

/// How long a connection is read from once more after the server was told to stop: a request that was sent
/// before that is answered, even if nobody has looked at it yet.
const LAST_CALL: Duration = Duration::from_millis(50);

/// Serves a connection until one of the two ends it, or time does.
pub(super) async fn serve<A: Application>(stream: TcpStream, peer: SocketAddr, terms: Rc<Terms<A>>) {
    let progress = Rc::new(Progress::new());
    if !first_bytes(&stream, &progress, &terms).await {
        return;
    }
    let caller = Rc::new(Caller::new(peer, Rc::clone(&progress), Rc::clone(&terms)));
    let mut stop = terms.stop.clone();
    let mut watch = Watch {
        connection: speak_http(stream, &caller, &progress, &terms),
        alarm: pin!(sleep_until(far_away())),
        alarm_at: None,
        told: pin!(stop.told()),
        stage: Stage::Open,
        progress: &progress,
        terms: &terms,
    };
    let end = poll_fn(|context| watch.poll(context)).await;
    if matches!(end, End::Closed(_)) && progress.holds_back() {
        // hyper ends some connections without flushing, such as those on which it was asked to change the protocol.
        let mut stream = Pin::into_inner(watch.connection).into_parts().io.into_inner();
        let _ = timeout(terms.time_limits.write, stream.shutdown()).await;
    }
    match end {
        End::Closed(Ok(())) | End::Overdue(Overdue::Linger) => {}
        // Clients that go away or speak nonsense are their own business.
        End::Closed(Err(error)) => {
            caller.note_refused_by_hyper(&error);
            tracing::debug!(%peer, %error, "connection ended early");
        }
        End::Overdue(step) => tracing::debug!(%peer, ?step, "connection cut off, it took too long"),
    }
}

/// Hyper's part. Boxed, so that connections that have not said anything do not already take the room for it.
fn speak_http<A: Application>(
    stream: TcpStream,
    caller: &Rc<Caller<A>>,
    progress: &Rc<Progress>,
    terms: &Terms<A>,
) -> Pin<Box<HttpConnection<impl AnswerRequests + use<A>>>> {
    let caller = Rc::clone(caller);
    let answer = service_fn(move |request| caller.answer(request));
    let stream = TokioIo::new(WatchedStream::new(stream, Rc::clone(progress)));
    // Not `pipeline_flush`: with it hyper 1.12 never sends its own 400 and 431, because the bytes that it could not parse
    // count as a request that follows, and an answer waits for the rest of a next request that has only begun. The stream
    // collects answers instead.
    // `half_close`, whatever is to be done when clients go: hyper does not see them go behind bytes of a further request. The stream
    // watches, where that is wanted.
    // Not `header_read_timeout`: it makes and cancels an alarm for each request.
    let connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(terms.head_limit)
        .serve_connection(stream, answer);
    Box::pin(connection)
}

type HttpConnection<S> = http1::Connection<TokioIo<WatchedStream>, S>;

/// What hyper asks for answers.
trait AnswerRequests: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible> {}

impl<S: HttpService<Incoming, ResBody = Full<Bytes>, Error = Infallible>> AnswerRequests for S {}

/// Waits until the client says something or leaves; gives whether it said something.
async fn first_bytes<A>(stream: &TcpStream, progress: &Progress, terms: &Terms<A>) -> bool {
    let deadline = progress.deadline(&terms.time_limits).map_or_else(far_away, |(at, _)| at.into());
    let mut stop = terms.stop.clone();
    // Looks instead of asking whether it can be read: tokio takes every new connection for one that can.
    let said = async || matches!(stream.peek(&mut [0]).await, Ok(1..));
    tokio::select! {
        biased;
        said = said() => said,
        () = sleep_until(deadline) => false,
        () = stop.told() => timeout(LAST_CALL, said()).await.unwrap_or(false),
    }
}

/// A moment that no alarm needs to wait for.
fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(24 * 60 * 60)
}

/// A connection under way, and what may end it.
struct Watch<'a, A, S: AnswerRequests, T> {
    connection: Pin<Box<HttpConnection<S>>>,
    /// Set again only if it would be late. That it is early is noticed when it rings: so the many connections that are never late
    /// never touch it.
    alarm: Pin<&'a mut Sleep>,
    alarm_at: Option<Instant>,
    told: Pin<&'a mut T>,
    stage: Stage,
    progress: &'a Progress,
    terms: &'a Terms<A>,
}

#[derive(Clone, Copy)]
enum Stage {
    Open,
    /// The server was told to stop; until then requests are still taken.
    LastCall(Instant),
    /// The answer under way is the last.
    Draining,
}

enum End {
    Closed(hyper::Result<()>),
    Overdue(Overdue),
}

impl<A, S: AnswerRequests, T: Future<Output = ()>> Watch<'_, A, S, T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Poll::Ready(ended) = self.connection.as_mut().poll(context) {
                return Poll::Ready(End::Closed(ended));
            }
            if self.progress.demand_flush() {
                continue;
            }
            self.notice_stop(context);
            match self.check_time(context) {
                Alarm::Set => return Poll::Pending,
                Alarm::Overdue(step) => return Poll::Ready(End::Overdue(step)),
                Alarm::LastCallOver => {
                    self.stage = Stage::Draining;
                    self.connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn notice_stop(&mut self, context: &mut Context<'_>) {
        // The first look registers this task to be woken; from then on the flag says whether there is anything to see.
        let look = self.alarm_at.is_none() || self.terms.stop.is_told();
        if matches!(self.stage, Stage::Open) && look && self.told.as_mut().poll(context).is_ready() {
            self.stage = Stage::LastCall(Instant::now() + LAST_CALL);
        }
    }

    fn check_time(&mut self, context: &mut Context<'_>) -> Alarm {
        loop {
            let deadline = self.progress.deadline(&self.terms.time_limits);
            let last_call = match self.stage {
                Stage::LastCall(until) => Some(until),
                Stage::Open | Stage::Draining => None,
            };
            let next = deadline.map(|(at, _)| at).into_iter().chain(last_call).min();
            let rang = self.alarm.is_elapsed();
            if !rang && self.alarm_at.is_some_and(|set| next.is_none_or(|next| set <= next)) {
                return Alarm::Set;
            }
            let now = Instant::now();
            match deadline {
                Some((at, step)) if at <= now => return Alarm::Overdue(step),
                _ => {}
            }
            if last_call.is_some_and(|until| until <= now) {
                return Alarm::LastCallOver;
            }
            let next = next.unwrap_or(now + self.terms.time_limits.idle);
            self.alarm.as_mut().reset(next.into());
            self.alarm_at = Some(next);
            if self.alarm.as_mut().poll(context).is_pending() {
                return Alarm::Set;
            }
        }
    }
}

enum Alarm {
    Set,
    Overdue(Overdue),
    LastCallOver,
}
