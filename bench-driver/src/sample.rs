//! One sample, from the start of a server to its end.

use std::io;
use std::iter;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{self, Answer};
use crate::cores;
use crate::descriptors;
use crate::order::{Ask, ConstantRate, Load, Once, Order, RedisBenchmark, Saturate};
use crate::outcome::Outcome;
use crate::rate::{self, Window, percentiles};
use crate::redis;
use crate::server::{FirstAnswer, Server};
use crate::usage::{self, Usage};
use crate::wrk;

const PERCENTS: [f64; 7] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0];

/// Why there is nothing to tell: the server does not start, answers something else or does not end, or what should load it does not run.
/// A server that fails under load, or after it, is told of in [`Outcome::failed`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmeasured {
    /// The server.
    #[error("{0}")]
    Server(String),
    /// What loads it: wrk, or redis-benchmark.
    #[error("{0}")]
    Generator(String),
    /// The system.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Takes the sample that `order` asks for, and leaves no process of it.
///
/// # Errors
/// See [`Unmeasured`].
pub fn take(order: &Order) -> Result<Outcome, Unmeasured> {
    let patience = Duration::try_from_secs_f64(order.server.patience_seconds)
        .map_err(|_| Unmeasured::Server("patience_seconds is no number of seconds".to_owned()))?;
    descriptors::provide(&order.load).map_err(system("cannot raise the limit of open files"))?;
    let mut beside = Vec::new();
    for needed in &order.beside {
        let mut started =
            Server::start(&needed.program).map_err(system("cannot start what the server needs"))?;
        started.wait_until_there(needed.listens, patience).map_err(Unmeasured::Server)?;
        beside.push(started);
    }
    let mut server = Server::start(&order.server).map_err(system("cannot start the server"))?;
    let first = server.wait_until_right(&order.ask, patience).map_err(Unmeasured::Server)?;
    let loaded = match &order.load {
        Load::Saturate(load) => saturate(load, &order.ask, first, &server),
        Load::ConstantRate(load) => constant_rate(load, &order.ask, &server),
        Load::Once(load) => once(load, &server),
        Load::RedisBenchmark(load) => redis_benchmark(load, &order.ask, &server),
    };
    let still_right = server.is_still_right(&order.ask, patience);
    let mut outcome = match loaded {
        // What loads a server that is gone does not come to an end either.
        Err(_) if still_right.is_err() => Outcome::default(),
        loaded => loaded?,
    };
    outcome.start_seconds = first.after.as_secs_f64();
    let ends = iter::once(server).chain(beside.into_iter().rev()).map(Server::end);
    for complaint in iter::once(still_right).chain(ends).filter_map(Result::err) {
        outcome.failed.get_or_insert(in_one_line(&complaint));
    }
    Ok(outcome)
}

/// A complaint and the last line of the log that came with it: what is kept of a sample that failed.
fn in_one_line(complaint: &str) -> String {
    let mut lines = complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    lines.next_back().map_or_else(|| first.to_owned(), |last| format!("{first} {last}"))
}

fn saturate(load: &Saturate, ask: &Ask, first: FirstAnswer, server: &Server) -> Result<Outcome, Unmeasured> {
    if load.warm_up_seconds > 0 {
        run_wrk(load, ask, load.warm_up_seconds)?;
    }
    let before = used(server)?;
    let report = run_wrk(load, ask, load.seconds)?;
    let after = used(server)?;
    Ok(Outcome {
        failed: report.line.failed(first.bytes, load.connections),
        seconds: report.line.duration_us as f64 / 1e6,
        requests: report.line.requests,
        percentiles: report.percentiles(),
        wrk: report.columns,
        ..cost(before, after)
    })
}

fn run_wrk(load: &Saturate, ask: &Ask, seconds: u32) -> Result<wrk::Report, Unmeasured> {
    let said = run_generator(&wrk::command(load, ask, seconds), &load.cores, |_| {})?;
    wrk::Report::parse(&said).map_err(Unmeasured::Generator)
}

/// What a program prints that loads the server.
fn run_generator(
    argv: &[String],
    cores: &[usize],
    prepare: impl FnOnce(&mut Command),
) -> Result<String, Unmeasured> {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null());
    prepare(&mut command);
    let output = cores::on(cores, || command.output())
        .map_err(|error| Unmeasured::Generator(cannot_run(Path::new(&argv[0]), &error)))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let complaint = format!("`{}` ended with {}:\n{words}", argv.join(" "), output.status);
        return Err(Unmeasured::Generator(complaint));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Why a program of others that measures does not run, and where it is if it is not here.
