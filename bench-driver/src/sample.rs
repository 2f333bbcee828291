//! One sample, from the start of a server to its end.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::cores;
use crate::order::{Ask, ConstantRate, Load, Order, Saturate};
use crate::outcome::Outcome;
use crate::rate::{self, Window, percentiles};
use crate::server::Server;
use crate::usage::{self, Usage};
use crate::wrk;

const PERCENTS: [f64; 7] = [50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0];

/// Why there is nothing to tell: the server does not start, answers something else or does not end, or what should load it does not run.
/// A server that fails under load is told of in [`Outcome::failed`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmeasured {
    /// The server.
    #[error("{0}")]
    Server(String),
    /// wrk.
    #[error("{0}")]
    Wrk(String),
    /// The system.
    #[error("{what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Takes the sample that `order` asks for, and leaves no process of it.
///
/// # Errors
/// See [`Unmeasured`].
pub fn take(order: &Order) -> Result<Outcome, Unmeasured> {
    let patience = Duration::try_from_secs_f64(order.server.patience_seconds)
        .map_err(|_| Unmeasured::Server("patience_seconds is no number of seconds".to_owned()))?;
    let mut server = Server::start(&order.server).map_err(system("cannot start the server"))?;
    let start = server.wait_until_right(&order.ask, patience).map_err(Unmeasured::Server)?;
    let mut outcome = match &order.load {
        Load::Saturate(load) => saturate(load, &order.ask, &server)?,
        Load::ConstantRate(load) => constant_rate(load, &order.ask, &server)?,
    };
    outcome.start_seconds = start.as_secs_f64();
    server.is_still_right(&order.ask, patience).map_err(Unmeasured::Server)?;
    server.end().map_err(Unmeasured::Server)?;
    Ok(outcome)
}

fn saturate(load: &Saturate, ask: &Ask, server: &Server) -> Result<Outcome, Unmeasured> {
    if load.warm_up_seconds > 0 {
        run_wrk(load, ask, load.warm_up_seconds)?;
    }
    let before = used(server)?;
    let report = run_wrk(load, ask, load.seconds)?;
    let after = used(server)?;
    Ok(Outcome {
        failed: report.line.errors.words(),
        seconds: report.line.duration_us as f64 / 1e6,
        requests: report.line.requests,
        percentiles: report.percentiles(),
        wrk: report.columns,
        ..cost(before, after)
    })
}

fn run_wrk(load: &Saturate, ask: &Ask, seconds: u32) -> Result<wrk::Report, Unmeasured> {
    let argv = wrk::command(load, ask, seconds);
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null());
    let output = cores::on(&load.cores, || command.output()).map_err(system("cannot start wrk"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        return Err(Unmeasured::Wrk(format!("`{}` ended with {}:\n{words}", argv.join(" "), output.status)));
    }
    wrk::Report::parse(&String::from_utf8_lossy(&output.stdout)).map_err(Unmeasured::Wrk)
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
fn wait_until(then: Instant) -> std::io::Result<()> {
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

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Unmeasured {
    move |source| Unmeasured::System { what, source }
}
