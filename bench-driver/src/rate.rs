//! Requests at a constant rate, whatever the server does.
//!
//! Each request has an intended time, and its latency counts from there, even if no connection was free to send it then. A generator that waits
//! for answers before it sends the next request asks less of a server that is slow, and so does not see how long others would have waited
//! (coordinated omission).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::cores;
use crate::http;
use crate::order::{Ask, ConstantRate, Numbers};

/// So long before a request is due the generator stays awake and looks again and again: a timer of a virtual machine may come a millisecond late, which
/// would be counted as the server's, and the more so the faster it answers, since a generator that is kept busy by answers is late less often.
const AWAKE: Duration = Duration::from_millis(5);
/// For answers that are due at the end; what has not come then never comes.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// What became of the requests that were due while it was measured.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// Latencies from the intended time, unordered.
    pub(crate) latencies: Vec<Duration>,
    /// How late requests were sent for which a connection was free in time, unordered.
    pub(crate) lateness: Vec<Duration>,
    /// What went wrong, in words.
    pub(crate) failed: Option<String>,
}

/// When measuring begins and ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) first_request: Instant,
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Window {
    /// The window of a load that starts a moment from now, so that all threads are there.
    pub(crate) fn of(load: &ConstantRate) -> Window {
        let first_request = Instant::now() + Duration::from_millis(50);
        let begin = first_request + Duration::from_secs_f64(load.warm_up_seconds);
        Window { first_request, begin, end: begin + Duration::from_secs_f64(load.seconds) }
    }
}

