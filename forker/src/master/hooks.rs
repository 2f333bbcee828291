//! What a program wants to do at the turns of its workers' lives.

use std::process::Command;

use crate::exit::Exit;

/// Called by the master, in the thread of [`run`](crate::run): nothing else happens until they return. All do nothing by default.
pub trait Hooks {
    /// A worker is about to be started. The command may be given a working folder, variables, limits; its arguments, standard input
    /// and program are the master's affair.
    fn before_spawn(&mut self, worker: &Spawning, command: &mut Command) {
        let _ = (worker, command);
    }

    /// Its process is there.
    fn after_spawn(&mut self, worker: &Spawned) {
        let _ = worker;
    }

    /// It serves.
    fn ready(&mut self, worker: &Spawned) {
        let _ = worker;
    }

    /// It has ended, wanted or not.
    fn exit(&mut self, worker: &Spawned, exit: Exit) {
        let _ = (worker, exit);
    }

    /// SIGUSR1: the master's own logs are to be opened anew. Workers are told by [`Worker::on_reopen`](crate::Worker::on_reopen).
    fn reopen_logs(&mut self) {}
}

/// None.
impl Hooks for () {}

/// A worker that is about to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spawning {
    /// Its place, from 0.
    pub slot: usize,
    /// How often the program had been loaded, from 1.
    pub generation: u32,
}

/// A worker that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spawned {
    /// Its place, from 0.
    pub slot: usize,
    /// How often the program had been loaded, from 1.
    pub generation: u32,
    /// Its process id.
    pub pid: u32,
}
