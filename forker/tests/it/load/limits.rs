//! What cannot start, and says why.

use std::process::{Command, Output};

use crate::service::Service;

/// Runs it to its end.
fn fail(flags: &[&str], shell: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Service::command(&folder, flags);
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh"]).arg(wanted.get_program()).args(wanted.get_args());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!status.success(), "{text}");
    text
}

#[test]
fn more_workers_than_descriptors_are_refused() {
    for strategy in ["reuseport", "inherit"] {
        let flags = ["--workers", "400", "--strategy", strategy];
        let text = fail(&flags, "ulimit -n 64 && exec \"$@\"");
        assert!(text.contains("400") && text.contains("64"), "{text}");
    }
}

#[test]
fn a_port_in_use_is_refused_though_its_owner_would_share_it() {
    let service = Service::start(&["--workers", "1"]);
    let address = service.tcp().to_string();
    for strategy in ["reuseport", "inherit"] {
        let text = fail(&["--workers", "1", "--strategy", strategy, "--listen", &address], "exec \"$@\"");
        assert!(text.contains(&address) && text.contains("in use"), "{text}");
    }
}