/// Sends what is due in `window` on `load.threads` threads and returns when the last answer has come.
pub(crate) fn run(load: &ConstantRate, ask: &Ask, window: Window) -> io::Result<Answered> {
    if !(load.per_second.is_finite() && load.per_second > 0.0)
        || load.threads == 0
        || load.connections < load.threads
    {
        return Err(io::Error::other(
            "a constant rate needs a rate, threads, and a connection for each of them",
        ));
    }
    let parts = thread::scope(|scope| {
        let threads: Vec<_> = (0..load.threads)
            .map(|thread| {
                scope.spawn(move || {
                    cores::keep_to(&load.cores)?;
                    Generator::connect(load, ask, window, thread)?.run()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let mut all = Answered::default();
    for part in parts {
        let part = part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        all.latencies.extend(part.latencies);
        all.lateness.extend(part.lateness);
        all.failed = all.failed.or(part.failed);
    }
    Ok(all)
}

/// How long a thread may sleep that has something to do at a time.
fn sleep(now: Instant, until: Instant) -> Duration {
    until.saturating_duration_since(now).saturating_sub(AWAKE)
}

/// The values below which so many percent lie, in seconds; nothing of nothing.
pub(crate) fn percentiles(mut values: Vec<Duration>, percents: &[f64]) -> Vec<(f64, f64)> {
    values.sort();
    let at = |percent: f64| -> Option<(f64, f64)> {
        let rank = (values.len() as f64 * percent / 100.0).ceil() as usize;
        Some((percent, values.get(rank.max(1) - 1)?.as_secs_f64()))
    };
    percents.iter().filter_map(|&percent| at(percent)).collect()
}

/// One thread's connections and the requests that they have to send.
struct Generator<'a> {
    requests: Requests<'a>,
    window: Window,
    /// Between two requests of this thread.
    interval: Duration,
    first: Instant,
    sent: u32,
    connections: Vec<Connection>,
    /// Those that wait for no answer, and since when; the longest idle first.
    idle: VecDeque<(usize, Instant)>,
    poll: rustix::fd::OwnedFd,
    answered: Answered,
}

struct Connection {
    stream: TcpStream,
    /// What has come of an answer.
    bytes: Vec<u8>,
    intended: Instant,
}

/// What is sent, one after the other.
enum Requests<'a> {
    Same(Vec<u8>),
    OfManyHosts(&'a Ask, Numbers),
}

impl<'a> Requests<'a> {
    fn new(ask: &'a Ask, thread: usize) -> Requests<'a> {
        match &ask.hosts {
            None => Requests::Same(http::request(ask, 0)),
            Some(hosts) => Requests::OfManyHosts(ask, Numbers::new(hosts.count, thread)),
        }
    }

    fn next(&mut self) -> Cow<'_, [u8]> {
        match self {
            Requests::Same(bytes) => Cow::Borrowed(bytes),
            Requests::OfManyHosts(ask, numbers) => Cow::Owned(http::request(ask, numbers.next())),
        }
    }
}

impl<'a> Generator<'a> {
    fn connect(
        load: &ConstantRate,
        ask: &'a Ask,
        window: Window,
        thread: usize,
    ) -> io::Result<Generator<'a>> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mine = (thread..load.connections).step_by(load.threads);
        let mut connections = Vec::new();
        for number in 0..mine.len() {
            let stream = TcpStream::connect(ask.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&poll, &stream, data, epoll::EventFlags::IN)?;
            connections.push(Connection { stream, bytes: Vec::new(), intended: window.first_request });
        }
        let between_all = 1.0 / load.per_second;
        let first = window.first_request + Duration::from_secs_f64(between_all * thread as f64);
        Ok(Generator {
            requests: Requests::new(ask, thread),
            window,
            interval: Duration::from_secs_f64(between_all * load.threads as f64),
            first,
            sent: 0,
            idle: (0..connections.len()).map(|number| (number, window.first_request)).collect(),
            connections,
            poll,
            answered: Answered::default(),
        })
    }

    fn run(mut self) -> io::Result<Answered> {
        let mut events = Vec::with_capacity(self.connections.len());
        loop {
            self.send_what_is_due();
            let now = Instant::now();
            let is_done = self.next().is_none() && self.idle.len() == self.connections.len();
            if is_done || self.answered.failed.is_some() {
                return Ok(self.answered);
            }
            if now > self.window.end + LAST_ANSWERS {
                let waiting = self.connections.len() - self.idle.len();
                let unsent = self.unsent();
                self.answered.failed = Some(format!(
                    "{LAST_ANSWERS:?} after the end {waiting} requests are not answered and {unsent} not sent"
                ));
                return Ok(self.answered);
            }
            let until = match self.next() {
                Some(due) if !self.idle.is_empty() => due,
                _ => now + Duration::from_millis(100),
            };
            events.clear();
            let wait = sleep(now, until);
            let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
            match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.receive(event.data.u64() as usize);
            }
        }
    }

    /// When the next request is due; `None` if there is none left.
    fn next(&self) -> Option<Instant> {
        let due = self.first + self.interval * self.sent;
        (due < self.window.end).then_some(due)
    }

    fn unsent(&self) -> u64 {
        let left = self.next().map_or(Duration::ZERO, |due| self.window.end - due);
        (left.as_secs_f64() / self.interval.as_secs_f64()).ceil() as u64
    }

    fn send_what_is_due(&mut self) {
        while let Some(due) = self.next() {
            let now = Instant::now();
            if due > now {
                break;
            }
            let Some((number, idle_since)) = self.idle.pop_front() else { break };
            let connection = &mut self.connections[number];
            connection.intended = due;
            // So few bytes always have room in a socket that waits for nothing.
            if let Err(error) = connection.stream.write_all(&self.requests.next()) {
                self.answered.failed = Some(broken(&error));
                break;
            }
            self.sent += 1;
            if idle_since <= due && due >= self.window.begin {
                self.answered.lateness.push(now - due);
            }
        }
    }

    fn receive(&mut self, number: usize) {
        let Some(connection) = self.connections.get_mut(number) else { return };
        match connection.receive() {
            Ok(None) => {}
            Ok(Some(status)) if !(200..300).contains(&status) => {
                self.answered.failed = Some(format!("an answer was {status}"));
            }
            Ok(Some(_)) => {
                let now = Instant::now();
                if connection.intended >= self.window.begin {
                    self.answered.latencies.push(now - connection.intended);
                }
                self.idle.push_back((number, now));
            }
            Err(error) => self.answered.failed = Some(broken(&error)),
        }
    }
}

fn broken(error: &io::Error) -> String {
    format!("a connection failed: {error}")
}

impl Connection {
    /// Takes what has come; the status, if that was the rest of an answer.
    fn receive(&mut self) -> io::Result<Option<u16>> {
        let mut part = [0; 16 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) => return Err(io::Error::other("the server closed it")),
            Ok(length) => self.bytes.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let head = http::head(&self.bytes).map_err(io::Error::other)?;
        let Some((status, total)) = head.map(|head| (head.status, head.total)) else { return Ok(None) };
        if self.bytes.len() > total {
            return Err(io::Error::other("an answer that was not asked for"));
        }
        if self.bytes.len() < total {
            return Ok(None);
        }
        self.bytes.clear();
        Ok(Some(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_is_awake_when_a_request_becomes_due() {
        let now = Instant::now();
        let in_ms = |ms| now + Duration::from_millis(ms);
        assert_eq!(sleep(now, in_ms(100)), Duration::from_millis(95));
        assert_eq!(sleep(now, in_ms(5)), Duration::ZERO);
        assert_eq!(sleep(in_ms(2), in_ms(1)), Duration::ZERO);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values = (1..=1000).rev().map(Duration::from_millis).collect();
        let found = percentiles(values, &[50.0, 99.0, 99.9, 100.0]);
        assert_eq!(found, [(50.0, 0.5), (99.0, 0.99), (99.9, 0.999), (100.0, 1.0)]);
        assert_eq!(percentiles(vec![Duration::from_secs(1)], &[0.0, 50.0]), [(0.0, 1.0), (50.0, 1.0)]);
        assert_eq!(percentiles(Vec::new(), &[50.0]), []);
    }
}
