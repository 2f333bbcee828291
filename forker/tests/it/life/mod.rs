//! The life of a service: its start, deaths, changes and end.

mod boot;
mod dying;
mod hooks;
mod looking;
mod notifying;
mod reloading;
mod stopping;
mod taking_over;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::service::Service;

/// A file that gives workers faults while the word is in it.
struct FaultFile(TempDir);

impl FaultFile {
    fn new(word: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Self(folder);
        file.set(word);
        file
    }

    fn set(&self, word: &str) {
        fs::write(self.path(), word).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("fault")
    }

    fn flag(&self) -> String {
        format!("--fault-file={}", self.path().display())
    }
}

/// Runs it to its end; its code and what it said.
fn run(flags: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    said(
        Service::command(&folder, flags)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped()),
    )
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// The processes whose parent this is, as the kernel knows them.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let mut children: Vec<_> = text.split_whitespace().map(|child| child.parse().unwrap()).collect();
    children.sort_unstable();
    children
}

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.tcp()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// One request and its answer, on a connection of its own.
fn ask(service: &Service) -> String {
    let mut stream = connect(service);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    rest(stream)
}

/// The first half of a request; the worker has it when this returns.
fn half_a_request(service: &Service) -> TcpStream {
    let accepted = service.status().accepted;
    let mut stream = connect(service);
    stream.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    service.until("it is accepted", || service.status().accepted > accepted);
    stream
}

fn other_half(mut stream: TcpStream) -> String {
    stream.write_all(b"st: x\r\n\r\n").unwrap();
    rest(stream)
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The program under test as a file of its own, that can be replaced.
fn program_in(folder: &Path) -> PathBuf {
    let path = folder.join("greeting");
    replace_by_itself(&path);
    path
}

/// The same program, as another file.
fn replace_by_itself(path: &Path) {
    let beside = path.with_extension("new");
    fs::copy(env!("CARGO_BIN_EXE_forker-greeting"), &beside).unwrap();
    fs::rename(beside, path).unwrap();
}
