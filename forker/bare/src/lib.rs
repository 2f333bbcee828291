//! Servers without a master, to measure others against: `bare_loop`, an epoll loop, and `bare_hyper`, hyper and nothing else. Both answer `greeting!!!`
//! from one thread of each of their processes, which share the port (SO_REUSEPORT).

use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::process::Command;

use clap::Parser;
use forker::socket::{Address, Socket, SocketError, SocketOptions};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// What `main` returns.
pub type Served = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// In the environment of all processes but the first: whose children they are.
const CHILD_OF: &str = "FORKER_BARE_CHILD_OF";

/// Answers `greeting!!!` to whatever is asked.
#[derive(Debug, Parser)]
pub struct Flags {
    /// Where to listen; where that is, is the one line that it prints
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Address,
    /// How many processes share the port
    #[arg(long, value_name = "N", default_value = "1")]
    processes: NonZeroUsize,
}

/// A listener that does not block, as the flags say; in the first process after it has started the others, which end with it.
///
/// Called on the first thread: the end of the one that starts a child is what the child is told of (PR_SET_PDEATHSIG of prctl(2)).
///
/// # Errors
/// An address that is in use by somebody else, or a process that does not start.
pub fn listen() -> Result<TcpListener, Box<dyn std::error::Error + Send + Sync>> {
    let Flags { listen, processes } = Flags::parse();
    if let Ok(parent) = std::env::var(CHILD_OF) {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have gone before this was said.
        if getppid().map(|id| id.as_raw_pid().to_string()) != Some(parent) {
            return Err("its first process has gone".into());
        }
        return Ok(shared_listener(&listen)?);
    }
    let listener = shared_listener(&listen)?;
    let address = listener.local_addr()?.to_string();
    for _ in 1..processes.get() {
        let mut child = Command::new(std::env::current_exe()?);
        child.args(["--listen", &address]).env(CHILD_OF, std::process::id().to_string()).spawn()?;
    }
    println!("{address}");
    Ok(listener)
}

fn shared_listener(address: &Address) -> Result<TcpListener, SocketError> {
    let options = SocketOptions::default();
    match Socket::open(address, &options, true) {
        Err(SocketError::InUse { .. }) => Socket::join(address, &options)?.into_tcp_listener(),
        opened => opened?.into_tcp_listener(),
    }
}