pub fn cannot_run(program: &Path, error: &io::Error) -> String {
    let cure = match error.kind() {
        io::ErrorKind::NotFound => {
            "; wrk and valgrind are in the image `bench-tools`, redis-benchmark in `redis`: `cargo xtask images build bench-tools redis`"
        }
        _ => "",
    };
    format!("cannot run {}: {error}{cure}", program.display())
}

fn redis_benchmark(load: &RedisBenchmark, ask: &Ask, server: &Server) -> Result<Outcome, Unmeasured> {
    let run = |test: &str, requests: u32| -> Result<redis::Report, Unmeasured> {
        let argv = redis::command(load, ask, test, requests);
        let said = run_generator(&argv, &load.cores, |command| {
            command.env_clear().envs(&load.env);
        })?;
        redis::Report::parse(&said, &test.to_uppercase()).map_err(Unmeasured::Generator)
    };
    run("set", 1)?;
    if load.warm_up_requests > 0 {
        run("get", load.warm_up_requests)?;
    }
    let before = used(server)?;
    let report = run("get", load.requests)?;
    let after = used(server)?;
    Ok(Outcome {
        seconds: f64::from(load.requests) / report.per_second,
        requests: load.requests.into(),
        percentiles: vec![
            (50.0, report.p50_seconds),
            (99.0, report.p99_seconds),
            (100.0, report.slowest_seconds),
        ],
        ..cost(before, after)
    })
}

fn once(load: &Once, server: &Server) -> Result<Outcome, Unmeasured> {
    let patience = Duration::try_from_secs_f64(load.patience_seconds)
        .map_err(|_| Unmeasured::Server("patience_seconds is no number of seconds".to_owned()))?;
    let ask = || match answer::ask(&load.ask, patience) {
        Answer::Right(_) => Ok(()),
        Answer::NotThere => Err(Unmeasured::Server("nobody listens any more".to_owned())),
        Answer::Wrong(how) => Err(Unmeasured::Server(how)),
    };
    for _ in 0..load.before {
        ask()?;
    }
    let before = used(server)?;
    let started = Instant::now();
    ask()?;
    let took = started.elapsed().as_secs_f64();
    let after = used(server)?;
    Ok(Outcome { seconds: took, requests: 1, percentiles: vec![(100.0, took)], ..cost(before, after) })
}

fn constant_rate(load: &ConstantRate, ask: &Ask, server: &Server) -> Result<Outcome, Unmeasured> {
    let window = Window::of(load);
    let (answered, before, after) = thread::scope(|scope| {
        let generator = scope.spawn(|| rate::run(load, ask, window));
        let before = wait_until(window.begin).and_then(|()| usage::of_tree(server.id()));
        let after = wait_until(window.end).and_then(|()| usage::of_tree(server.id()));
        (generator.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), before, after)
    });
    let answered = answered.map_err(system("cannot send at a constant rate"))?;
    let used = system("cannot tell what the server uses");
    let (before, after) = before.and_then(|before| Ok((before, after?))).map_err(used)?;
    Ok(Outcome {
        failed: answered.failed,
        seconds: load.seconds,
        requests: answered.latencies.len() as u64,
        percentiles: percentiles(answered.latencies, &PERCENTS),
        late_p99_seconds: percentiles(answered.lateness, &[99.0]).first().map(|(_, value)| *value),
        ..cost(before, after)
    })
}

/// Errors are those of what is done then.
fn wait_until(then: Instant) -> io::Result<()> {
    thread::sleep(then.saturating_duration_since(Instant::now()));
    Ok(())
}

fn used(server: &Server) -> Result<Usage, Unmeasured> {
    usage::of_tree(server.id()).map_err(system("cannot tell what the server uses"))
}

fn cost(before: Usage, after: Usage) -> Outcome {
    Outcome {
        cpu_seconds: after.cpu_seconds_since(&before),
        peak_rss_bytes: after.peak_rss_bytes,
        processes: after.processes,
        ..Outcome::default()
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Unmeasured {
    move |source| Unmeasured::System { what, source }
}
